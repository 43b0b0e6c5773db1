"""The tables of a system: published, ours as mean ± sd over seeds, and what was recorded on real recordings.

Recorded rows carry 95 % intervals and a test against the table's baseline, from the confusion matrices of each patient.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd

from pqrst import convergence, figures, results
from pqrst.published import Table
from pqrst.results import Drawn, Kind, Results, Shown

DRAWN: tuple[Drawn, ...] = ("patient", "beat")
SYNTHETIC_NOTE = "**SYNTHETIC**: the lines `ours (synthetic)` were computed on made-up recordings. They show that the pipeline runs, and nothing about hearts."
LEGEND = """\
# How to read the tables

`published` is followed by whether it lies inside our spread: mean ± 2 sd over two seeds or more, with one seed its 95 % interval \
by beat, or by patient of several labels a row. Ours are mean ± sd (number of seeds). Intervals: percentile bootstrap, 2,000 times, of patients and seeds, or of beats; \
of several labels a row, BCa by patient of the first seed, and `!` where it does not hold its point, for a reason that the result tells. \
`p` is two-sided, by the paired bootstrap over patients against the baseline, corrected by Holm for the rows of the table, and stands on the line \
whose results it compares: what was recorded, or, of several labels a row, ours. A name \
is bold where the difference holds: p < .05 with two seeds or more on both sides.
"""


def build(page: Mapping[str, Table], folder: Path, recorded: Path) -> tuple[str, pd.DataFrame]:
    """Give the tables of one family of runs as Markdown, and as data, one line a cell."""
    texts, lines = [], []
    for name, table in page.items():
        rows = results.tested(table, [results.read(row, table, folder, recorded) for row in table.rows], folder)
        texts.append(_markdown(table, rows))
        lines += [_line(name, shown, score) for shown in rows for score in table.scores]
    return "\n".join([*texts, LEGEND]), pd.DataFrame(lines)


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
            for shown in (results.read(row, table, folder, recorded) for row in table.rows if row.run):
                for result in shown.of("recorded", column)[0] or shown.of("ours", column)[0]:
                    told = {
                        "table": name,
                        "row": shown.row.name,
                        "heading": heading,
                        "synthetic": results.synthetic([result]),
                    }
                    course = result.get("course", {}).get(followed, ())
                    lines += [{**told, "epoch": epoch, "value": value} for epoch, value in enumerate(course, 1)]
    return pd.DataFrame(lines)


def _asks(column: str) -> bool:
    return convergence.names_one(column.rpartition("/")[2])


def _line(table: str, shown: Shown, column: str) -> dict[str, Any]:
    row = shown.row
    score = column.rpartition("/")[2]
    line: dict[str, Any] = {
        "table": table,
        "row": row.name,
        "run": row.run,
        "value": results.value_of(row, column),
        "score": score,
        "column": column,
    }
    line |= {"parameters": shown.parameters.replace(",", ""), "published": row.published.get(column)}
    kinds: tuple[Kind, ...] = ("ours", "recorded")
    for kind in kinds:
        values = results.values(*shown.of(kind, column))
        line[f"{kind}_mean"] = mean(values) if values else None
        line[f"{kind}_sd"] = stdev(values) if len(values) > 1 else None
        line[f"{kind}_seeds"] = len(values)
    for drawn in DRAWN:
        low, high = results.interval(drawn, *shown.of("recorded", column)) or (None, None)
        line |= {f"recorded_low_by_{drawn}": low, f"recorded_high_by_{drawn}": high}
    line |= {"published_inside": results.inside(shown, column), "p_corrected": shown.p, "holds": shown.holds}
    return line | {"ours_synthetic": any(map(results.synthetic, shown.ours.values()))}


def _markdown(table: Table, rows: Sequence[Shown]) -> str:
    synthetic = any(results.synthetic(found) for shown in rows for found in shown.ours.values())
    tested = [""] if not table.baseline else ["p"]
    lines = [["row", "parameters", "from", *table.scores.values(), *tested]]
    for shown in rows:
        lines += [[name, shown.parameters, *cells] for name, *cells in _cells(table, shown, synthetic)]
    width = len(lines[0]) - (tested == [""])
    parts = [
        f"# {table.title}", SYNTHETIC_NOTE if synthetic else "", _grid([line[:width] for line in lines]),
        *remarks(table, rows), _subgroups(table, rows),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def remarks(table: Table, rows: Sequence[Shown]) -> list[str]:
    """Say what is to be known of a table beside its cells, a paragraph of Markdown each."""
    missing = [shown.row.name for shown in rows if shown.row.run and not any(shown.recorded.values())]
    parts = [
        table.note, f"Not yet run on real recordings: {', '.join(missing)}." if missing else "",
        f"`p` is on {table.scores.get(table.tested, table.tested)}." if table.baseline else "", _protocol(rows),
        _gate(table, rows), _first_weights(rows),
    ]  # fmt: skip
    return [part for part in parts if part]


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
        seeds = shown.of("recorded", table.tested)[0] or shown.of("ours", table.tested)[0]
        told = seeds[0].get("subgroups", []) if seeds else []
        if any(score in group for group in told):
            columns[shown.row.name] = {(group["by"], group["group"]): group for group in told}
    if not columns:
        return ""
    groups = dict.fromkeys(key for found in columns.values() for key in found)
    lines = [["by", "group", "rows", *columns]]
    for key in groups:
        found = [one.get(key, {}) for one in columns.values()]
        count = next(group["rows"] for group in found if group)
        lines.append([*key, f"{count:,}", *(number(group.get(score)) for group in found)])
    return f"{table.scores[table.tested]} by subgroup of the test rows, first seed:\n\n{_grid(lines)}"


def _cells(table: Table, shown: Shown, synthetic: bool) -> list[list[str]]:
    """Give the lines of one row: its name, where from, a cell for each score, and the p-value on the line that it compares."""
    name, compared = shown.row.name, results.compared_by(table)
    p = "baseline" if name == table.baseline else significance(shown.p)
    bold = f"**{name}**" if shown.holds else name
    above, below = (bold, bold) if compared == "recorded" else (name, bold)
    lines = []
    if shown.row.published:
        lines.append([above, "published", *(_published(shown, score) for score in table.scores), ""])
    if any(shown.recorded.values()):
        cells = [_cell(shown, "recorded", column) for column in table.scores]
        lines.append([above, f"recorded, real{_coarse(shown)}", *cells, p if compared == "recorded" else ""])
        lines += [[above, *cells, ""] for cells in _intervals(table, shown)]
    if any(shown.ours.values()):
        cells = [_cell(shown, "ours", column) for column in table.scores]
        told = p if compared == "ours" and not synthetic else ""
        lines.append([below, "ours (synthetic)" if synthetic else "ours", *cells, told])
    return lines or [[name, "not run", *("" for _ in table.scores), ""]]


def _coarse(shown: Shown) -> str:
    """Say which of the recorded trainings computed in bfloat16, since their baseline may have computed in float32."""
    found = [result.get("train", {}).get("precision") for one in shown.recorded.values() for result in one]
    coarse = found.count("bf16")
    return "" if not coarse else ", bf16" if coarse == len(found) else f", {coarse} of {len(found)} in bf16"


def _intervals(table: Table, shown: Shown) -> list[list[str]]:
    """Give the lines of intervals, where there are any: over what, and a cell for each score."""
    lines = []
    for drawn in DRAWN:
        cells = []
        for column in table.scores:
            bounds = results.interval(drawn, *shown.of("recorded", column))
            flag = _flag(*shown.of("recorded", column)) if drawn == "patient" else ""
            cells.append(f"{number(bounds[0])}-{number(bounds[1])}{flag}" if bounds else "")
        lines += [[f"95 % by {drawn}", *cells]] if any(cells) else []
    return lines


def _cell(shown: Shown, kind: Kind, column: str) -> str:
    """Print the mean and spread of a score; of epochs in how many of the trainings that have any it is reached, and when on average."""
    found, score = shown.of(kind, column)
    values, trainings = results.values(found, score), sum(bool(result.get("course")) for result in found)
    if not _asks(column):
        return _spread(values)
    return f"{mean(values):.1f} ({len(values)} of {trainings})" if values else "never" if trainings else ""


def _flag(found: Results, score: str) -> str:
    """Mark an interval that does not hold its point."""
    told = found[0].get("intervals", {}).get(score) if found else None
    return "" if told is None or told["held"] else "!"


def _published(shown: Shown, score: str) -> str:
    """Print a published cell, whether it lies inside our spread, and what stands in print where that is a mistake."""
    value, inside = shown.row.published.get(score), results.inside(shown, score)
    wrong = shown.row.misprinted.get(score)
    printed = "" if wrong is None else f" (printed {number(wrong)})"
    return number(value) + printed + {None: "", True: " inside", False: " outside"}[inside]


def significance(value: float | None) -> str:
    """Print a p-value."""
    return "" if value is None else "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def number(value: float | None) -> str:
    """Print a score as the publications do."""
    return "" if value is None else f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.4f}"


def _spread(values: Sequence[float]) -> str:
    """Give mean ± sample standard deviation (seeds); one seed has no spread to show."""
    if not values:
        return ""
    return number(mean(values)) + (f" ± {number(stdev(values))}" if len(values) > 1 else "") + f" ({len(values)})"


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
        f"{'made-up' if results.synthetic([r]) else 'real'}: {r['rows']:,} test rows of split {_split(r)} ({r['leak']})"
        for shown in rows
        for r in shown.everything
    )
    return f"Measured on {'; '.join(said)}." if said else ""


def _gate(table: Table, rows: Sequence[Shown]) -> str:
    """Say what the leak gate saw of every protocol, and what it did not see."""
    everything = [result for shown in rows for result in shown.everything]
    seen: dict[str, dict[str, None]] = {}
    for result in (one for one in everything if "gate" in one):
        kind, part = "made-up" if results.synthetic([result]) else "real", result.get("part")
        name = f"{kind}, {result['split']}/{part}" if part else f"{kind}, {result['split']}"
        seen.setdefault(result["gate"], {})[name] = None
    lines = [f"- {'; '.join(names)}: {found}" for found, names in seen.items()]
    picked = [heading for column, heading in table.scores.items() if column.endswith("_picked_on_test")]
    lines += [f"- {', '.join(picked)}: thresholds picked on the test rows, as published"] if picked else []
    before = sum("gate" not in one for one in everything)
    lines += [f"- {before} recorded results were made before there was this gate"] if before else []
    return "\n".join(["Leak gate, by the artefacts:", "", *lines]) if lines else ""


def draw(page: Mapping[str, Table], lines: pd.DataFrame, learned: pd.DataFrame, folder: Path) -> None:
    """Draw each table's tested score, and, where it shows when scores were reached, how runs learned."""
    for name, own in lines.groupby("table", sort=False):
        table = page[str(name)]
        tested = own[own["column"] == table.tested]
        figures.rows(tested, table.title, table.scores[table.tested], folder / f"{name}.png")
    for name, course in learned.groupby("table", sort=False) if len(learned) else ():
        title, heading = page[str(name)].title, str(course["heading"].iloc[0])
        figures.convergence(course, title, heading, folder / f"{name}_by_epoch.png")
