"""The command line: `pqrst record`, `search`, `predict`, `explain`, `export`, `serve`."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pqrst import __version__, console, listings
from pqrst.errors import PqrstError, RecordError, SettingsError

DISCLAIMER = "No medical device: nothing that is printed here may guide the care of a patient."
MODEL = Path("data/runs/attention")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a mistake that a user can mend is one line and status 1."""
    console.setup()
    given = _parser().parse_args(arguments)
    try:
        return int(given.command(given) or 0)
    except PqrstError as error:
        console.log.error("pqrst: %s", error)
        return 1
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pqrst", description="ECG databases, published classifiers, and their tables.", epilog=DISCLAIMER
    )
    parser.add_argument("--version", action="version", version=f"pqrst {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_record, _add_search, _add_predict, _add_explain, _add_export, _add_serve):
        add(commands)
    return parser


def _add_record(commands: Any) -> None:
    record = commands.add_parser("record", help="keep the scores of a run on real recordings under metrics/paper")
    record.add_argument("run", help="a run of params.yaml that `dvc repro` has evaluated with profile=paper")
    record.add_argument("--root", type=Path, default=Path(), help="the checkout (default: this folder)")
    record.set_defaults(command=_record)


def _record(given: argparse.Namespace) -> None:
    from pqrst import ledger  # noqa: PLC0415 (pandas costs a third of a second, and --help needs none)
    from pqrst.resolved import read_run  # noqa: PLC0415

    settings = read_run(given.root / "resolved" / "runs" / f"{given.run}.yaml")[0]
    scores = given.root / "data" / "scores" / settings.family / given.run
    for file in ledger.record(scores, given.run, given.root / "metrics" / "paper"):
        console.log.info("recorded %s", file)


def _add_search(commands: Any) -> None:
    search = commands.add_parser(
        "search", help="search settings of a run by its validation rows; trials are DVC experiments"
    )
    search.add_argument("run", help="a run of params.yaml")
    search.add_argument("-S", "--set", action="append", default=[], metavar="KEY=RANGE", dest="space",
                        help="as `dvc exp run -S`: one value for all trials, interval(a,b), int(interval(a,b)), "
                        "tag(log,interval(a,b)), range(a,b,step) or choice(a,b,c)")  # fmt: skip
    search.add_argument(
        "--space", type=Path, metavar="FILE", dest="file", help="a YAML file of such settings, KEY: RANGE"
    )
    search.add_argument("--trials", type=int, default=20, help="in all, with those that the study holds (default: 20)")
    search.add_argument(
        "--by",
        default="f1_macro",
        help="the validation figure: f1_macro (default), accuracy, loss, or the run's own train.select",
    )
    search.add_argument("--pruner", choices=("median", "hyperband", "none"), default="median")
    search.add_argument("--wait", type=int, default=1, help="epochs before any trial is pruned (default: 1)")
    search.add_argument("--seed", type=int, default=17, help="of what is proposed (default: 17)")
    search.add_argument(
        "--study", default="", help="its name (default: that of the run); the same name goes on with it"
    )
    search.add_argument("--jobs", type=int, default=1, help="processes that share the study (default: 1)")
    search.add_argument("--list", action="store_true", help="run nothing, show every trial of the study")
    search.add_argument("--root", type=Path, default=Path(), help="the checkout (default: this folder)")
    search.set_defaults(command=_search)


def _search(given: argparse.Namespace) -> int:
    """Search in this process, or in several that share the study."""
    from pqrst import search, spaces  # noqa: PLC0415 (dvc costs half a second, and --help needs none)

    space = [*(spaces.read(given.file) if given.file else []), *given.space]
    wanted = search.Wanted(
        given.run, tuple(space), given.by, given.trials, given.study, given.seed, given.pruner, given.wait
    )
    if not given.list:
        search.begin(given.root, wanted)
        search.share(given.root, wanted, given.jobs)
    for line in search.tell(given.root, wanted, given.list):
        console.log.info("%s", line)
    return 0


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser(
        "predict",
        help="ask a trained run about recordings: WFDB, CSV, NPY, EDF, or folders of them",
        epilog=DISCLAIMER,
    )
    predict.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a recording, or a folder of recordings")
    _add_model(predict)
    _add_told(predict)
    shape = predict.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_const", const="json", dest="shape", help="one JSON object a recording")
    shape.add_argument("--csv", action="store_const", const="csv", dest="shape", help="one line a window and recording")
    predict.add_argument("--windows", action="store_true", help="show every window in the table too")
    predict.set_defaults(command=_predict, shape="table")


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        type=Path,
        default=MODEL,
        metavar="RUN",
        help=f"the folder of a trained run, or its .onnx file (default: {MODEL})",
    )
    command.add_argument(
        "--sha256",
        default="",
        metavar="HEX",
        help="take the run only if this is the SHA-256 of its contract.json, or of its .onnx file",
    )
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where it runs (default: cpu)")


