"""`pqrst search`."""

import argparse
from pathlib import Path
from typing import Any

from pqrst import console
from pqrst.cli._arguments import NAMES, add_root, command, completed


def add(commands: Any) -> None:
    """Add the command."""
    search = command(
        commands,
        "search",
        "search settings of a run by its validation rows; trials are DVC experiments",
        examples=[
            "simple_cnn -S 'train.lr=tag(log,interval(1e-4,1e-2))' -S 'train.batch_size=choice(64,128)' --trials 20",
            "coupled_cnn --space space.yaml --pruner hyperband --jobs 2",
            "simple_cnn --list",
        ],
        done="the trials that were asked for have ended; pruned ones count",
        fault="the run or a range cannot be used, or a trial failed; those that ended are kept",
    )
    completed(search.add_argument("run", metavar="RUN", help="a run of params.yaml"), NAMES)
    _add_space(search)
    search.add_argument("--pruner", choices=("median", "hyperband", "none"), default="median", help="what ends a trial")
    search.add_argument("--wait", type=int, default=1, help="epochs before any trial is pruned (default: 1)")
    search.add_argument("--seed", type=int, default=17, help="of what is proposed (default: 17)")
    search.add_argument(
        "--study", default="", help="its name (default: that of the run); the same name goes on with it"
    )
    search.add_argument("--jobs", type=int, default=1, help="processes that share the study (default: 1)")
    search.add_argument("--list", action="store_true", help="run nothing, show every trial of the study")
    add_root(search)
    search.set_defaults(command=_search)


def _add_space(search: argparse.ArgumentParser) -> None:
    """Add what is searched, by what, and how long."""
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
