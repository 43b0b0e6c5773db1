"""The tables of a system: published, ours as mean ± sd over seeds, and what was recorded on real recordings.

Recorded rows carry 95 % intervals and a test against the table's baseline, from the confusion matrices of each patient.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pandas as pd

from pqrst import convergence, intervals, label_intervals, ledger, scores
from pqrst.errors import DataError
from pqrst.published import Row, Table

SYNTHETIC_NOTE = "**SYNTHETIC**: the lines `ours (synthetic)` were computed on made-up recordings. They show that the pipeline runs, and nothing about hearts."
LEGEND = """\
# How to read the tables

`published` is followed by whether it lies inside our spread: mean ± 2 sd over two seeds or more, with one seed its 95 % interval \
by beat, or by patient of several labels a row. Ours are mean ± sd (number of seeds). Intervals: percentile bootstrap, 2,000 times, of patients and seeds, or of beats; \
of several labels a row, BCa by patient of the first seed, and `!` where it does not hold its point, for a reason that the result tells. \
`p` is two-sided, by the paired bootstrap over patients against the baseline, corrected by Holm for the rows of the table. A name \
is bold where the difference holds: p < .05 with two seeds or more on both sides.
"""
BOOTSTRAP_SEED = 20_040_701
SIGNIFICANT, FEWEST_SEEDS = 0.05, 2
Results = Sequence[Mapping[str, Any]]  # one a seed


@dataclass(frozen=True)
class Shown:
    """One row with all that is known of it, by the value that its run is made over."""

    row: Row
    ours: Mapping[str, Results]
    recorded: Mapping[str, Results]
    p: float | None = None  # of the recorded results against the baseline, corrected

    def of(self, kind: str, column: str) -> tuple[Results, str]:
        """Give the results, ours or recorded, that a column shows, and its score; `value/score` names another value."""
        found: Mapping[str, Results] = getattr(self, kind)
        return found.get(value_of(self.row, column), []), column.rpartition("/")[2]

    @property
    def everything(self) -> list[Mapping[str, Any]]:
        return [one for found in (self.ours, self.recorded) for results in found.values() for one in results]

    @property
    def label(self) -> str:
        holds = self.p is not None and self.p < SIGNIFICANT and _seeds(self) >= FEWEST_SEEDS
        return f"**{self.row.name}**" if holds else self.row.name

    @property
    def parameters(self) -> str:
        """Give the number of parameters, or the least and the most where it goes with the value."""
        known = sorted({one["parameters"] for one in self.everything if one["parameters"]})
        return " to ".join(f"{count:,}" for count in known[:1] + known[1:][-1:])


def value_of(row: Row, column: str) -> str:
    """Name the value of a run that a cell shows: the row's, the column's, or the column's of the row's arm."""
    return "/".join(filter(None, (row.value, column.rpartition("/")[0])))


def build(page: Mapping[str, Table], folder: Path, recorded: Path) -> tuple[str, pd.DataFrame]:
    """Give the tables of one family of runs as Markdown, and as data, one line a cell."""
    texts, lines = [], []
    for name, table in page.items():
        rows = _tested(table, [_shown(row, table, folder, recorded) for row in table.rows], folder)
        texts.append(_markdown(table, rows))
        lines += [_line(name, shown, score) for shown in rows for score in table.scores]
    return "\n".join([*texts, LEGEND]), pd.DataFrame(lines)


def _shown(row: Row, table: Table, folder: Path, recorded: Path) -> Shown:
    """Read what the columns of a table show of a row; an arm or value that was not trained leaves its cells blank."""
    if not row.run:
        return Shown(row, {}, {})
    values = dict.fromkeys(value_of(row, column) for column in table.scores)
    ours = {value: _results(folder, row.run, value) for value in values}
    kept = {value: ledger.read(recorded, row.run, value) for value in values}
    if not any((folder / row.run).rglob("scores.json")):
        raise DataError(f"{folder / row.run} holds no scores; evaluate the run with `dvc repro evaluate@{row.run}`")
    return Shown(row, ours, kept)


def _seeds(shown: Shown) -> int:
    return min((len(results) for results in shown.recorded.values() if results), default=0)


def _results(folder: Path, run: str, value: str) -> Results:
    return [json.loads(file.read_text()) for file in sorted((folder / run / value).glob("seed-*/scores.json"))]


def courses(page: Mapping[str, Table], folder: Path, recorded: Path) -> pd.DataFrame:
    """Give the validation scores by epoch of the rows of tables that ask when one is reached, recorded before our own.

    Of a table that asks several times, the first column. One line a row of a table, epoch and seed: table, row, heading,
    epoch, value, synthetic.
    """
    lines = []
    for name, table in page.items():
        for column in list(filter(_asks, table.scores))[:1]:
            followed = convergence.followed(column.rpartition("/")[2])
            heading = f"{followed} on validation rows"
            for shown in (_shown(row, table, folder, recorded) for row in table.rows if row.run):
                for result in shown.of("recorded", column)[0] or shown.of("ours", column)[0]:
                    told = {"table": name, "row": shown.row.name, "heading": heading, "synthetic": _synthetic([result])}
                    course = result.get("course", {}).get(followed, ())
                    lines += [{**told, "epoch": epoch, "value": value} for epoch, value in enumerate(course, 1)]
    return pd.DataFrame(lines)


def _asks(column: str) -> bool:
    return convergence.names_one(column.rpartition("/")[2])


def _tested(table: Table, rows: Sequence[Shown], folder: Path) -> list[Shown]:
    """Hold every row against the baseline, where both were measured on the same patients."""
    base = next((shown for shown in rows if table.baseline and shown.row.name == table.baseline), None)
    if base is None:
        return list(rows)
    by_matrix = scores.of_matrix(table.tested.rpartition("/")[2])
    test = _p_value if by_matrix else partial(_p_value_of_labels, folder=folder)
    found = {shown.row.name: test(shown, base, table.tested) for shown in rows if shown is not base}
    known = {name: p for name, p in found.items() if p is not None}
    corrected = dict(zip(known, intervals.holm(list(known.values())), strict=True))
    enough = not by_matrix or _seeds(base) >= FEWEST_SEEDS
    return [replace(shown, p=corrected.get(shown.row.name) if enough else None) for shown in rows]


def _p_value_of_labels(shown: Shown, base: Shown, tested: str, folder: Path) -> float | None:
    """Hold two multi-label runs against each other by what this checkout's evaluation kept, where it was of real recordings."""
    ours, theirs = (one.of("ours", tested)[0] for one in (shown, base))
    if not ours or not theirs or _synthetic([*ours, *theirs]):
        return None
    score = tested.rpartition("/")[2]
    places = [folder / one.row.run / value_of(one.row, tested) for one in (shown, base)]
    rows = [pd.read_csv(next(place.glob("seed-*/rows.csv")), dtype=str, keep_default_na=False) for place in places]
    if not rows[0].equals(rows[1]):
        return None
    name = "probabilities" if score in label_intervals.AREAS else "predictions"
    one, other = (np.stack([np.load(f) for f in sorted(place.glob(f"seed-*/{name}.npy"))]) for place in places)
    labels, patients = np.load(next(places[0].glob("seed-*/labels.npy"))), rows[0]["patient"].to_numpy(str)
    return label_intervals.paired(score, labels, one, other, patients, seed=BOOTSTRAP_SEED).p


