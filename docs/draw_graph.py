"""Draw docs/graph.png: what flows from which database through which split to which table, read from params.yaml.

python docs/draw_graph.py
"""

from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Curve

HERE = Path(__file__).parent
FILE, SETTINGS = HERE / "graph.png", HERE.parent / "params.yaml"
INK, QUIET, DPI = "#33415c", "#8a94a6", 100
COLOURS = ("#c1440e", "#2b6cb0", "#2f855a", "#805ad5", "#b7791f", "#0f766e", "#9d174d")
STAGES = ("download", "segment", "encode", "split", "train, evaluate", "tables")
PLACES = (0.0, 1.15, 2.35, 3.55, 5.0, 6.4)  # of the columns
GAP = 0.95  # the least distance of two names in a column, in lines
Node = tuple[int, str]  # column, name


def ways(settings: dict[str, dict[str, dict[str, str]]]) -> list[list[Node]]:
    """List, for each run, what it passes through: database, dataset, pictures where they are stored, split, run, tables."""
    found = []
    for name, run in settings["runs"].items():
        dataset = run["dataset"]
        way = [(0, settings["datasets"][dataset]["database"]), (1, dataset)]
        if run["input"].startswith("images/"):
            way.append((2, run["input"].removeprefix("images/")))
        found.append([*way, (3, f"{run['split']}  ({dataset})"), (4, name), (5, run["family"])])
    order = list(dict.fromkeys(way[-1] for way in found))
    return sorted(found, key=lambda way: (order.index(way[-1]), way[0], way[-3]))


def heights(found: list[list[Node]]) -> dict[Node, float]:
    """Give every node its line: runs one below the other, all else amid its runs, none upon another."""
    lines: dict[Node, list[int]] = {}
    for line, way in enumerate(found):
        for node in way:
            lines.setdefault(node, []).append(line)
    placed: dict[Node, float] = {}
    for column in range(len(STAGES)):
        below = -np.inf
        for node in sorted((n for n in lines if n[0] == column), key=lambda n: float(np.median(lines[n]))):
            placed[node] = below = max(float(np.median(lines[node])), below + GAP)
    return placed


def name(axes: Axes, node: Node, height: float) -> None:
    """Write a node's name upon the lines."""
    text = node[1].partition("  (")[0]
    box = {"boxstyle": "round,pad=.28", "facecolor": "white", "edgecolor": QUIET, "linewidth": 0.6}
    axes.text(PLACES[node[0]], height, text, ha="center", va="center", fontsize=8, color=INK, bbox=box, zorder=3)


def line(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    """Draw the way from one name to the next."""
    middle = (start[0] + end[0]) / 2
    curve = Curve([start, (middle, start[1]), (middle, end[1]), end], [1, 4, 4, 4])
    axes.add_patch(PathPatch(curve, facecolor="none", edgecolor=colour, linewidth=1.3, alpha=0.75))


def draw(axes: Axes, found: list[list[Node]]) -> None:
    """Draw all ways, in the colour of their database."""
    placed = heights(found)
    databases = sorted({way[0] for way in found}, key=lambda node: placed[node])
    drawn = set()
    for way in found:
        colour = COLOURS[databases.index(way[0]) % len(COLOURS)]
        for one, other in pairwise(way):
            if (one, other, colour) not in drawn:
                drawn.add((one, other, colour))
                line(axes, (PLACES[one[0]], placed[one]), (PLACES[other[0]], placed[other]), colour)
    for node, height in placed.items():
        name(axes, node, height)
    for place, stage in zip(PLACES, STAGES, strict=True):
        axes.text(place, -1.6, stage, ha="center", fontsize=10.5, fontweight="bold", color=INK)
    axes.set(xlim=(-0.6, PLACES[-1] + 0.5), ylim=(len(found) - 0.3, -2.2))
    axes.axis("off")


def main() -> None:
    """Draw and write."""
    found = ways(yaml.safe_load(SETTINGS.read_text(encoding="utf-8")))
    figure = Figure(figsize=(11, 8.6), layout="constrained")
    draw(figure.subplots(), found)
    with mpl.rc_context({"savefig.dpi": DPI}):
        figure.savefig(FILE, metadata={"Software": None}, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
