"""The figures of a run as PNG files: DVC's own page needs the network for its scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK, SIZE, DPI = "#33415c", (6.0, 4.2), 110
COLOURS = ("#33415c", "#c1440e", "#1b998b", "#8e44ad", "#e09f3e", "#5b8e7d", "#d1495b", "#30638e")
DASHES = ("-", "--", ":", "-.")  # one kind for each round of the colours
MOST_LINES = 12  # that one figure of learning curves holds
FEW = 8  # so many classes fit a figure of the usual size
ROWS_OF_BIN = 20  # of one label: the share of fewer is noise


@dataclass(frozen=True)
class Example:
    """One row as a network sees it."""

    words: str  # what it is, and what was said of it
    row: np.ndarray  # (leads, T), decoded and standardised; or a stored picture, (channels, height, width)
    picture: np.ndarray | None  # what is drawn of the row before the model, (channels, height, width)


def _save(figure: Figure, file: Path, note: str) -> None:
    """Write the same bytes for the same figure; the note says when recordings are made up."""
    if note:
        figure.text(0.995, 0.005, note, ha="right", va="bottom", fontsize=7, color="#c1440e")
    file.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"savefig.dpi": DPI}):
        figure.savefig(file, metadata={"Software": None})


def _axes(title: str, x: str, y: str, size: tuple[float, float] = SIZE) -> tuple[Figure, mpl.axes.Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _look(place: int) -> dict[str, Any]:
    """Give the colour and the dashes of a line by its number."""
    return {"color": COLOURS[place % len(COLOURS)], "linestyle": DASHES[place // len(COLOURS) % len(DASHES)]}


def _turn(names: Sequence[str]) -> int:
    """Give the angle at which class names below an axis do not run into each other."""
    return 90 if len(names) > FEW or sum(map(len, names)) > 40 else 0


def confusion(matrix: np.ndarray, classes: Sequence[str], title: str, file: Path, note: str = "") -> None:
    """Draw counts, shaded by the share of each true class."""
    side = 0.42 * len(classes) + 1.5  # inches; counts of four digits fit their cells
    figure, axes = _axes(title, "predicted", "actual", (max(SIZE[0], side + 0.5), max(SIZE[1], side)))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=_turn(classes))
    axes.set_yticks(range(len(classes)), classes)
    for (row, column), count in np.ndenumerate(matrix):
        dark = shares[row, column] > 0.5
        size = 9 if len(classes) <= FEW else 7
        axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=size, color="white" if dark else INK)
    _save(figure, file, note)


def curves(table: pd.DataFrame, title: str, file: Path, note: str = "") -> None:
    """Draw one curve a class from a table of class, x, y."""
    _, x, y = table.columns
    columns = 1 + table["class"].nunique() // 20  # of the legend
    figure, axes = _axes(title, x.replace("_", " "), y.replace("_", " "), (SIZE[0] + columns, SIZE[1]))
    for place, (name, part) in enumerate(table.groupby("class", sort=False)):
        axes.plot(part[x], part[y], **_look(place), label=str(name), linewidth=1.4)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    if len(table):
        figure.legend(frameon=False, fontsize=8, loc="outside right upper", ncols=columns)
    _save(figure, file, note)


def few(names: Sequence[str]) -> Sequence[str]:
    """Choose of networks those that one figure of learning holds: all, or the first seed of some values."""
    if len(names) <= MOST_LINES:
        return names
    return list({name.rpartition("/")[0]: name for name in reversed(names)}.values())[::-1][:MOST_LINES]


def learning(histories: dict[str, pd.DataFrame], title: str, file: Path, note: str = "") -> None:
    """Draw training and validation loss by epoch side by side, one line a network."""
    figure, axes = _axes("train", "epoch", "loss", (SIZE[0] + 4, SIZE[1]))
    figure.suptitle(title)
    beside, grid = figure.add_subplot(sharex=axes, sharey=axes), figure.add_gridspec(1, 2)
    axes.set_subplotspec(grid[0])
    beside.set_subplotspec(grid[1])
    beside.set(title="validation", xlabel="epoch")
    beside.spines[["top", "right"]].set_visible(False)
    for place, (name, history) in enumerate(histories.items()):
        look = _look(place) | {"marker": "o" if len(history) == 1 else "", "linewidth": 1.4}  # one epoch makes no line
        axes.plot(history["epoch"], history["train_loss"], **look, label=name)
        beside.plot(history["epoch"], history["validation_loss"], **look)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, frameon=False, fontsize=8, loc="outside right upper")
    _save(figure, file, note)


def convergence(table: pd.DataFrame, title: str, heading: str, file: Path) -> None:
    """Draw a validation score by epoch: one line a row, the mean over seeds, in a band from the lowest to the highest."""
    figure, axes = _axes(title, "epoch", heading, (SIZE[0] + 2, SIZE[1]))
    for place, (name, lines) in enumerate(table.groupby("row", sort=False)):
        of_epoch, look = lines.groupby("epoch")["value"].agg(["mean", "min", "max"]), _look(place)
        low, high = of_epoch["min"], of_epoch["max"]
        axes.fill_between(of_epoch.index, low, high, color=look["color"], alpha=0.12, linewidth=0)
        dot = "o" if len(of_epoch) == 1 else ""
        axes.plot(of_epoch.index, of_epoch["mean"], **look, label=name, linewidth=1.6, marker=dot)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    figure.legend(frameon=False, fontsize=8, loc="outside right upper")
    _save(figure, file, "synthetic recordings" if table["synthetic"].any() else "")


def shares(table: pd.DataFrame, title: str, file: Path, note: str = "") -> None:
    """Draw the number of rows of each class on each side of a split, on a logarithmic axis."""
    wide = table.pivot_table(index="class", columns="side", values="rows", sort=False)
    figure, axes = _axes(title, "class", "rows", (max(SIZE[0] + 1, 0.5 * len(wide) + 2.5), SIZE[1]))
    width = 0.8 / len(wide.columns)
    for place, (side, colour) in enumerate(zip(wide.columns, COLOURS, strict=False)):
        bars = axes.bar(
            np.arange(len(wide)) + (place - (len(wide.columns) - 1) / 2) * width,
            wide[side],
            width,
            color=colour,
            label=side,
        )
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=7, rotation=90, padding=2)
    axes.set_yscale("symlog")
    axes.margins(x=0.02, y=0.15)
    axes.set_xticks(range(len(wide)), wide.index, rotation=_turn(list(wide.index)))
    figure.legend(frameon=False, fontsize=8, loc="outside right upper")
    _save(figure, file, note)


def rows(table: pd.DataFrame, title: str, heading: str, file: Path) -> None:
    """Draw one score of a table's rows: published, recorded with its interval over patients, and ours."""
    figure, axes = _axes("", heading, "", (SIZE[0] + 1.5, 0.42 * len(table) + 1.9))
    figure.suptitle(title, fontsize=10)
    places = np.arange(len(table))[::-1]
    low, high = table["recorded_low_by_patient"].astype(float), table["recorded_high_by_patient"].astype(float)
    axes.hlines(places, low, high, color=COLOURS[0], linewidth=1.6, label="recorded: 95 % by patient")
    made_up = " (synthetic)" if table["ours_synthetic"].any() else ""
    for column, marker, colour, name in (
        ("recorded_mean", "o", COLOURS[0], "recorded, real"),
        ("published", "|", COLOURS[1], "published"),
        ("ours_mean", "x", COLOURS[4], f"ours{made_up}"),
    ):
        if table[column].notna().any():
            axes.scatter(table[column].astype(float), places, marker=marker, s=60, color=colour, label=name, zorder=3)
    axes.set_yticks(places, table["row"])
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.margins(y=0.6 / len(table))
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=4)
    _save(figure, file, "x: synthetic recordings" if made_up else "")


