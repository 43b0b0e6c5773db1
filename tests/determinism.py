"""Build the pipeline in miniature under other circumstances, and hold every file against the first build's.

python tests/determinism.py [change ...]        (`make determinism`: each change by itself)
"""

import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import miniature
from faults import Fault, Nursery


@dataclass(frozen=True)
class Change:
    """What is other than at first."""

    env: dict[str, str] = field(default_factory=dict)
    fault: Fault = field(default_factory=Fault)
    folder: str = "again"


CHANGES = {
    "nothing": Change(),
    "day": Change(fault=Fault(day=400)),
    "folder": Change(folder="in a folder/whose näme is long/" + "x" * 150),
    "one worker": Change(fault=Fault(workers=1, few=8)),
    "three workers": Change(fault=Fault(workers=3, few=8)),
    "hash seed": Change({"PYTHONHASHSEED": "4711"}),
    "time zone": Change({"TZ": "Asia/Kathmandu"}),
    "locale": Change({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "threads": Change(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")),
    "umask": Change(fault=Fault(umask=0o077)),
}
SETTING = {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
# at once, in the suite; the others are made by themselves: three workers stand for one, and an ASCII locale cannot name the folder
TOGETHER = ("day", "folder", "three workers", "hash seed", "threads", "time zone", "umask")
APART = ("one worker", "locale")


def together(names):
    """Make several changes one."""
    chosen, usual = [CHANGES[name] for name in names], vars(Fault())
    given = {key: value for one in chosen for key, value in vars(one.fault).items() if value != usual[key]}
    env = {key: value for one in chosen for key, value in one.env.items()}
    return Change(env, Fault(**given), max((one.folder for one in chosen), key=len))


def nursery(change):
    """Give a process that runs stages in the environment of a change."""
    return Nursery(**SETTING | change.env)


def built(room, change, home):
    """Build everything under some circumstances; give the digest of every file but the logs of trainings."""
    folder = room / change.folder
    folder.mkdir(parents=True)
    miniature.lay_out(folder)
    stages = miniature.stages(folder)
    for stage in stages:
        ended = home.run(folder, stage.command, change.fault)
        assert ended.status == 0, f"{stage.name}: {ended.said}"
    return miniature.artefacts(folder, [out for stage in stages for out in stage.outs])


def differing(one, other):
    """Name the files that are not the same bytes in two builds, or only in one."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def main():
    """Make each change by itself, and print how many files are the same."""
    wrong = 0
    with tempfile.TemporaryDirectory() as place, nursery(CHANGES["nothing"]) as usual:
        room = Path(place)
        first = built(room / "first", CHANGES["nothing"], usual)
        for name in sys.argv[1:] or CHANGES:
            started, change = time.monotonic(), CHANGES[name]
            with nursery(change) if change.env else nullcontext(usual) as home:
                found = differing(first, built(room / name.replace(" ", "-"), change, home))
            wrong += len(found)
            told = f"{name:14} {len(first)} files, {len(found)} differ, {time.monotonic() - started:.0f} s"
            sys.stdout.write("\n".join([told, *(f"  {one}" for one in found)]) + "\n")
            sys.stdout.flush()
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
