"""Kill the stages of the pipeline in miniature, run them again, and hold what comes out against an undisturbed run.

    python tests/crash.py [--kills 200] [--seed 0] [--every] [--jobs 2]        (`make crash`)

Kills are shared out among the stages. Of a stage's kills half come before one of its operations on files, spread evenly over
them from the first to the last, half at an instant drawn over the time that it takes; every third of these spares the workers,
which must see to themselves. A stage is killed one to three times in a row before it may end. `--every` kills before each single
operation.
"""

import argparse
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import miniature
from faults import Fault, Nursery
from miniature import Stage

WHOLE = (
    "resolve",
    "download",
    "segment",
    "encode",
    "split",
)  # stages whose old output stands until the new one is whole
FEW = 2  # items of a block at most, so that workers share what little there is


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
    """Share kills out among the stages, more to the quick ones, at least four each: (stage, fault)."""
    weights = {stage.name: built.seconds[stage.name] ** -0.5 for stage in built.stages}
    listed = []
    for stage in built.stages:
        share = max(4, math.ceil(kills * weights[stage.name] / sum(weights.values())))
        last = built.operations[stage.name]
        at = sorted({1 + round(place * (last - 1) / (share // 2 - 1)) for place in range(share // 2)})
        listed += [(stage, Fault(kill_at=number, few=FEW)) for number in at]
        for number in range(share - len(at)):
            listed.append((stage, Fault(kill_after=draw.uniform(0.001, 1), alone=number % 3 == 2, few=FEW)))
    return listed


def everywhere(built):
    """Plan a kill before every operation of every stage."""
    return [
        (stage, Fault(kill_at=number, few=FEW))
        for stage in built.stages
        for number in range(1, built.operations[stage.name] + 1)
    ]


def survives(built, stage, faults, draw):
    """Kill a stage by one fault after the other and run it again; give how often it was killed, and what is wrong at the end."""
    built.forget()
    ended = []
    for fault in (*faults, Fault(few=FEW)):
        if draw.random() < 0.5:
            built.clear(stage)
        after = fault.kill_after * built.seconds[stage.name]
        ended.append(built.nursery.run(built.folder, stage.command, replace(fault, kill_after=after)))
        if not ended[-1].status:  # a busy machine is slower at one time than at another
            built.seconds[stage.name] = ended[-1].seconds
    killed = sum(one.status == -signal.SIGKILL for one in ended[:-1])
    return killed, [*(line for one in ended for line in _left(one)), *mended(built, stage, ended[-1])]


def faults_of(last, size):
    """Plan the other faults of a stage that does `last` operations on files and leaves a largest file of `size` bytes."""
    places = sorted({1, max(1, last // 3), max(1, 2 * last // 3), last})
    planned = [("full disk", Fault(refuse_from=number, few=FEW)) for number in places]
    planned += [("read-only disk", Fault(refuse_from=number, error="EROFS", few=FEW)) for number in (1, last)]
    planned += [("file too large", Fault(largest=max(1, size // part), few=FEW)) for part in (2, 20)]
    return planned + [("clock", Fault(jump_at=max(1, last // 2), jump_days=days, few=FEW)) for days in (-365, 365)]


def every_fault(built):
    """List the other faults of every stage: (stage, kind, fault)."""
    found = []
    for stage in built.stages:
        size = max((built.folder / name).stat().st_size for name in built.digests[stage.name])
        found += [(stage, kind, fault) for kind, fault in faults_of(built.operations[stage.name], size)]
    return found


def withstands(built, stage, kind, fault):
    """Run a stage under a fault, and again without; give what is wrong: with the line, with what is left, with what comes out."""
    built.forget()
    ended = built.nursery.run(built.folder, stage.command, fault)
    wrong = [] if kind == "clock" else refused(built, stage, ended, fault)
    if kind == "clock" and ended.status:
        wrong.append(f"ended with {ended.status}: {ended.said[-2000:]}")
    if kind != "clock" or ended.status:
        ended = built.nursery.run(built.folder, stage.command, Fault(few=FEW))
    return [*wrong, *_left(ended), *mended(built, stage, ended)]


def unclear(stage, ended):
    """Tell what is wrong with the words of a stage that refused to go on."""
    last = (ended.said.strip().splitlines() or [""])[-1]
    clear = ended.status == 0 or (ended.status == 1 and last.startswith(f"{stage.kind}: "))
    return (
        []
        if clear and "Traceback" not in ended.said
        else [f"no clear line, status {ended.status}: {ended.said[-3000:]}"]
    )


def refused(built, stage, ended, fault):
    """Tell what is wrong with how a stage refused to go on: one line, nothing beside the outputs, what was there still whole.

    From a disk that has become read-only nothing can be removed; at its last operation a stage is between old and new.
    """
    wrong = _left(ended) + unclear(stage, ended)
    if fault.error != "EROFS":
        wrong += [f"left {name}" for name in sorted(miniature.places(built.folder) - built.places)]
    if stage.kind in WHOLE and ended.status and fault.refuse_from < built.operations[stage.name]:
        digests, _ = built.state(stage)
        wrong += [f"lost or changed {name}" for name, digest in built.digests[stage.name].items()
                  if digests.get(name) != digest]  # fmt: skip
    return wrong


def rows(planned, draw):
    """Put kills of the same stage together that come in a row: (stage, faults)."""
    found = []
    for stage, fault in planned:
        if found and found[-1][0] is stage and len(found[-1][1]) < found[-1][2]:
            found[-1][1].append(fault)
        else:
            found.append((stage, [fault], draw.randint(1, 3)))
    return [(stage, faults) for stage, faults, _ in found]


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


def copied(built, folder, nursery):
    """Give the same pipeline in a folder of its own."""
    shutil.copytree(built.folder, folder)
    return replace(built, folder=folder, nursery=nursery, seconds=dict(built.seconds))


def work(built, line, draw, count, wrong):
    """Take one row of kills, or one other fault, after the other, and print a line each."""
    for number, (stage, kind, faults) in line:
        if kind == "kill":
            times, found = survives(built, stage, faults, draw)
        else:
            times, found = 1, withstands(built, stage, kind, faults)
        count[f"{kind}, {stage.kind}"] += times
        wrong += found
        told = [f"{number} {stage.name}: {kind} {times}", *(f"  {one} ({faults})" for one in found)]
        sys.stdout.write("\n".join(told) + "\n")
        sys.stdout.flush()


def asked():
    """Read the flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--faults", action="store_true", help="faults of disk and clock in place of kills")
    parser.add_argument("--only", default="", help="stages whose name begins with this")
    return parser.parse_args()


def planned(built, given, draw):
    """List what is to be done, in any order: (stage, kind, faults)."""
    kills = everywhere(built) if given.every else plan(built, given.kills, draw)
    found = every_fault(built) if given.faults else [(stage, "kill", row) for stage, row in rows(kills, draw)]
    chosen = [one for one in found if one[0].name.startswith(given.only)]
    draw.shuffle(chosen)
    return chosen


def main():
    """Kill, run again, compare, and print a line a stage."""
    given, started = asked(), time.monotonic()
    draw, count, wrong = random.Random(given.seed), Counter(), []
    with ExitStack() as stack:
        room = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        nurseries = [stack.enter_context(Nursery()) for _ in range(given.jobs)]
        built = build(room / "built", nurseries[0])
        copies = [copied(built, room / f"copy-{number}", one) for number, one in enumerate(nurseries)]
        todo = planned(built, given, draw)
        while todo:
            line = iter(list(enumerate(todo, 1)))  # hands each out once, whoever asks
            with ThreadPoolExecutor(given.jobs) as pool:
                for worker in [pool.submit(work, copy, line, draw, count, wrong) for copy in copies]:
                    worker.result()
            once = given.faults or given.every
            missing = (
                0 if once else given.kills - count.total()
            )  # some stages came to their end before they were killed
            todo = planned(built, given, draw)[: max(0, missing)]
    for kind, times in sorted(count.items()):
        sys.stdout.write(f"{kind:25} {times:5}\n")
    sys.stdout.write(f"{count.total()} in all, {len(wrong)} things wrong, {time.monotonic() - started:.0f} s\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
