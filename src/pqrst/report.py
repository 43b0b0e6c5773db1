"""One page that holds everything the pipeline found: tables, figures, leak gate, data and settings, in one file without a network.

Nothing is measured here: other stages computed what it shows. Its charts are Vega-Lite, whose library travels in the page.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from markdown_it import MarkdownIt
from markupsafe import Markup

from pqrst import charts, report_runs, resolved, results, tables
from pqrst.published import Row, Table
from pqrst.report_runs import Charts, Found, Told

HERE = Path(__file__).parent
WORDS = dict.fromkeys(("table", "row", "run", "value", "column", "parameters"), str)  # a row may be called 0.5, or NA
PACKAGES = ("pqrst", "torch", "numpy", "pandas", "scipy", "scikit-learn", "torchmetrics", "wfdb", "dvc", "dvclive")


@dataclass(frozen=True)
class Places:
    """Where a checkout keeps what the page shows."""

    resolved: Path
    scores: Path
    metrics: Path  # with tables, plots, train, quality and paper below it


@dataclass(frozen=True)
class Cell:
    """One score of one row: in print, on real recordings, and in this checkout."""

    order: float | None  # what its column is sorted by
    published: str
    inside: bool | None  # whether the published value lies inside our spread
    recorded: str
    interval: str
    ours: str


@dataclass(frozen=True)
class Line:
    """One row of a table."""

    name: str
    run: str
    parameters: str
    p: str
    holds: bool
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Sheet:
    """One table with its figure and what is to be known of it."""

    name: str
    title: str
    headings: Sequence[str]
    lines: Sequence[Line]
    chart: str
    remarks: Markup
    tested: bool


@dataclass(frozen=True)
class Family:
    """The tables of one family of runs, and the runs behind them."""

    name: str
    sheets: Sequence[Sheet]
    runs: Sequence[Told]


def build(places: Places) -> str:
    """Give the page as HTML."""
    kept = Charts()
    families = [_family(file.stem, places, kept) for file in sorted((places.resolved / "tables").glob("*.yaml"))]
    runs = [run for family in families for run in family.runs]
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_beside("page.html"))
    return page.render(
        families=families, synthetic=any(run.synthetic for run in runs), verdicts=_verdicts(runs),
        counts=_counts(families), quality=_quality(places.metrics / "quality"), environment=_environment(),
        legend=_markdown(tables.LEGEND.partition("\n")[2]), style=_trusted(_beside("page.css")), script=_trusted(_beside("page.js")),
        specs=_trusted(json.dumps(kept.specs, separators=(",", ":")).replace("</", "<\\/")),
        vega=_library(),
    )  # fmt: skip


def plots_page() -> str:
    """Give the page that `dvc plots` fills, with the library that DVC's own page fetches from the network."""
    return _beside("plots.html").replace("{library}", _library())


def _library() -> Markup:
    """Give Vega, Vega-Lite and Vega-Embed as one script, which sets `vegaEmbed`."""
    from vl_convert import javascript_bundle  # noqa: PLC0415 (starts a JavaScript engine)

    bundle = javascript_bundle(None)  # type: ignore[arg-type]  # the stub wants a script of one's own; none gives all
    return _trusted(bundle.replace("</script", "<\\/script"))


def _beside(name: str) -> str:
    return (HERE / f"report_{name}").read_text(encoding="utf-8")


def _trusted(text: str) -> Markup:
    """Let code of ours, of the chart library, or JSON that cannot close its tag, into the page as it is."""
    return Markup(text)  # noqa: S704


def _markdown(text: str) -> Markup:
    """Lay out Markdown; HTML inside it is shown, not used."""
    return _trusted(MarkdownIt("commonmark", {"html": False}).render(text))


def _family(name: str, places: Places, kept: Charts) -> Family:
    page = resolved.read_tables(places.resolved / "tables" / f"{name}.yaml")
    data = pd.read_csv(places.metrics / "tables" / f"{name}.csv", dtype=WORDS, keep_default_na=False, na_values=[""])
    found = Found(places.resolved / "runs", places.scores / name, places.metrics)
    cells = dict(iter(data.groupby("table", sort=False)))
    sheets = [_sheet(key, table, cells[key], found, kept) for key, table in page.items()]
    runs = dict.fromkeys(row.run for table in page.values() for row in table.rows if row.run)
    return Family(name, sheets, [report_runs.told(run, found, kept) for run in runs])


