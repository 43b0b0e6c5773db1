"""Try every mutant of losses, scores, splits and encodings: `python tests/mutants/run.py [module ...]`, or `make mutants`.

The tests are collected and run once, in a process that then forks a child for each mutant. A child makes the change in the
loaded module and runs the tests that reach the changed function, those that killed its neighbours first, up to the first that
fails. A mutant without end is stopped by its processor time, and counts as killed. explained.yaml says of each mutant that
is left why it is; one that it does not know makes this script fail.
"""

import argparse
import gc
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from itertools import zip_longest
from pathlib import Path

import pytest
import yaml
from changes import Mutant, mutants, plain
from loaded import PACKAGE, ROOT, Module

TARGETS = (
    "losses/*.py", "scores.py", "label_scores.py", "challenge.py", "decisions.py", "operating.py", "intervals.py", "splits.py",
    "sides.py", "encodings/*.py", "frontends/icwa.py",
)  # fmt: skip
TESTS = (
    "losses", "multilabel_losses", "scores", "label_scores", "challenge", "decisions", "operating", "intervals", "splits", "sides",
    "published_splits", "labels", "encodings", "matrix", "frequency_encodings", "pairwise_encodings", "icwa", "catalog",
    "limits", "params.py::test_defaults_in_code_are_what_is_shipped",
)  # fmt: skip
OF_SETTINGS = {
    "tests/test_limits.py",
    "tests/test_params.py",
}  # these see settings, and call nothing that stands beside them
# a forked child cannot start threads where its parent had them: tests of several threads are left out
OPTIONS = ("-q", "-s", "-p", "no:cacheprovider", "-m", "not slow and not real", "-k", "not any_batch")
KILLED, LEFT, BROKEN = 10, 11, 12  # what a child says as it ends
STUCK = 600  # s by the clock, after which a child waits for something that will not come


class Tester:
    """The plugin of pytest that takes the tests over once they are collected."""

    def __init__(
        self, modules: list[Module], chosen: list[tuple[Module, Mutant]], jobs: int, budget: float, log
    ) -> None:
        self.modules, self.chosen, self.jobs = {str(m.path): m for m in modules}, chosen, jobs
        self.budget, self.log = budget, log
        self.reach = defaultdict(set)  # tests by (file, function), and by (file, "")
        self.cost, self.failed, self.in_child = {}, [], False
        self.killers = defaultdict(Counter)
        self.found = []  # (module, mutant, outcome, the killing test)

    @staticmethod
    def pytest_configure(config) -> None:  # noqa: ARG004 (pytest's own name)
        from hypothesis import Phase, settings  # pytest wants to load it first

        settings.register_profile("mutants", database=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
            if self.in_child:
                os.write(self.out, report.nodeid.encode())
                os._exit(KILLED)

    def pytest_runtestloop(self, session) -> bool:
        session.config.pluginmanager.unregister(name="terminalreporter")  # a dot a test and child is no news
        self.items = {item.nodeid: item for item in session.items}
        for item in session.items:
            self.learn(item)
        if self.failed:
            raise pytest.UsageError(f"fails without a mutant: {', '.join(self.failed)}")
        print(f"{len(self.items)} tests, {sum(self.cost.values()):.0f} s; {len(self.chosen)} mutants", flush=True)
        gc.collect()
        gc.freeze()  # else every child would copy what its collector looks at
        gc.disable()
        self.all(session)
        return True

    def learn(self, item) -> None:
        """Run a test, and note which functions it reaches and what it costs."""
        for module in self.modules.values():
            module.forget()

        def called(frame, _event, _arg) -> None:
            code = frame.f_code
            if code.co_filename in self.modules:
                self.reach[code.co_filename, code.co_qualname.split(".<locals>")[0]].add(item.nodeid)
                self.reach[code.co_filename, ""].add(item.nodeid)

        began = time.process_time()
        sys.settrace(called)
        self.run(item)
        sys.settrace(None)
        self.cost[item.nodeid] = time.process_time() - began

    @staticmethod
    def run(item, then=None) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=then)

    def in_body(self, module: Module, mutant: Mutant) -> bool:
        """Say whether a test runs the changed line: what runs at import alone is made anew as constants are."""
        return mutant.in_body and bool(self.reach[str(module.path), mutant.scope])

    def tests(self, module: Module, mutant: Mutant) -> list[str]:
        """List the tests that can see a change, the likeliest and the quickest first."""
        found = self.reach[str(module.path), mutant.scope if self.in_body(module, mutant) else ""]
        if not self.in_body(module, mutant):
            files = OF_SETTINGS | {name.split("::")[0] for name in found}
            found = {name for name in self.items if name.split("::")[0] in files}
        killers = self.killers[module.told, mutant.scope]
        ordered, spent, chosen = sorted(found, key=lambda n: (-killers[n], self.cost[n], n)), 0.0, []
        for name in ordered:
            spent += self.cost[name]
            if spent < self.budget:
                chosen.append(name)
        return chosen

    def all(self, session) -> None:
        running = {}
        for number, (module, mutant) in enumerate(self.chosen, start=1):
            if len(running) >= self.jobs:
                self.reap(session, running)
            inward, outward = os.pipe()
            pid = os.fork()
            if not pid:
                os.close(inward)
                self.child(session, module, mutant, outward)
            os.close(outward)
            running[pid] = module, mutant, inward
            if number % 100 == 0:
                print(f"{number} of {len(self.chosen)} begun, {self.count()}", flush=True)
        while running:
            self.reap(session, running)

    def count(self) -> dict[str, int]:
        return dict(Counter(outcome for _, _, outcome, _ in self.found))

    def reap(self, session, running: dict) -> None:
        pid, status = os.wait()
        shutil.rmtree(session.config._tmp_path_factory.getbasetemp() / f"mutant-{pid}", ignore_errors=True)
        module, mutant, inward = running.pop(pid)
        killer = os.read(inward, 10_000).decode()
        os.close(inward)
        code = os.waitstatus_to_exitcode(status)
        ends = {KILLED: "killed", LEFT: "left", BROKEN: "left", -signal.SIGALRM: "left", -signal.SIGXCPU: "timed out"}
        self.killers[module.told, mutant.scope][killer] += code == KILLED
        outcome = ends.get(code, "killed")
        self.found.append((module, mutant, outcome, killer))
        if self.log:
            print(f"{module.told}:{mutant.line}\t{mutant.told}\t{outcome}\t{killer or code}", file=self.log, flush=True)

    def child(self, session, module: Module, mutant: Mutant, out: int) -> None:
        """Make the change and run what can see it; never returns."""
        self.in_child, self.out = True, out
        try:
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            factory = session.config._tmp_path_factory
            factory._basetemp = (
                factory.getbasetemp() / f"mutant-{os.getpid()}"
            )  # children would take each other's for old
            factory._basetemp.mkdir()
            tests = self.tests(module, mutant)
            limit = int(2 * sum(self.cost[name] for name in tests) + 4)
            signal.alarm(STUCK)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            try:
                module.change(mutant, self.in_body(module, mutant))
            except Exception as error:  # noqa: BLE001 (a module that cannot be imported is a killed mutant)
                os.write(out, f"import: {error}".encode())
                os._exit(KILLED)
            for name, then in zip_longest(tests, tests[1:]):
                self.run(self.items[name], self.items.get(then))
            self.again(mutant, tests)
        except BaseException as error:  # noqa: BLE001 (a child must not return into the parent's work)
            os.write(out, f"broken: {error!r}".encode())
            os._exit(BROKEN)
        os._exit(LEFT)

    def again(self, mutant: Mutant, tests: list[str]) -> None:
        """Collect anew where a word was changed at import: the name of a class, a task or a score, that tests are made of."""
        if mutant.in_body or not mutant.of_word:
            return
        reached = {str(self.items[name].path) for name in tests}
        if pytest.main(["-x", *OPTIONS, *(given for given in self.arguments if given.split("::")[0] in reached)]):
            os.write(self.out, b"collected anew")
            os._exit(KILLED)