def _p_value(shown: Shown, base: Shown, tested: str) -> float | None:
    (ours, score), (theirs, _) = shown.of("recorded", tested), base.of("recorded", tested)
    one, other = _counts(ours), _counts(theirs)
    if one is None or other is None or one.shape[1:] != other.shape[1:] or _people(ours) != _people(theirs):
        return None
    return intervals.p_value(
        one, other, partial(scores.from_matrix, score, classes=theirs[0]["classes"]), BOOTSTRAP_SEED
    )


def _people(results: Results) -> list[str]:
    return sorted(results[0]["by_patient"])


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
        if convergence.names_one(score):
            value = convergence.epochs_to(score, result.get("course", {}))
        if value is None and result.get("confusion") and scores.of_matrix(score):
            value = float(scores.from_matrix(score, np.array(result["confusion"]), result["classes"]))
        if value is not None and np.isfinite(value):
            found.append(value)
    return found


def _interval(kind: Any, results: Results, score: str) -> tuple[float, float] | None:
    """Give a 95 % interval: from the confusion matrices of each patient, or as evaluation found it for the first seed."""
    if results and kind is intervals.by_patient and results[0].get("intervals", {}).get(score):
        found = results[0]["intervals"][score]
        return found["low"], found["high"]
    counts = _counts(results)
    if counts is None or not scores.of_matrix(score):
        return None
    low, high = kind(counts, partial(scores.from_matrix, score, classes=results[0]["classes"]), BOOTSTRAP_SEED)
    return (low, high) if np.isfinite(low) else None  # nan of a class that is not there


