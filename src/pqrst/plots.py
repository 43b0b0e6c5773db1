"""The figures of one run, each as a table for DVC's page and as PNG, marked when its recordings are made up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pqrst import evaluation, figures, operating, sides
from pqrst.evaluation import Evaluation
from pqrst.figures import Example
from pqrst.opened import Opened


@dataclass(frozen=True)
class Network:
    """What one trained network said of the test recordings, what it scored, and how it learned."""

    name: str  # its folder below the run's
    labels: np.ndarray  # (recordings,) or (recordings, labels) 0/1
    probability: np.ndarray  # (recordings, classes)
    found: Evaluation
    history: pd.DataFrame  # a line an epoch; none where it was not trained in epochs
    seen: Sequence[Example] = ()  # some test rows as it sees them


@dataclass(frozen=True)
class Page:
    """Where the figures of one run go, and what stands on each."""

    folder: Path
    run: str
    synthetic: bool

    @property
    def note(self) -> str:
        return "synthetic recordings" if self.synthetic else ""

    def title(self, what: str) -> str:
        return f"{self.run}: {what}"

    def keep(self, table: pd.DataFrame, name: str) -> None:
        """Write a table for DVC's page, with the kind of recordings in a column of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        marked = table.assign(recordings="synthetic" if self.synthetic else "real")
        marked.to_csv(self.folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")


def draw(page: Page, networks: Sequence[Network], opened: Opened) -> None:
    """Draw what the first network said, how all learned, and the rows that the first learned from."""
    _draw_answers(page, networks[0], opened.bundle.meta.classes)
    _draw_learning(page, {network.name: network.history for network in networks})
    shares = sides.shares(opened.sides, opened.bundle)
    page.keep(shares, "shares")
    heading = f"{opened.bundle.meta.dataset}, split {opened.sides.told['split']}: rows by class"
    figures.shares(shares, heading, page.folder / "shares.png", page.note)


def _draw_answers(page: Page, network: Network, classes: Sequence[str]) -> None:
    for kind, curve in (("roc", evaluation.roc), ("precision_recall", evaluation.precision_recall)):
        table = curve(network.labels, network.probability, classes)
        page.keep(table, kind)
        heading = page.title(f"{kind.replace('_', ' ')}, {network.name}")
        figures.curves(table, heading, page.folder / f"{kind}.png", page.note)
    title, matrix = page.title(f"test rows, {network.name}"), network.found.confusion
    believed = operating.reliability(network.labels, network.probability, list(classes))
    page.keep(believed, "reliability")
    figures.reliability(believed, title, page.folder / "reliability.png", page.note)
    if network.seen:
        heading = page.title(f"as {network.name} sees them")
        figures.examples(network.seen, heading, page.folder / "examples.png", page.note)
    if matrix is None:
        _draw_labels(page, network, title)
    else:
        page.keep(evaluation.confusion_table(matrix, classes), "confusion")
        figures.confusion(np.array(matrix), classes, title, page.folder / "confusion.png", page.note)


def _draw_labels(page: Page, network: Network, title: str) -> None:
    """Draw what only a multi-label task has: F1 by label."""
    table = pd.DataFrame(network.found.per_class)
    page.keep(table, "labels")
    figures.bars(table, title, page.folder / "f1.png", page.note)


def _draw_learning(page: Page, histories: Mapping[str, pd.DataFrame]) -> None:
    """Draw the loss of every network, or of the first seed of some values where there are too many."""
    names = list(histories)
    shown = figures.few(names)
    drawn = {name: histories[name] for name in shown if len(histories[name])}
    if drawn:
        of_all = f", {len(shown)} of {len(names)} networks" if len(shown) < len(names) else ""
        figures.learning(drawn, page.title(f"loss{of_all}"), page.folder / "learning.png", page.note)
