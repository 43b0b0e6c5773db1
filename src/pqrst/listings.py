"""Answers about recordings as they are printed: a table, JSON lines, CSV."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO

Show = Callable[[str, Mapping[str, Any]], None]  # of a path and what is told of its recording


def as_table(out: TextIO, classes: Sequence[str], every_window: bool) -> Show:
    """Write lines whose columns line up: one a recording, and one a window where that is wanted."""
    widths = (28, 15, 7, *(max(5, len(name) + 3) for name in classes))

    def line(cells: Iterable[str], said: str) -> None:
        first, *others = (f"{cell:{'<' if place == 0 else '>'}{widths[place]}}" for place, cell in enumerate(cells))
        out.write("  ".join([first, *others, said]) + "\n")

    def show(path: str, told: Mapping[str, Any]) -> None:
        whole = told["recording"]
        found = [f"{p:.3f}" for p in whole["probabilities"].values()]
        line([path, f"{whole['seconds']:.1f}", str(whole["windows"]), *found], _text(whole["class"]))
        for one in told["windows"] if every_window else ():
            span = f"{one['start']:.1f}-{one['end']:.1f}"
            line(["", span, "", *(f"{p:.3f}" for p in one["probabilities"])], _text(one["class"]))
        out.flush()

    line(["recording", "seconds", "windows", *(f"P({name})" for name in classes)], "answer")
    return show


def as_json(out: TextIO, _classes: Sequence[str], _every_window: bool) -> Show:
    """Write one JSON object a line, with the path that it came from."""

    def show(path: str, told: Mapping[str, Any]) -> None:
        out.write(json.dumps({"path": path, **told}, ensure_ascii=False) + "\n")
        out.flush()

    return show


def as_csv(out: TextIO, classes: Sequence[str], _every_window: bool) -> Show:
    """Write a line a window, and one a recording whose window is empty."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "window", "start", "end", "class", *classes])

    def show(path: str, told: Mapping[str, Any]) -> None:
        for number, one in enumerate(told["windows"]):
            writer.writerow([path, number, one["start"], one["end"], _text(one["class"]), *one["probabilities"]])
        whole = told["recording"]
        writer.writerow([path, "", 0.0, whole["seconds"], _text(whole["class"]), *whole["probabilities"].values()])
        out.flush()

    return show


def write_removals(out: TextIO, found: Mapping[str, Any]) -> None:
    """Write what the windows lose without the time that each explanation names, one line an explanation."""
    first = next(iter(found.values()))
    out.write(
        f"{first.rows} windows of {first.groups} recordings; mean drop of the decided class's probability without\n"
    )
    out.write(
        f"{'explanation':22}{'most':>8}{'random':>8}{'least':>8}{'changed':>9}  most - random, 95 % by recording\n"
    )
    for name, one in found.items():
        drops = "".join(f"{value:8.3f}" for value in (one.most_drop, one.random_drop, one.least_drop))
        out.write(f"{name:22}{drops}{one.most_changed:9.3f}  {one.difference:.3f} [{one.low:.3f}, {one.high:.3f}]\n")


def _text(said: Any) -> str:
    return said if isinstance(said, str) else " ".join(said) or "none"


SHAPES: Mapping[str, Callable[[TextIO, Sequence[str], bool], Show]] = {
    "table": as_table,
    "json": as_json,
    "csv": as_csv,
}


def write_comparison(out: TextIO, places: tuple[str, str], lines: Iterable[Any]) -> None:
    """Write what two runs score, the difference with its interval and corrected p, and whether it holds, a line a score."""
    out.write(f"A  {places[0]}\nB  {places[1]}\n\n")
    heading = ("score", "A", "B", "A - B", "95 % interval", "p", "holds")
    said = {True: "yes", False: "no", None: "not known: one seed"}
    cells = [
        (one.score, f"{one.one:.4f}", f"{one.other:.4f}", f"{one.difference.point:+.4f}",
         f"{one.difference.low:+.4f} to {one.difference.high:+.4f}", f"{one.p:.4f}", said[one.holds])
        for one in lines
    ]  # fmt: skip
    widths = [max(len(row[place]) for row in (heading, *cells)) for place in range(len(heading) - 1)]
    for row in (heading, *cells):
        first, *others = (f"{cell:{'<' if not place else '>'}{widths[place]}}" for place, cell in enumerate(row[:-1]))
        out.write("  ".join([first, *others, row[-1]]) + "\n")