def _add_told(command: argparse.ArgumentParser) -> None:
    """Add what a caller can say of files that do not say it themselves."""
    command.add_argument(
        "--lead",
        action="append",
        default=[],
        metavar="LEAD=NAME",
        help="take the recording's lead NAME for the run's LEAD",
    )
    command.add_argument("--fs", type=float, help="Hz, of a file that does not say so")
    command.add_argument("--leads", default="", help="names of a file's leads in their order, comma separated")
    command.add_argument("--units", default="", help="mV, uV or V, of a file that does not say so")
    command.add_argument("--gain", type=float, help="converter steps per mV, of raw counts")
    command.add_argument("--zero", type=float, help="the converter step of 0 mV (default: 0)")
    command.add_argument("--format", default="", help="of a .dat without header: 212 or 16")


def _told(given: argparse.Namespace) -> Any:
    from pqrst.recordings import Told  # noqa: PLC0415 (the reader of WFDB costs half a second, and --help needs none)

    names = tuple(name.strip() for name in given.leads.split(",") if name.strip())
    return Told(given.fs, names, given.units, given.gain, given.zero, given.format)


def renamed(given: Iterable[str]) -> dict[str, str]:
    """Read LEAD=NAME pairs."""
    pairs = [text.partition("=") for text in given]
    for lead, sign, name in pairs:
        if not (lead and sign and name):
            raise SettingsError(f"--lead {lead}{sign}{name}: give LEAD=NAME, such as --lead MLII=II")
    return {lead: name for lead, _, name in pairs}


def _predict(given: argparse.Namespace) -> int:
    """Answer recording by recording; one that cannot be read is a line of its own, and the rest is done."""
    from pqrst import exported, prediction, recordings  # noqa: PLC0415 (they cost half a second, and --help needs none)

    told, swapped = _told(given), renamed(given.lead)
    found = [path for given_path in given.paths for path in recordings.find(given_path)]
    predictor = exported.open_run(given.model, given.device, pin=given.sha256)
    prediction.window_of(predictor.contract)
    show, failed = listings.SHAPES[given.shape](sys.stdout, predictor.contract.classes, given.windows), 0
    for path in console.track(found, len(found), "predict", "recordings") if len(found) > 1 else found:
        try:
            answer = prediction.answer(predictor, recordings.read(path, told), swapped)
        except RecordError as fault:
            failed += 1
            console.log.error("%s: %s", path, fault.fault)
            continue
        show(str(path), prediction.told(answer, predictor.contract))
    if predictor.contract.provenance.get("synthetic", True):
        console.log.warning(
            "run %s learned made-up recordings: its answers say nothing about hearts", predictor.contract.run
        )
    if failed:
        console.log.error("%s of %s recordings could not be answered", failed, len(found))
    return 1 if failed else 0


def _add_explain(commands: Any) -> None:
    explain = commands.add_parser(
        "explain", help="draw why a run decided so, or check what its explanations are worth", epilog=DISCLAIMER
    )
    explain.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a recording, or a folder of recordings")
    _add_model(explain)
    _add_told(explain)
    explain.add_argument("--window", type=int, default=0, help="number of the window that is drawn (default: 0)")
    explain.add_argument(
        "--marks", default="", metavar="ENDING", help="draw the beats of the annotations beside it: atr"
    )
    explain.add_argument("--out", type=Path, default=Path(), help="folder of the pictures (default: this folder)")
    explain.add_argument(
        "--check", action="store_true", help="measure what the windows lose without the explained time"
    )
    explain.add_argument(
        "--windows", type=int, default=8, help="windows of each recording that --check takes (default: 8)"
    )
    explain.set_defaults(command=_explain)


def _explain(given: argparse.Namespace) -> None:
    """Draw one window of each recording, or judge the explanations over windows of all."""
    from pqrst import artifact, prediction, recordings, views  # noqa: PLC0415 (torch costs two seconds, and --help needs none)

    predictor, swapped = artifact.load(given.model, given.device, given.sha256), renamed(given.lead)
    rows = {}
    for path in [found for place in given.paths for found in recordings.find(place)]:
        record = recordings.read(path, _told(given))
        prepared = prediction.prepare(record, predictor.contract, swapped)
        rows[record.record] = prepared.rows
        if not given.check:
            beats = recordings.read_marks(path, given.marks) if given.marks else []
            for file in views.draw(predictor, views.Shown(prepared, given.window, beats, record.fs), given.out):
                console.log.info("wrote %s", file)
    if given.check:
        found = views.check(predictor, rows, views.methods(predictor), given.windows)
        listings.write_removals(sys.stdout, found)


def _add_export(commands: Any) -> None:
    export = commands.add_parser("export", help="write a trained network as one ONNX file that holds its contract")
    _add_model(export)
    export.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="the file to write")
    export.set_defaults(command=_export)


def _export(given: argparse.Namespace) -> None:
    from pqrst import artifact, export  # noqa: PLC0415 (torch costs two seconds, and --help needs none)

    predictor = artifact.load(given.model, pin=given.sha256)
    difference = export.write(predictor, given.onnx)
    console.log.info(
        "wrote %s; on %s made-up windows its probabilities differ from torch's by at most %.1e",
        given.onnx,
        export.PARITY_ROWS,
        difference,
    )


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="answer over HTTP, with a page to look at",
        epilog=DISCLAIMER,
        allow_abbrev=False,  # else --token SECRET would be taken for --token-file, and the secret be seen by all
    )
    _add_model(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine only)")
    serve.add_argument("--port", type=int, default=8000)
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


if __name__ == "__main__":
    sys.exit(main())