def _inside(shown: Shown, column: str) -> bool | None:
    """Say whether a published cell lies inside our spread; None where one of the two is missing."""
    published, (results, score) = shown.row.published.get(column), shown.of("recorded", column)
    values = _values(results, score)
    if published is None or not values:
        return None
    if len(values) > 1:
        return abs(published - mean(values)) <= 2 * stdev(values)
    # rows of several labels are recordings, so patients are all that can be drawn
    interval = _interval(intervals.by_beat, results, score) or _interval(intervals.by_patient, results, score)
    return None if interval is None else interval[0] <= published <= interval[1]


def _line(table: str, shown: Shown, column: str) -> dict[str, Any]:
    row = shown.row
    score = column.rpartition("/")[2]
    line: dict[str, Any] = {
        "table": table,
        "row": row.name,
        "run": row.run,
        "value": value_of(row, column),
        "score": score,
        "column": column,
    }
    line |= {"parameters": shown.parameters.replace(",", ""), "published": row.published.get(column)}
    for name in ("ours", "recorded"):
        values = _values(*shown.of(name, column))
        line[f"{name}_mean"] = mean(values) if values else None
        line[f"{name}_sd"] = stdev(values) if len(values) > 1 else None
        line[f"{name}_seeds"] = len(values)
    for name, kind in (("patient", intervals.by_patient), ("beat", intervals.by_beat)):
        low, high = _interval(kind, *shown.of("recorded", column)) or (None, None)
        line |= {f"recorded_low_by_{name}": low, f"recorded_high_by_{name}": high}
    line |= {"published_inside": _inside(shown, column), "p_corrected": shown.p}
    return line | {"ours_synthetic": any(map(_synthetic, shown.ours.values()))}


def _synthetic(results: Results) -> bool:
    return any(result["provenance"].get("synthetic", True) for result in results)


def _markdown(table: Table, rows: Sequence[Shown]) -> str:
    synthetic = any(_synthetic(results) for shown in rows for results in shown.ours.values())
    tested = [""] if not table.baseline else ["p"]
    lines = [["row", "parameters", "from", *table.scores.values(), *tested]]
    for shown in rows:
        lines += [[shown.label, shown.parameters, *cells] for cells in _cells(table, shown, synthetic)]
    width = len(lines[0]) - (tested == [""])
    missing = [shown.row.name for shown in rows if shown.row.run and not any(shown.recorded.values())]
    parts = [
        f"# {table.title}", SYNTHETIC_NOTE if synthetic else "", _grid([line[:width] for line in lines]), table.note,
        f"Not yet run on real recordings: {', '.join(missing)}." if missing else "",
        f"`p` is on {table.scores.get(table.tested, table.tested)}." if table.baseline else "", _protocol(rows),
        _first_weights(rows), _subgroups(table, rows),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _first_weights(rows: Sequence[Shown]) -> str:
    """Name the image networks that did not start from pretrained weights, as the published ones did."""
    drawn = [
        shown.row.name for shown in rows if any(r.get("pictures") and not r.get("weights") for r in shown.everything)
    ]
    return f"From random weights, not ImageNet's: {', '.join(drawn)}." if drawn else ""


def _subgroups(table: Table, rows: Sequence[Shown]) -> str:
    """Lay out the tested score by sex, age, device and source, where they are known: recorded results before our own."""
    score = table.tested.rpartition("/")[2]
    columns: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}
    for shown in rows:
        results = shown.of("recorded", table.tested)[0] or shown.of("ours", table.tested)[0]
        told = results[0].get("subgroups", []) if results else []
        if any(score in group for group in told):
            columns[shown.row.name] = {(group["by"], group["group"]): group for group in told}
    if not columns:
        return ""
    groups = dict.fromkeys(key for found in columns.values() for key in found)
    lines = [["by", "group", "rows", *columns]]
    for key in groups:
        found = [one.get(key, {}) for one in columns.values()]
        count = next(group["rows"] for group in found if group)
        lines.append([*key, f"{count:,}", *(_number(group.get(score)) for group in found)])
    return f"{table.scores[table.tested]} by subgroup of the test rows, first seed:\n\n{_grid(lines)}"


