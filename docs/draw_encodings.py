"""Draw docs/encodings.png: four seconds of a made-up recording, and what each encoding makes of them.

python docs/draw_encodings.py
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pqrst import catalog
from pqrst.made_up._dipole import FS, LEADS, Person, signal

FILE = Path(__file__).with_name("encodings.png")
INK, WARNING, DPI = "#33415c", "#c1440e", 100
LEAD = LEADS.index("II")
START, SAMPLES, SIZE = 1500, 2000, 160
SECONDS = SAMPLES / FS
SECOND = np.arange(SECONDS + 1)


@dataclass(frozen=True)
class Panel:
    """One picture: an encoding, its settings, what stands above and beside it."""

    name: str
    says: str
    settings: dict[str, Any] = field(default_factory=dict)
    colours: str = "viridis"
    side: str = "s"  # the unit of what runs up its side
    leads: bool = False  # all leads in one picture


PANELS = (
    Panel("lead_rows", "twelve leads, one scale", {"start": 0, "length": SAMPLES, "channels": 1, "mean": (0.0,),
          "deviation": (1.0,), "size": SIZE}, "magma", "", leads=True),
    Panel("stacked_leads", "twelve leads, each standardised", {"zscore": True}, "magma", "", leads=True),
    Panel("gramian", "summation: cos(φᵢ + φⱼ)", {"size": SIZE}, "RdBu_r"),
    Panel("gramian", "difference: sin(φᵢ − φⱼ)", {"size": SIZE, "method": "difference"}, "RdBu_r"),
    Panel("markov", "chance of a step, 8 bins", {"size": SIZE}),
    Panel("recurrence", "distance of points, dimension 3", {"size": SIZE, "dimension": 3, "delay": 4}, "viridis_r"),
    Panel("stft", "short-time Fourier, log power", {"size": SIZE}, side="Hz"),
    Panel("cwt", "Morlet wavelets, log power", {"size": SIZE}, side="Hz"),
)  # fmt: skip


def recording() -> np.ndarray:
    """Make up twelve leads in mV, (leads, samples), with a ventricular extrasystole among sinus beats."""
    person = Person(60.0, 0, {"SR": 100.0, "PVC": 100.0}, seed=2)
    return signal(person, np.random.default_rng(12))[:, START : START + SAMPLES]


def picture(panel: Panel, x: np.ndarray) -> np.ndarray:
    """Encode all leads or one, and give the picture (rows, columns)."""
    module = catalog.load("encodings", panel.name)
    leads = torch.from_numpy(x if panel.leads else x[LEAD : LEAD + 1])
    return module.encode(leads.unsqueeze(0), FS, module.Params(**panel.settings))[0, 0].numpy()


def trace(axes: Axes, x: np.ndarray) -> None:
    """Draw one lead as a line."""
    axes.plot(np.arange(SAMPLES) / FS, x[LEAD], color=INK, linewidth=1.1)
    axes.set(xlim=(0, SECONDS), xticks=SECOND)
    axes.set_ylabel("mV", labelpad=1, fontsize=8.5)
    axes.set_title(f"lead {LEADS[LEAD]}", loc="left", fontsize=11, fontweight="bold", color=INK)
    axes.set_title("a made-up recording, of no patient", loc="right", fontsize=9, color=WARNING)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=2, labelsize=7.5)


def show(axes: Axes, panel: Panel, drawn: np.ndarray) -> None:
    """Draw one picture, with seconds along it and what belongs there up its side."""
    low, high = (-1, 1) if panel.colours == "RdBu_r" else np.percentile(drawn, [1, 99.5])
    axes.imshow(drawn, cmap=panel.colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    axes.set_title(panel.name, fontsize=11, fontweight="bold", color=INK, pad=18)
    axes.text(0.5, 1.03, panel.says, transform=axes.transAxes, ha="center", fontsize=8.5, color=INK)
    rows, columns = drawn.shape
    places, labels = heights(panel)
    axes.set_yticks(places * rows - 0.5, labels)
    axes.set_xticks(along(panel) * columns - 0.5, [f"{one:g}" for one in SECOND])
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.set_ylabel(panel.side, labelpad=1, fontsize=8.5)
    axes.tick_params(length=2, labelsize=7.5)


def along(panel: Panel) -> np.ndarray:
    """Give where whole seconds lie between the left, 0, and the right, 1."""
    if panel.name != "stft":
        return SECOND / SECONDS
    window, step = 0.25, 0.02  # s, the defaults; a column stands for the middle of a window
    return (SECOND - window / 2 + step / 2) / (SECONDS - window + step)


def heights(panel: Panel) -> tuple[np.ndarray, list[str]]:
    """Give where the ticks lie between the top, 0, and the bottom, 1, and what they say."""
    leads = np.arange(len(LEADS))
    if panel.name == "lead_rows":
        return (leads * 47 / 11 + 0.5) / 48, list(
            LEADS
        )  # stretched to 48 rows, the first and the last lead at the ends
    if panel.name == "stacked_leads":
        return (leads + 0.5) / len(LEADS), list(LEADS)
    if panel.name == "cwt":
        marks = np.array([1, 2, 5, 10, 20, 40])
        return 1 - np.log(marks) / np.log(40), list(map(str, marks))
    if panel.name == "stft":
        marks = np.arange(0, 41, 10)
        return 1 - (marks + 2) / 44, list(map(str, marks))  # eleven rows of 4 Hz, around 0 to 40
    return along(panel), [f"{one:g}" for one in SECOND]


def main() -> None:
    """Draw and write."""
    x = recording()
    figure = Figure(figsize=(11, 7.8), layout="constrained")
    top, below = figure.subfigures(2, 1, height_ratios=(1, 4.2))
    trace(top.subplots(), x)
    for axes, panel in zip(below.subplots(2, 4).ravel(), PANELS, strict=True):
        show(axes, panel, picture(panel, x))
    below.supxlabel("s", fontsize=8.5)
    with mpl.rc_context({"savefig.dpi": DPI}):
        figure.savefig(FILE, metadata={"Software": None}, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
