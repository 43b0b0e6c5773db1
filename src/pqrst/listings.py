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
