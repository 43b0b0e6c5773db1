"""The tables of a system: published, ours as mean ± sd over seeds, and what was recorded on real recordings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd

from pqrst import ledger
from pqrst.errors import DataError
from pqrst.params import Row, Table

SYNTHETIC_NOTE = "**SYNTHETIC**: the column `ours` was computed on made-up recordings. It shows that the pipeline runs, and nothing about hearts."


@dataclass(frozen=True)
class Cell:
    """One score of one run: as published, by the stages just now, and as recorded on real recordings."""

    published: float | None
    ours: list[float]
    recorded: list[float]


def build(table: Table, scores: Path, recorded: Path) -> tuple[str, pd.DataFrame]:
    """Give a table as Markdown and as data, one line a cell."""
    results = {row.run: _results(scores / row.run, row.run) for row in table.rows}
    kept = {row.run: ledger.read(recorded, row.run) for row in table.rows}
    synthetic = any(map(_synthetic, results.values()))
    data = pd.DataFrame(
        [_line(row, score, results[row.run], kept[row.run]) for row in table.rows for score in table.scores]
    )
    return _markdown(table, results, kept, synthetic), data


def _results(folder: Path, run: str) -> list[dict[str, Any]]:
    found = [json.loads(file.read_text()) for file in sorted(folder.glob("*/scores.json"))]
    if not found:
        raise DataError(f"{folder} holds no scores; evaluate the run with `dvc repro evaluate@{run}`")
    return found


def _cell(row: Row, score: str, results: Sequence[dict[str, Any]], kept: Sequence[dict[str, Any]]) -> Cell:
    return Cell(
        row.published.get(score),
        [r["scores"][score] for r in results],
        [r["scores"][score] for r in kept if score in r["scores"]],
    )


def _line(row: Row, score: str, results: Sequence[dict[str, Any]], kept: Sequence[dict[str, Any]]) -> dict[str, Any]:
    cell = _cell(row, score, results, kept)
    line: dict[str, Any] = {"run": row.run, "model": row.name, "parameters": results[0]["parameters"], "score": score}
    line["published"] = cell.published
    for name, values in (("ours", cell.ours), ("recorded", cell.recorded)):
        line[f"{name}_mean"] = mean(values) if values else None
        line[f"{name}_sd"] = stdev(values) if len(values) > 1 else None
        line[f"{name}_seeds"] = len(values)
    return line | {"ours_synthetic": _synthetic(results)}


def _synthetic(results: Sequence[dict[str, Any]]) -> bool:
    return any(result["provenance"].get("synthetic", True) for result in results)


def _markdown(table: Table, results: dict[str, Any], kept: dict[str, Any], synthetic: bool) -> str:
    ours = "ours (synthetic)" if synthetic else "ours"
    lines = [["model", "parameters", "from", "seeds", *table.scores.values()]]
    for row in table.rows:
        cells = [_cell(row, score, results[row.run], kept[row.run]) for score in table.scores]
        parameters = f"{results[row.run][0]['parameters']:,}"
        if any(cell.published is not None for cell in cells):
            lines.append([row.name, parameters, "published", "", *(_number(cell.published) for cell in cells)])
        if kept[row.run]:
            lines.append(
                [
                    row.name,
                    parameters,
                    "recorded, real",
                    str(len(kept[row.run])),
                    *(_spread(cell.recorded) for cell in cells),
                ]
            )
        lines.append([row.name, parameters, ours, str(len(results[row.run])), *(_spread(cell.ours) for cell in cells)])
    parts = [f"# {table.title}", *([SYNTHETIC_NOTE] if synthetic else []), _grid(lines), table.note, _protocol(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}".removeprefix("0")


def _spread(values: Sequence[float]) -> str:
    """Give mean ± sample standard deviation; one seed has no spread to show."""
    return _number(mean(values)) + (f" ± {_number(stdev(values))}" if len(values) > 1 else "")


def _grid(lines: Sequence[Sequence[str]]) -> str:
    """Lay lines out as a Markdown table whose columns also line up in a terminal."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    rows = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]])


def _protocol(results: dict[str, Any]) -> str:
    """Say what every row was measured on, and whom train and test share."""
    said = dict.fromkeys(
        f"{r['rows']:,} test rows of split {r['split']} ({r['leak']})" for run in results.values() for r in run
    )
    return "Measured on " + "; ".join(said) + "."
