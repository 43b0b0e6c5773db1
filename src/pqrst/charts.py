"""The report's figures as Vega-Lite specifications: plain mappings, each with its own numbers as CSV text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

Spec = dict[str, Any]
INK, RUST = "#33415c", "#c1440e"
COLOURS = [INK, RUST, "#1b998b", "#8e44ad", "#e09f3e", "#5b8e7d", "#d1495b", "#30638e"]
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]  # one kind for each round of the colours
HEIGHT, STEP = 260, 22  # pixels: of a figure, of a row in a figure of rows
FEW = 16  # classes that a legend can name
MARKS = {"published": RUST, "recorded, real": INK, "ours": "#e09f3e"}


def _spec(data: pd.DataFrame, **parts: Any) -> Spec:
    """Give a figure as wide as its place on the page."""
    values = data.to_csv(index=False, float_format="%.5g", lineterminator="\n")
    # said, not guessed: Vega takes a class called 1 for a number, and sorts by numbers that it took for words
    kinds = {name: "number" if pd.api.types.is_numeric_dtype(data[name]) else "string" for name in data}
    read = {"type": "csv", "parse": kinds}
    given = {"data": {"values": values, "format": read}, "width": "container", "height": HEIGHT}
    return given | parts


def _axis(name: str, title: str, kind: str = "quantitative", **more: Any) -> Spec:
    return {"field": name, "type": kind, "title": title, **more}


def _inks(names: Sequence[str]) -> tuple[Spec, Spec]:
    """Give colour and dashes to lines by their order, a legend where it can name all."""
    scale = {"domain": list(names), "range": [COLOURS[place % len(COLOURS)] for place in range(len(names))]}
    dashes = [DASHES[place // len(COLOURS) % len(DASHES)] for place in range(len(names))]
    legend = {"title": None, "orient": "bottom", "columns": 2, "labelLimit": 150} if len(names) <= FEW else None
    colour = {"field": "line", "type": "nominal", "scale": scale, "legend": legend, "sort": None}
    return colour, colour | {"scale": {"domain": list(names), "range": dashes}}


def rows(table: pd.DataFrame, heading: str) -> Spec:
    """Show one score of a table's rows: published, recorded with its interval by patient, and this checkout's."""
    kinds = {"published": "published", "recorded_mean": "recorded, real", "ours_mean": "ours"}
    long = pd.concat([
        pd.DataFrame({"row": table["row"], "from": kind, "score": table[name]}) for name, kind in kinds.items()
    ]).dropna()  # fmt: skip
    bounds = table[["row", "recorded_low_by_patient", "recorded_high_by_patient"]].dropna()
    bounds.columns = pd.Index(["row", "low", "high"])
    y = _axis("row", "", "nominal", sort=list(table["row"]), axis={"labelLimit": 230, "title": None})
    x = _axis("score", heading, scale={"zero": False, "nice": True})
    colour = {"field": "from", "scale": {"domain": list(MARKS), "range": list(MARKS.values())},
              "legend": {"title": None, "orient": "bottom"}}  # fmt: skip
    shape = {"field": "from", "scale": {"domain": list(MARKS), "range": ["diamond", "circle", "cross"]}, "legend": None}
    points = {"mark": {"type": "point", "filled": True, "size": 80, "tooltip": True},
              "encoding": {"x": x, "y": y, "color": colour, "shape": shape}}  # fmt: skip
    spec = _spec(long, layer=[points], height={"step": STEP})
    if len(bounds):
        lines = {"data": _spec(bounds)["data"], "mark": {"type": "rule", "color": INK, "strokeWidth": 1.5},
                 "encoding": {"x": _axis("low", heading), "x2": {"field": "high"}, "y": y}}  # fmt: skip
        spec["layer"].insert(0, lines)
    return spec


def courses(table: pd.DataFrame, heading: str) -> Spec:
    """Follow numbers by epoch, from a table of line, epoch, value and side; a side is a panel."""
    names = list(dict.fromkeys(table["line"]))
    colour, dash = _inks(names)
    mark = {"type": "line", "tooltip": True, "point": bool(table["epoch"].nunique() < 3), "clip": True}
    encoding = {"x": _axis("epoch", "epoch", axis={"tickMinStep": 1}),
                "y": _axis("value", heading, scale={"zero": False}), "color": colour, "strokeDash": dash}  # fmt: skip
    if len(set(table["side"])) > 1:
        scale = {"domain": ["train", "validation"], "range": DASHES[:2]}
        encoding["strokeDash"] = {"field": "side", "scale": scale, "legend": None}
    return _spec(table, mark=mark, encoding=encoding)


def curves(table: pd.DataFrame) -> Spec:
    """Draw one line a class from a table whose first columns are class, x and y."""
    x, y = table.columns[1:3]
    long = table.iloc[:, :3].set_axis(["line", "x", "y"], axis=1).assign(order=range(len(table)))
    names = list(dict.fromkeys(long["line"].astype(str)))
    colour, dash = _inks(names)
    unit = {"domain": [0, 1]}
    encoding = {"x": _axis("x", x.replace("_", " "), scale=unit), "y": _axis("y", y.replace("_", " "), scale=unit),
                "order": {"field": "order", "type": "quantitative"}, "color": colour, "strokeDash": dash}  # fmt: skip
    return _spec(long, mark={"type": "line", "tooltip": True}, encoding=encoding)


def reliability(table: pd.DataFrame) -> Spec:
    """Hold confidence against the share of right answers; the diagonal is as said, a larger dot has more rows."""
    pooled = table[table["class"] == table["class"].iloc[0]]
    unit = {"domain": [0, 1]}
    diagonal = {"data": {"values": "x,y\n0,0\n1,1\n", "format": {"type": "csv"}},
                "mark": {"type": "line", "color": "#bbb", "strokeDash": [4, 3]},
                "encoding": {"x": _axis("x", "confidence", scale=unit), "y": _axis("y", "share of right answers", scale=unit)}}  # fmt: skip
    size = {"field": "rows", "type": "quantitative", "scale": {"type": "sqrt", "range": [15, 300]}, "legend": None}
    dots: Spec = {"mark": {"type": "line", "color": INK, "point": False}, "encoding": {
        "x": _axis("confidence", "confidence"), "y": _axis("share", "share of right answers")}}  # fmt: skip
    sized = {"mark": {"type": "point", "filled": True, "color": INK, "tooltip": True, "opacity": 0.8},
             "encoding": dots["encoding"] | {"size": size}}  # fmt: skip
    return _spec(pooled[["confidence", "share", "rows"]], layer=[diagonal, dots, sized])


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Spec:
    """Shade counts by the share of each true class."""
    counts = np.array(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    long = pd.DataFrame({
        "actual": np.repeat(classes, len(classes)), "predicted": np.tile(classes, len(classes)),
        "rows": counts.ravel(), "share": shares.ravel(),
    })  # fmt: skip
    places = {
        "x": _axis("predicted", "predicted", "nominal", sort=list(classes), axis={"orient": "top"}),
        "y": _axis("actual", "actual", "nominal", sort=list(classes)),
    }
    shade = {
        "field": "share",
        "type": "quantitative",
        "legend": None,
        "scale": {"range": ["#ffffff", "#1f4e8c"], "domain": [0, 1], "interpolate": "rgb"},
    }
    cells = {"mark": {"type": "rect", "tooltip": True}, "encoding": places | {"color": shade}}
    ink = {"condition": {"test": "datum.share > 0.5", "value": "white"}, "value": INK}
    words = {"mark": {"type": "text", "fontSize": 11 if len(classes) <= FEW else 7},
             "encoding": places | {"text": {"field": "rows", "type": "quantitative", "format": ","}, "color": ink}}  # fmt: skip
    layer = [cells, words] if len(classes) <= 2 * FEW else [cells]
    return _spec(long, layer=layer, height={"step": 34 if len(classes) <= FEW else 18})


def bars(table: pd.DataFrame, name: str, value: str, heading: str) -> Spec:
    """Show a number from 0 to 1 of each class or patient as a bar, in the order of the table."""
    encoding = {
        "x": _axis(name, name, "nominal", sort=None, axis={"labelAngle": -90, "labelLimit": 90}),
        "y": _axis(value, heading, scale={"domain": [0, 1]}),
        "color": {"value": INK},
    }
    return _spec(table, mark={"type": "bar", "tooltip": {"content": "data"}}, encoding=encoding)


def shares(table: pd.DataFrame) -> Spec:
    """Count the rows of each class on each side of a split, on an axis that shows few and many."""
    sides = list(dict.fromkeys(table["side"]))
    encoding = {
        "x": _axis("class", "", "nominal", sort=None, axis={"title": None, "labelAngle": -45}),
        "xOffset": {"field": "side", "sort": sides},
        "y": _axis("rows", "rows", scale={"type": "symlog"}),
        "color": {"field": "side", "sort": sides, "scale": {"range": COLOURS[: len(sides)]},
                  "legend": {"title": None, "orient": "bottom"}},
    }  # fmt: skip
    return _spec(table[["class", "side", "rows"]], mark={"type": "bar", "tooltip": True}, encoding=encoding)