def _cells(table: Table, shown: Shown, synthetic: bool) -> list[list[str]]:
    """Give the lines of one row: where from, a cell for each score, and the p-value."""
    lines = []
    if shown.row.published:
        lines.append(["published", *(_published(shown, score) for score in table.scores), ""])
    if any(shown.recorded.values()):
        p = "baseline" if shown.row.name == table.baseline else _p(shown.p)
        lines.append(["recorded, real", *(_cell(shown, "recorded", column) for column in table.scores), p])
        for name, kind in (("95 % by patient", intervals.by_patient), ("95 % by beat", intervals.by_beat)):
            found = [_interval(kind, *shown.of("recorded", column)) for column in table.scores]
            if any(found):
                flags = [
                    _flag(*shown.of("recorded", column)) if kind is intervals.by_patient else ""
                    for column in table.scores
                ]
                told = zip(found, flags, strict=True)
                lines.append([name, *(f"{_number(p[0])}-{_number(p[1])}{flag}" if p else "" for p, flag in told), ""])
    if any(shown.ours.values()):
        ours = "ours (synthetic)" if synthetic else "ours"
        lines.append([ours, *(_cell(shown, "ours", column) for column in table.scores), ""])
    return lines or [["not run", *("" for _ in table.scores), ""]]


def _cell(shown: Shown, kind: str, column: str) -> str:
    """Print the mean and spread of a score; of epochs in how many of the trainings that have any it is reached, and when on average."""
    results, score = shown.of(kind, column)
    values, trainings = _values(results, score), sum(bool(result.get("course")) for result in results)
    if not _asks(column):
        return _spread(values)
    return f"{mean(values):.1f} ({len(values)} of {trainings})" if values else "never" if trainings else ""


def _flag(results: Results, score: str) -> str:
    """Mark an interval that does not hold its point."""
    told = results[0].get("intervals", {}).get(score) if results else None
    return "" if told is None or told["held"] else "!"


def _published(shown: Shown, score: str) -> str:
    """Print a published cell, whether it lies inside our spread, and what stands in print where that is a mistake."""
    value, inside = shown.row.published.get(score), _inside(shown, score)
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


def _split(result: Mapping[str, Any]) -> str:
    """Name a split with its part, and over how many labels its macro areas are taken."""
    labels = result["scores"].get("auroc_labels")
    name = f"{result['split']}/{result['part']}" if result.get("part") else result["split"]
    return f"{name}, {labels:g} of {len(result['classes'])} labels" if labels and result.get("part") else name


def _protocol(rows: Sequence[Shown]) -> str:
    """Say what every row was measured on, and whom train and test share."""
    said = dict.fromkeys(
        f"{'made-up' if _synthetic([r]) else 'real'}: {r['rows']:,} test rows of split {_split(r)} ({r['leak']})"
        for shown in rows
        for r in shown.everything
    )
    return f"Measured on {'; '.join(said)}." if said else ""
