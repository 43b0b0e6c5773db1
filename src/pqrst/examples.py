"""Test rows as a trained run sees them: the surest right answer and the surest wrong one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pqrst.arrays import Bundle, take
from pqrst.figures import Example
from pqrst.predictors import NetworkPredictor, Predictor

MOST_WORDS = 3  # labels that are named of a row with many


def chosen(labels: np.ndarray, probability: np.ndarray, decided: np.ndarray) -> list[int]:
    """Choose, by place, the right answer that was surest and the wrong one that was; only one where there is no other."""
    several = labels.ndim > 1
    right = (decided == labels).all(axis=1) if several else decided == labels
    sure = np.abs(probability - 0.5).mean(axis=1) if several else probability.max(axis=1)
    found = [np.flatnonzero(right), np.flatnonzero(~right)]
    return [int(places[sure[places].argmax()]) for places in found if len(places)]


def words(found: tuple[np.ndarray, np.ndarray, np.ndarray], classes: Sequence[str]) -> str:
    """Say what a row is and what was said of it, from its label, its probabilities and what was decided."""
    label, probability, decided = found
    if np.ndim(label) == 0:
        verdict = "right" if label == decided else "wrong"
        return f"{verdict}: is {classes[int(label)]}, said {classes[int(decided)]} ({probability[int(decided)]:.2f})"
    verdict = "right" if (label == decided).all() else "wrong"
    return f"{verdict}: is {_named(label, classes)}, said {_named(decided, classes)}"


def _named(flags: np.ndarray, classes: Sequence[str]) -> str:
    names = [name for name, flag in zip(classes, flags, strict=True) if flag]
    more = f" and {len(names) - MOST_WORDS} more" if len(names) > MOST_WORDS else ""
    return ", ".join(names[:MOST_WORDS]) + more or "none"


def seen(predictor: Predictor, bundle: Bundle, rows: np.ndarray, told: Sequence[str]) -> list[Example]:
    """Bring rows of a Bundle to what the run sees of them."""
    with torch.inference_mode():
        prepared = predictor.contract.prepared(torch.from_numpy(take(bundle.x, rows).astype(np.float32)))
        pictures = _pictures(predictor, prepared)
    return [
        Example(said, row.numpy(), None if pictures is None else pictures[place])
        for place, (said, row) in enumerate(zip(told, prepared, strict=True))
    ]


def _pictures(predictor: Predictor, prepared: torch.Tensor) -> np.ndarray | None:
    """Draw what a network draws of its rows before the model, where it draws pictures."""
    if not isinstance(predictor, NetworkPredictor) or not hasattr(predictor.model, "prepared"):
        return None
    network: Any = predictor.model
    drawn: torch.Tensor = network.prepared(prepared.to(next(network.parameters()).device))
    return drawn.float().cpu().numpy() if drawn.ndim == 4 else None