def _sheet(name: str, table: Table, cells: pd.DataFrame, found: Found, kept: Charts) -> Sheet:
    shown = [results.read(row, table, found.scores, found.metrics / "paper") for row in table.rows]
    chart = kept.keep(charts.rows(cells[cells["column"] == table.tested], table.scores[table.tested]))
    lines = [_line(row, table, cells[cells["row"] == row.name].set_index("column")) for row in table.rows]
    said = _markdown("\n\n".join(tables.remarks(table, shown)))
    return Sheet(name, table.title, list(table.scores.values()), lines, chart, said, bool(table.baseline))


def _line(row: Row, table: Table, cells: pd.DataFrame) -> Line:
    first = cells.iloc[0]
    p = None if pd.isna(first["p_corrected"]) else float(first["p_corrected"])
    word = "baseline" if row.name == table.baseline else tables.significance(p)
    return Line(
        row.name,
        row.run,
        _parameters(first["parameters"]),
        word,
        bool(first["holds"]),
        [_cell(cells.loc[column], row) for column in table.scores],
    )


def _cell(line: Any, row: Row) -> Cell:
    known = [line[name] for name in ("recorded_mean", "published", "ours_mean") if pd.notna(line[name])]
    wrong = row.misprinted.get(line.name)
    misprint = "" if wrong is None else f" (printed {tables.number(wrong)})"
    return Cell(
        order=known[0] if known else None,
        published=_number(line["published"]) + misprint,
        inside=None if pd.isna(line["published_inside"]) else str(line["published_inside"]) == "True",
        recorded=_spread(line, "recorded"),
        interval=_interval(line, "patient") or _interval(line, "beat"),
        ours=_spread(line, "ours"),
    )


def _parameters(given: Any) -> str:
    """Print the number of parameters, or the least and the most of them."""
    return "" if pd.isna(given) else " to ".join(f"{float(count):,.0f}" for count in str(given).split(" to "))


def _number(value: Any) -> str:
    return tables.number(None if pd.isna(value) else float(value))


def _spread(line: Any, kind: str) -> str:
    """Give mean ± sd (seeds) of what was recorded, or of ours."""
    if pd.isna(line[f"{kind}_mean"]):
        return ""
    sd = _number(line[f"{kind}_sd"])
    return f"{_number(line[f'{kind}_mean'])}{f' ± {sd}' if sd else ''} ({line[f'{kind}_seeds']:g})"


def _interval(line: Any, drawn: str) -> str:
    low, high = _number(line[f"recorded_low_by_{drawn}"]), _number(line[f"recorded_high_by_{drawn}"])
    return f"{low} to {high} by {drawn}" if low else ""


def _verdicts(runs: Sequence[Told]) -> Mapping[str, Sequence[str]]:
    """Group runs by what the leak gate said of their networks."""
    found: dict[str, list[str]] = {}
    for run in runs:
        for verdict in run.gates:
            found.setdefault(verdict, []).append(run.name)
    return found


def _counts(families: Sequence[Family]) -> Mapping[str, int]:
    """Count what the page holds."""
    lines = [line for family in families for sheet in family.sheets for line in sheet.lines]
    real = [line for line in lines if any(cell.recorded for cell in line.cells)]
    return {
        "tables": sum(len(family.sheets) for family in families),
        "rows": len(lines),
        "rows with results on real recordings": len(real),
        "rows of runs that wait for real recordings": sum(bool(line.run) for line in lines) - len(real),
        "runs": sum(len(family.runs) for family in families),
    }


def _quality(folder: Path) -> Mapping[str, Mapping[str, int]]:
    """Give by dataset how many recordings were examined, and how many have which fault."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        told = json.loads(file.read_text(encoding="utf-8"))
        kinds = {kind.replace("_", " "): count for kind, count in told["kinds"].items()}
        found[file.stem] = {key: value for key, value in told.items() if key != "kinds"} | kinds
    return found


def _environment() -> Mapping[str, str]:
    """Say where the page was built."""
    versions = {name: metadata.version(name) for name in PACKAGES}
    return {"Python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"} | versions
