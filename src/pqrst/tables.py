"""The tables of a system: published, ours as mean ± sd over seeds, and what was recorded on real recordings.

Recorded rows carry 95 % intervals and a test against the table's baseline, from the confusion matrices of each patient.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pandas as pd

from pqrst import intervals, ledger, scores
from pqrst.errors import DataError
from pqrst.params import Row, Table

SYNTHETIC_NOTE = "**SYNTHETIC**: the lines `ours (synthetic)` were computed on made-up recordings. They show that the pipeline runs, and nothing about hearts."
LEGEND = """\
# How to read the tables

`published` is followed by whether it lies inside our spread: mean ± 2 sd over two seeds or more, with one seed its 95 % interval \
by beat. Ours are mean ± sd (number of seeds). Intervals: percentile bootstrap, 2,000 times, of patients and seeds, or of beats. \
`p` is two-sided, by the paired bootstrap over patients against the baseline, corrected by Holm for the rows of the table. A name \
is bold where the difference holds: p < .05 with two seeds or more on both sides.
"""
BOOTSTRAP_SEED = 20_040_701
SIGNIFICANT, FEWEST_SEEDS = 0.05, 2
Results = Sequence[Mapping[str, Any]]  # one a seed


@dataclass(frozen=True)
class Shown:
    """One row with all that is known of it."""

    row: Row
    ours: Results
    recorded: Results
    p: float | None = None  # of the recorded results against the baseline, corrected

    @property
    def label(self) -> str:
        holds = self.p is not None and self.p < SIGNIFICANT and len(self.recorded) >= FEWEST_SEEDS
        return f"**{self.row.name}**" if holds else self.row.name

    @property
    def parameters(self) -> str:
        known = next((r["parameters"] for r in (*self.ours, *self.recorded) if r["parameters"]), None)
        return "" if known is None else f"{known:,}"


def build(page: Mapping[str, Table], folder: Path, recorded: Path) -> tuple[str, pd.DataFrame]:
    """Give the tables of one family of runs as Markdown, and as data, one line a cell."""
    texts, lines = [], []
    for name, table in page.items():
        rows = _tested(table, [_shown(row, folder, recorded) for row in table.rows])
        texts.append(_markdown(table, rows))
        lines += [_line(name, shown, score) for shown in rows for score in table.scores]
    return "\n".join([*texts, LEGEND]), pd.DataFrame(lines)


def _shown(row: Row, folder: Path, recorded: Path) -> Shown:
    return (
        Shown(row, _results(folder, row), ledger.read(recorded, row.run, row.value)) if row.run else Shown(row, [], [])
    )


def _results(folder: Path, row: Row) -> Results:
    place = folder / row.run / row.value
    found = [json.loads(file.read_text()) for file in sorted(place.glob("seed-*/scores.json"))]
    if not found:
        raise DataError(f"{place} holds no scores; evaluate the run with `dvc repro evaluate@{row.run}`")
    return found


def _tested(table: Table, rows: Sequence[Shown]) -> list[Shown]:
    """Hold every recorded row against the baseline, where both were measured on the same patients."""
    base = next((shown for shown in rows if table.baseline and shown.row.name == table.baseline), None)
    if base is None or not scores.of_matrix(table.tested):
        return list(rows)
    found = {shown.row.name: _p_value(shown, base, table.tested) for shown in rows if shown is not base}
    known = {name: p for name, p in found.items() if p is not None}
    corrected = dict(zip(known, intervals.holm(list(known.values())), strict=True))
    enough = len(base.recorded) >= FEWEST_SEEDS
    return [
        Shown(shown.row, shown.ours, shown.recorded, corrected.get(shown.row.name) if enough else None)
        for shown in rows
    ]


def _p_value(shown: Shown, base: Shown, tested: str) -> float | None:
    one, other = _counts(shown.recorded), _counts(base.recorded)
    if one is None or other is None or one.shape[1:] != other.shape[1:] or _people(shown) != _people(base):
        return None
    score = partial(scores.from_matrix, tested, classes=base.recorded[0]["classes"])
    return intervals.p_value(one, other, score, BOOTSTRAP_SEED)


def _people(shown: Shown) -> list[str]:
    return sorted(shown.recorded[0]["by_patient"])


def _counts(results: Results) -> np.ndarray | None:
    """Stack the confusion matrices of every seed and patient, (seeds, patients, classes, classes)."""
    if not results or any(not result.get("by_patient") for result in results):
        return None
    size = len(results[0]["classes"])
    return np.array(
        [
            [np.array(text.split(), np.int64).reshape(size, size) for _, text in sorted(r["by_patient"].items())]
            for r in results
        ]
    )


def _values(results: Results, score: str) -> list[float]:
    """Give a score of every seed: as evaluated, or from its confusion matrix."""
    found = []
    for result in results:
        value = result["scores"].get(score)
        if value is None and result.get("confusion") and scores.of_matrix(score):
            value = float(scores.from_matrix(score, np.array(result["confusion"]), result["classes"]))
        if value is not None and np.isfinite(value):
            found.append(value)
    return found


def _interval(kind: Any, results: Results, score: str) -> tuple[float, float] | None:
    counts = _counts(results)
    if counts is None or not scores.of_matrix(score):
        return None
    low, high = kind(counts, partial(scores.from_matrix, score, classes=results[0]["classes"]), BOOTSTRAP_SEED)
    return (low, high) if np.isfinite(low) else None  # nan of a class that is not there


def _inside(published: float | None, results: Results, score: str) -> bool | None:
    """Say whether a published cell lies inside our spread; None where one of the two is missing."""
    values = _values(results, score)
    if published is None or not values:
        return None
    if len(values) > 1:
        return abs(published - mean(values)) <= 2 * stdev(values)
    interval = _interval(intervals.by_beat, results, score)
    return None if interval is None else interval[0] <= published <= interval[1]


def _line(table: str, shown: Shown, score: str) -> dict[str, Any]:
    row = shown.row
    line: dict[str, Any] = {"table": table, "row": row.name, "run": row.run, "value": row.value, "score": score}
    line |= {"parameters": shown.parameters.replace(",", ""), "published": row.published.get(score)}
    for name, results in (("ours", shown.ours), ("recorded", shown.recorded)):
        values = _values(results, score)
        line[f"{name}_mean"] = mean(values) if values else None
        line[f"{name}_sd"] = stdev(values) if len(values) > 1 else None
        line[f"{name}_seeds"] = len(values)
    for name, kind in (("patient", intervals.by_patient), ("beat", intervals.by_beat)):
        line[f"recorded_low_by_{name}"], line[f"recorded_high_by_{name}"] = _interval(kind, shown.recorded, score) or (
            None,
            None,
        )
    line |= {"published_inside": _inside(row.published.get(score), shown.recorded, score), "p_corrected": shown.p}
    return line | {"ours_synthetic": _synthetic(shown.ours)}


def _synthetic(results: Results) -> bool:
    return any(result["provenance"].get("synthetic", True) for result in results)


def _markdown(table: Table, rows: Sequence[Shown]) -> str:
    synthetic = any(_synthetic(shown.ours) for shown in rows)
    tested = [""] if not table.baseline else ["p"]
    lines = [["row", "parameters", "from", *table.scores.values(), *tested]]
    for shown in rows:
        lines += [[shown.label, shown.parameters, *cells] for cells in _cells(table, shown, synthetic)]
    width = len(lines[0]) - (tested == [""])
    missing = [shown.row.name for shown in rows if shown.row.run and not shown.recorded]
    parts = [
        f"# {table.title}", SYNTHETIC_NOTE if synthetic else "", _grid([line[:width] for line in lines]), table.note,
        f"Not yet run on real recordings: {', '.join(missing)}." if missing else "",
        f"`p` is on {table.scores.get(table.tested, table.tested)}." if table.baseline else "", _protocol(rows),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _cells(table: Table, shown: Shown, synthetic: bool) -> list[list[str]]:
    """Give the lines of one row: where from, a cell for each score, and the p-value."""
    lines = []
    if shown.row.published:
        lines.append(["published", *(_published(shown, score) for score in table.scores), ""])
    if shown.recorded:
        p = "baseline" if shown.row.name == table.baseline else _p(shown.p)
        lines.append(["recorded, real", *(_spread(_values(shown.recorded, score)) for score in table.scores), p])
        for name, kind in (("95 % by patient", intervals.by_patient), ("95 % by beat", intervals.by_beat)):
            found = [_interval(kind, shown.recorded, score) for score in table.scores]
            if any(found):
                lines.append([name, *(f"{_number(pair[0])}-{_number(pair[1])}" if pair else "" for pair in found), ""])
    if shown.ours:
        ours = "ours (synthetic)" if synthetic else "ours"
        lines.append([ours, *(_spread(_values(shown.ours, score)) for score in table.scores), ""])
    return lines


def _published(shown: Shown, score: str) -> str:
    """Print a published cell, whether it lies inside our spread, and what stands in print where that is a mistake."""
    value, inside = shown.row.published.get(score), _inside(shown.row.published.get(score), shown.recorded, score)
    wrong = shown.row.misprinted.get(score)
    printed = "" if wrong is None else f" (printed {_number(wrong)})"
    return _number(value) + printed + {None: "", True: " inside", False: " outside"}[inside]


def _p(value: float | None) -> str:
    return "" if value is None else "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.4f}"


def _spread(values: Sequence[float]) -> str:
    """Give mean ± sample standard deviation (seeds); one seed has no spread to show."""
    if not values:
        return ""
    return _number(mean(values)) + (f" ± {_number(stdev(values))}" if len(values) > 1 else "") + f" ({len(values)})"


def _grid(lines: Sequence[Sequence[str]]) -> str:
    """Lay lines out as a Markdown table whose columns also line up in a terminal."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    rows = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]])


def _protocol(rows: Sequence[Shown]) -> str:
    """Say what every row was measured on, and whom train and test share."""
    said = dict.fromkeys(
        f"{'made-up' if _synthetic([r]) else 'real'}: {r['rows']:,} test rows of split {r['split']} ({r['leak']})"
        for shown in rows
        for r in (*shown.recorded, *shown.ours)
    )
    return f"Measured on {'; '.join(said)}." if said else ""
