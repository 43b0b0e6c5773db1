"""Build the pipeline in miniature under other circumstances, and hold every file against the first build's.

python tests/determinism.py [change ...]        (`make determinism`: each change by itself)
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import miniature
from faults import Fault, Nursery


@dataclass(frozen=True)
class Change:
    """What is other than at first."""

    env: dict[str, str] = field(default_factory=dict)
    fault: Fault = Fault()
    folder: str = "again"
    umask: int = 0o022


CHANGES = {
    "nothing": Change(),
    "day": Change(fault=Fault(day=400)),
    "folder": Change(folder="in a folder/whose näme is long/" + "x" * 150),
    "one worker": Change(fault=Fault(workers=1, few=8)),
    "three workers": Change(fault=Fault(workers=3, few=8)),
    "hash seed": Change({"PYTHONHASHSEED": "4711"}),
    "time zone": Change({"TZ": "Asia/Kathmandu"}),
    "locale": Change({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "threads": Change({name: "2" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}),
    "umask": Change(umask=0o077),
}
SETTING = {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
TOGETHER = (("day", "folder", "three workers", "hash seed", "threads"), ("one worker", "time zone", "locale", "umask"))


def together(names):
    """Make several changes one."""
    chosen, usual = [CHANGES[name] for name in names], Change()
    given = {key: value for one in chosen for key, value in vars(one.fault).items() if value != vars(usual.fault)[key]}
    last = {
        key: next(
            (getattr(one, key) for one in chosen if getattr(one, key) != getattr(usual, key)), getattr(usual, key)
        )
        for key in ("folder", "umask")
    }
    return Change({key: value for one in chosen for key, value in one.env.items()}, Fault(**given), **last)


def built(room, change):
    """Build everything under some circumstances; give the digest of every file but the logs of trainings."""
    folder = room / change.folder
    folder.mkdir(parents=True)
    miniature.lay_out(folder)
    stages = miniature.stages(folder)
    before = os.umask(change.umask)
    try:
        with Nursery(**SETTING | change.env) as nursery:
            for stage in stages:
                ended = nursery.run(folder, stage.command, change.fault)
                assert ended.status == 0, f"{stage.name}: {ended.said}"
    finally:
        os.umask(before)
    return miniature.artefacts(folder, [out for stage in stages for out in stage.outs])


def differing(one, other):
    """Name the files that are not the same bytes in two builds, or only in one."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def main():
    """Make each change by itself, and print how many files are the same."""
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        (room / "first").mkdir()
        first = built(room / "first", CHANGES["nothing"])
        for name in sys.argv[1:] or CHANGES:
            started = time.monotonic()
            place = room / name.replace(" ", "-")
            found = differing(first, built(place, CHANGES[name]))
            steady = [one for one in found if not one.endswith(miniature.UNSTEADY)]
            wrong += len(steady)
            told = f"{name:14} {len(first)} files, {len(found)} differ, {time.monotonic() - started:.0f} s"
            sys.stdout.write("\n".join([told, *(f"  {one}" for one in found)]) + "\n")
            sys.stdout.flush()
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
