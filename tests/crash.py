"""Kill the stages of the pipeline in miniature, run them again, and hold what comes out against an undisturbed run.

    python tests/crash.py [--kills 200] [--seed 0] [--every]        (`make crash`)

Kills are shared out among the stages. Of a stage's kills half come before one of its operations on files, spread evenly over
them from the first to the last, half at an instant drawn over the time that it takes; every third spares the workers, which
must see to themselves. `--every` kills before each single operation.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import miniature
from faults import Fault, Nursery
from miniature import Stage

FEW = 8  # recordings that a stage cuts by itself, so that workers cut the others


@dataclass
class Built:
    """An undisturbed pipeline: what a disturbed one must come to."""

    folder: Path
    nursery: Nursery
    stages: list[Stage]
    digests: dict[str, dict[str, str]] = field(default_factory=dict)  # by stage
    logs: dict[str, list[str]] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)

    def state(self, stage):
        """Give the digests of a stage's outputs, and the names of its logs."""
        return miniature.artefacts(self.folder, stage.outs), miniature.logs(self.folder, stage.outs)

    def clear(self, stage):
        """Remove a stage's outputs, as DVC does before it runs one."""
        for out in stage.outs:
            place = self.folder / out
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    def forget(self):
        """Remove what outlives a stage: parts of downloads, checkpoints."""
        shutil.rmtree(self.folder / "data" / "scratch", ignore_errors=True)


def build(folder, nursery):
    """Run every stage once, undisturbed, and again, to learn what it does when its code is compiled."""
    miniature.lay_out(folder)
    built = Built(folder, nursery, miniature.stages(folder))
    for stage in built.stages:
        ended = nursery.run(folder, stage.command, Fault(few=FEW))
        assert ended.status == 0, f"{stage.name}: {ended.said}"
        built.digests[stage.name], built.logs[stage.name] = built.state(stage)
        built.operations[stage.name], built.seconds[stage.name] = ended.operations, ended.seconds
    built.places = miniature.places(folder)
    return built


def plan(built, kills, draw):
    """Share kills out among the stages, at least two each: (stage, fault)."""
    share = max(2, -(-kills // len(built.stages)))
    planned = []
    for stage in built.stages:
        last = built.operations[stage.name]
        at = sorted({1 + round(place * (last - 1) / max(1, share // 2 - 1)) for place in range(share // 2)})
        planned += [(stage, Fault(kill_at=number, few=FEW)) for number in at]
        for number in range(share - len(at)):
            after = draw.uniform(0.001, built.seconds[stage.name])
            planned.append((stage, Fault(kill_after=after, alone=number % 3 == 2, few=FEW)))
    return planned


def everywhere(built):
    """Plan a kill before every operation of every stage."""
    return [
        (stage, Fault(kill_at=number, few=FEW))
        for stage in built.stages
        for number in range(1, built.operations[stage.name] + 1)
    ]


def survives(built, stage, fault, draw):
    """Kill a stage and run it again; give whether it was killed in time, and what is wrong afterwards."""
    built.forget()
    if draw.random() < 0.5:
        built.clear(stage)
    killed = built.nursery.run(built.folder, stage.command, fault)
    if draw.random() < 0.5:
        built.clear(stage)
    again = built.nursery.run(built.folder, stage.command, Fault(few=FEW))
    return killed.status == -9, [*_left(killed), *_left(again), *mended(built, stage, again)]


def _left(ended):
    return [
        f"{what} {name}" for what, names in (("orphan", ended.orphans), ("temporary", ended.left)) for name in names
    ]


def mended(built, stage, again):
    """Tell what differs from an undisturbed run after a stage ran again."""
    if again.status:
        return [f"the rerun ended with {again.status}: {again.said[-2000:]}"]
    digests, logs = built.state(stage)
    names = digests.keys() | built.digests[stage.name].keys()
    wrong = [f"differs {name}" for name in sorted(names) if digests.get(name) != built.digests[stage.name].get(name)]
    wrong += [f"log {name}" for name in sorted(set(logs) ^ set(built.logs[stage.name]))]
    wrong += [f"stray or lost {name}" for name in sorted(miniature.places(built.folder) ^ built.places)]
    partial = (built.folder / "data" / "scratch").rglob("*.partial")
    return wrong + [f"stray {path.relative_to(built.folder)}" for path in sorted(partial)]


def main():
    """Kill, run again, compare, and print a line a stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--only", default="", help="stages whose name begins with this")
    given = parser.parse_args()
    draw, started = random.Random(given.seed), time.monotonic()
    tried, killed, wrong = Counter(), Counter(), []
    with tempfile.TemporaryDirectory() as room, Nursery() as nursery:
        built = build(Path(room), nursery)
        planned = everywhere(built) if given.every else plan(built, given.kills, draw)
        for stage, fault in planned:
            if not stage.name.startswith(given.only):
                continue
            in_time, found = survives(built, stage, fault, draw)
            tried[stage.kind] += 1
            killed[stage.kind] += in_time
            wrong += [f"{stage.name}, {fault}: {one}" for one in found]
            for one in found:
                sys.stdout.write(f"{stage.name}, {fault}: {one}\n")
                sys.stdout.flush()
    for kind, count in tried.items():
        sys.stdout.write(f"{kind:9} {count:5} runs disturbed, {killed[kind]:5} killed before their end\n")
    sys.stdout.write(f"{sum(killed.values())} kills, {len(wrong)} faults, {time.monotonic() - started:.0f} s\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
