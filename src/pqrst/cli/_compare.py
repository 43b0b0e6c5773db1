"""`pqrst compare`."""

import argparse
import sys
from typing import Any

from pqrst.cli._arguments import SCORED, add_root, command, completed


def add(commands: Any) -> None:
    """Add the command."""
    compare = command(
        commands,
        "compare",
        "hold a run against another on the same test rows, by a paired test over patients",
        examples=[
            "data/runs/simple_cnn data/runs/coupled_cnn",
            "patients/simple_cnn patients/coupled_cnn --score f1_macro --score f1_of_V",
            "metrics/paper/simple_cnn metrics/paper/coupled_cnn",
        ],
        done="the table is printed, whether or not the difference holds",
        fault="a run was not scored, or the two were measured on other rows or labels",
    )
    for place in ("first", "second"):
        side = compare.add_argument(
            place, metavar="RUN", help="the folder of a run, of its scores or of what is recorded of it; or its name"
        )
        completed(side, SCORED)
    compare.add_argument(
        "--score",
        action="append",
        default=[],
        metavar="SCORE",
        help="a score as in params.yaml, or of one class, such as f1_of_V; may be given again (default: three main ones)",
    )
    add_root(compare)
    compare.set_defaults(command=_compare)


def _compare(given: argparse.Namespace) -> None:
    from pqrst import comparison, listings, results  # noqa: PLC0415 (scipy and pandas, which --help needs not)

    one, other = (comparison.find(name, given.root) for name in (given.first, given.second))
    lines = comparison.compare(one, other, list(dict.fromkeys(given.score)))
    listings.write_comparison(sys.stdout, (str(one.place), str(other.place)), lines)
    if results.synthetic([*one.seeds, *other.seeds]):
        sys.stdout.write("synthetic: measured on made-up recordings, which say nothing about hearts\n")
    counts = " and ".join(str(len(side.seeds)) for side in (one, other))
    sys.stdout.write(
        f"seeds: {counts}; patients drawn again 2,000 times, the same for both; p by Holm over the lines\n"
    )
