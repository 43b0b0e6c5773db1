"""`pqrst serve`."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from pqrst.cli._arguments import add_model, command


def add(commands: Any) -> None:
    """Add the command."""
    serve = command(
        commands,
        "serve",
        "answer over HTTP, with a page to look at",
        examples=["", "--model attention.onnx --port 9000 --token-file token"],
        done="it was asked to stop, and what it had begun is answered",
        fault="the run cannot be used, or the address, the token or the certificate cannot",
        shorten=False,  # else --token SECRET would be taken for --token-file, and the secret be seen by all
    )
    add_model(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine only)")
    serve.add_argument("--port", type=int, default=8000, help="port to listen at (default: 8000)")
    serve.add_argument("--threads", type=int, default=1, help="processor threads of the network (default: 1)")
    serve.add_argument("--megabytes", type=float, default=64.0, help="largest upload (default: 64)")
    serve.add_argument("--seconds", type=float, default=60.0, help="longest time of a request (default: 60)")
    serve.add_argument("--at-once", type=int, default=8, help="recordings computed at once; others wait (default: 8)")
    serve.add_argument("--connections", type=int, default=512, help="open at once; more get a 429 (default: 512)")
    serve.add_argument(
        "--patience",
        type=float,
        default=10.0,
        help="seconds for headers, and for a body beside its bytes (default: 10)",
    )
    serve.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="a file with the token that requests must bring, or set PQRST_TOKEN",
    )
    serve.add_argument("--tls-certificate", type=Path, metavar="PEM", help="listen by HTTPS with this certificate")
    serve.add_argument("--tls-key", type=Path, metavar="PEM", help="the key of the certificate")
    serve.set_defaults(command=_serve)


def _serve(given: argparse.Namespace) -> int:
    from pqrst import exported  # noqa: PLC0415 (torch costs two seconds, and --help needs none)
    from pqrst.serve import run  # noqa: PLC0415
    from pqrst.serve.limits import Limits  # noqa: PLC0415

    limits = Limits(
        given.megabytes, given.seconds, given.at_once, connections=given.connections, patience=given.patience
    )
    place = run.Place(given.host, given.port, given.token_file, given.tls_certificate, given.tls_key)
    opened = partial(exported.open_run, given.model, given.device, given.threads, given.sha256)
    return run.serve(place, limits, opened)