def explained() -> set[tuple[str, str]]:
    """Read which mutants are left for a reason: by module, and the change."""
    given = yaml.safe_load((Path(__file__).parent / "explained.yaml").read_text(encoding="utf-8"))
    return {(module, plain(told)) for module, reasons in given.items() for told in reasons}


def report(found: list) -> int:
    """Print the table and what nobody explained, and give how many those are."""
    known, rows, unknown = explained(), defaultdict(Counter), []
    for module, mutant, outcome, _ in found:
        reason = outcome == "left" and (module.told, plain(mutant.told)) in known
        rows[module.told]["explained" if reason else outcome] += 1
        if outcome == "left" and not reason:
            unknown.append(f"{module.told}:{mutant.line}: {mutant.told}")
    columns = ("killed", "timed out", "explained", "left")
    rows["all"] = sum(rows.values(), Counter())
    print(f"| module | mutants | {' | '.join(columns)} | killed, % |\n|---|{'---:|' * 6}")
    for name, row in rows.items():
        dead = row["killed"] + row["timed out"]
        print(
            f"| {name} | {row.total()} | {' | '.join(str(row[c]) for c in columns)} | {100 * dead / max(row.total(), 1):.1f} |"
        )
    print(*["", "left, without an explanation:" if unknown else "", *unknown], sep="\n")
    return len(unknown)


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "modules", nargs="*", default=TARGETS, help="files under src/pqrst, may hold a *; all targets by default"
    )
    p.add_argument("--tests", nargs="*", default=TESTS, help="which tests/test_*.py")
    p.add_argument("--left", type=Path, help="only the mutants that a file of an earlier --out says are left")
    p.add_argument("--sample", type=int, help="so many mutants, drawn at random, in place of all")
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    p.add_argument("--budget", type=float, default=4.0, help="processor time of the tests that a mutant must stand, s")
    p.add_argument(
        "--out", type=argparse.FileType("w"), help="a file for every mutant, its outcome and the test that killed it"
    )
    given = p.parse_args()
    modules = [Module(path) for pattern in given.modules for path in sorted(PACKAGE.glob(pattern))]
    chosen = [(module, mutant) for module in modules for mutant in mutants(module.source)]
    if given.left:
        left = {tuple(line.split("\t")[:2]) for line in given.left.read_text().splitlines() if "\tleft\t" in line}
        chosen = [
            (module, mutant) for module, mutant in chosen if (f"{module.told}:{mutant.line}", mutant.told) in left
        ]
    if given.sample:
        chosen = random.Random(0).sample(chosen, min(given.sample, len(chosen)))
    tester = Tester(modules, chosen, given.jobs, given.budget, given.out)
    tester.arguments = [str(ROOT / "tests" / f"test_{name if '.py' in name else name + '.py'}") for name in given.tests]
    code = pytest.main([*OPTIONS, *tester.arguments], plugins=[tester])
    return code or min(report(tester.found), 1)


if __name__ == "__main__":
    sys.exit(main())