def reliability(table: pd.DataFrame, title: str, file: Path, note: str = "") -> None:
    """Draw the share of true rows over confidence: the first class of the table over the others, and its rows by bin."""
    figure, axes = _axes(title, "", "share of true rows", (SIZE[0], SIZE[1] + 1))
    below, grid = figure.add_subplot(sharex=axes), figure.add_gridspec(2, 1, height_ratios=(3, 1))
    axes.set_subplotspec(grid[0])
    below.set_subplotspec(grid[1])
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linestyle="--", linewidth=1, label="as said")
    name = str(table["class"].iloc[0])
    first, others = table[table["class"] == name], table[(table["class"] != name) & (table["rows"] >= ROWS_OF_BIN)]
    for place, (_, part) in enumerate(others.groupby("class", sort=False)):
        label = "_" if place else f"each label, bins of {ROWS_OF_BIN} rows or more"
        axes.plot(part["confidence"], part["share"], color="#9fb3d1", linewidth=0.6, label=label)
    axes.plot(first["confidence"], first["share"], color=INK, linewidth=1.8, marker="o", markersize=4, label=name)
    below.bar(first["confidence"], first["rows"], width=0.02, color=INK)
    below.set(xlabel="confidence", ylabel="rows", yscale="symlog", xlim=(-0.02, 1.02))
    below.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelbottom=False)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    _save(figure, file, note)