NAMED = ("torch", "dvc")  # libraries that are told of also where they are as they should be
MOST_STAGES = 20  # that are told of one by one


def write_findings(out: TextIO, found: Any) -> None:
    """Write what a checkout has to work with, section by section, and whether the demo could run."""
    sections = {
        "Installed": _installed(found),
        "Recordings": _recordings(found.databases),
        "GPU": [_gpu(found.gpu)],
        "What `dvc repro` would run": _stages(found),
        "The demo": [f"cannot run: {fault}" for fault in found.faults] or ["could run"],
    }
    out.writelines(
        f"{heading}\n" + "".join(f"  {line}\n" for line in lines) + "\n" for heading, lines in sections.items()
    )


def _installed(found: Any) -> list[str]:
    lines = [f"ok       Python {found.python.found}, of {found.python.needed}"]
    lines = (
        lines
        if found.python.state == "ok"
        else [f"missing  a Python of {found.python.needed}, not {found.python.found}"]
    )
    for one in found.libraries:
        if one.name in NAMED or one.state != "ok":
            told = {"ok": "", "differs": f", needed {one.needed}", "missing": f" {one.needed}"}[one.state]
            lines.append(f"{one.state:9}{one.name}{' ' + one.found if one.found else ''}{told}")
    others = sum(one.state == "ok" and one.name not in NAMED for one in found.libraries)
    lines.append(f"ok       {others} other libraries, as requirements.txt has them")
    if any(one.state != "ok" for one in found.libraries):
        lines.append("         python -m pip install --editable .")
    for one in found.extras:
        lines.append(
            f"missing  of the extra {one.name}: {', '.join(one.missing)}; {one.command}" if one.missing
            else f"ok       extra {one.name}"
        )  # fmt: skip
    return lines


def _recordings(databases: Iterable[Any]) -> list[str]:
    lines = ["demo: made up when they are needed, no file is missing"]
    for one in databases:
        if one.files is None:
            there = f"from {one.source}, not asked; {one.then}"
        elif one.files:
            short = f", {one.missing} that its list names are missing" if one.missing else ""
            there = f"{one.source}: {one.recordings} recordings in {one.files} files{short}; {one.then}"
        else:
            there = f"nothing in {one.source}; {one.then}"
        lines.append(f"{one.profile}: {one.name}: {there} (data/raw: {one.built})")
    return lines


def _gpu(one: Any) -> str:
    if not one.name:
        return f"{one.told}; networks run on the processor"
    more = f", the first of {one.count}" if one.count > 1 else ""
    return f"{one.name}, {one.memory_gb:g} GiB, bf16 {'yes' if one.bf16 else 'no'}{more}"


def _stages(found: Any) -> list[str]:
    """Tell of each stage that is out of date what it took before, of many stages one line a kind, and of their sum."""
    if not found.stages:
        return ["nothing: every stage is up to date"]
    groups: dict[str, list[Any]] = {}
    for one in found.stages:
        kind = one.name.partition("@")[0]
        groups.setdefault(one.name if len(found.stages) <= MOST_STAGES else kind, []).append(one)
    width = max(map(len, (*groups, "together")))
    lines = [f"{name:{width}}  {_took(stages)}" for name, stages in groups.items()]
    lines.append(f"{'together':{width}}  {_took(found.stages)}; stages that stand behind these may run too")
    if found.whole_demo:
        lines.append(
            f"the whole demo took {found.whole_demo} (min:s) by the clock where it was measured: docs/performance.md"
        )
    return [*lines, f"{found.free_gb:g} GB are free on this disk"]


def _took(stages: Sequence[Any]) -> str:
    """Say what stages took before, and who says so."""
    known = [one for one in stages if one.seconds is not None]
    counted = f"{len(stages)} stages: " if len(stages) > 1 else ""
    if not known:
        return f"{counted}not known, no run is recorded here"
    of = f" for {len(known)}, not known for {len(stages) - len(known)}" if len(known) < len(stages) else ""
    by = ", ".join(dict.fromkeys(one.source for one in known)) if len(known) == 1 else "as recorded here"
    return f"{counted}{sum(one.seconds for one in known):.1f} s{of} ({by})"