def bars(table: pd.DataFrame, title: str, file: Path, note: str = "") -> None:
    """Draw the F1 of each class as a bar, from a table of class, f1 and rows, the number of its true rows."""
    names = [f"{name} ({rows:,})" for name, rows in zip(table["class"], table["rows"], strict=True)]
    figure, axes = _axes("", "F1 (true rows after each name)", "", (SIZE[0], 0.19 * len(table) + 1.2))
    figure.suptitle(title, fontsize=10)
    drawn = axes.barh(np.arange(len(table)), table["f1"], 0.7, color=INK)
    axes.bar_label(drawn, labels=[f"{value:.2f}" for value in table["f1"]], fontsize=7, padding=2)
    axes.set_yticks(np.arange(len(table)), names, fontsize=8)
    axes.set(xlim=(0, 1.08), ylim=(len(table) - 0.4, -0.6), xticks=np.arange(0, 1.1, 0.2))
    _save(figure, file, note)


def examples(found: Sequence[Example], title: str, file: Path, note: str = "") -> None:
    """Draw rows as a network sees them side by side, leads below each other, and the picture that it draws of a row below."""
    drawn = [("row", "picture")[: 1 + (one.picture is not None)] for one in found]
    figure = Figure(figsize=(4.2 * len(found), 2.6 * len(drawn[0])), layout="constrained")
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(len(drawn[0]), len(found), squeeze=False)
    for column, one in enumerate(found):
        panels[0, column].set_title(fill(one.words, 60), fontsize=8)
        for panel, name in zip(panels[:, column], drawn[column], strict=True):
            values = getattr(one, name)
            (_draw_picture if values.ndim == 3 else _draw_leads)(panel, values)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
    _save(figure, file, note)


def _draw_leads(axes: mpl.axes.Axes, row: np.ndarray) -> None:
    """Draw the leads of a row, the first on top, all to one scale; a flat line is a lead that is not there."""
    height = max(float(np.ptp(row, axis=1).max()), 1e-6) * 0.8
    for place, lead in enumerate(row):
        axes.plot(lead - lead.mean() - place * height, color=INK, linewidth=0.7)


def _draw_picture(axes: mpl.axes.Axes, picture: np.ndarray) -> None:
    """Draw a picture by its first channel, or in colour where it has three."""
    low, high = float(picture.min()), float(picture.max())
    shades = (picture - low) / max(high - low, 1e-6)
    axes.imshow(shades.transpose(1, 2, 0) if len(shades) == 3 else shades[0], cmap="viridis", aspect="auto")
