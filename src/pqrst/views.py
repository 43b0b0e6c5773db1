"""What a person sees of one window of a recording under a trained run, and how far an explanation can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pqrst import catalog, explanations, paper, prediction
from pqrst.errors import SettingsError
from pqrst.predictors import Predictor

OCCLUDED, SMOOTHED = 0.2, 0.1  # seconds: of an occluding window, of the mean over attributions
SEED = 17
SYNTHETIC_NOTE = "a run on made-up recordings: says nothing about hearts"


@dataclass(frozen=True)
class Shown:
    """A window that is to be drawn."""

    prepared: prediction.Prepared
    window: int
    beats: Sequence[tuple[int, str]] = ()  # sample of the recording's own rate, and symbol
    fs: float = 1.0  # Hz, of those samples


def methods(predictor: Predictor) -> list[str]:
    """List the explanations that a run has: attention where its model has it, and attributions."""
    module = catalog.load("models", predictor.contract.model)
    return [*(["attention"] if hasattr(module, "attention") else []), "integrated_gradients", "occlusion"]


def explained(predictor: Predictor, rows: np.ndarray, method: str) -> np.ndarray:
    """Explain what was decided of each row, (rows, T) of mean 1."""
    if method == "attention":
        return explanations.received(predictor, rows)[:, -1]
    targets, fs = predictor.probabilities(rows).argmax(axis=1), predictor.contract.input.fs
    if method == "integrated_gradients":
        found = explanations.integrated_gradients(predictor, rows, targets)
    else:
        found = explanations.occlusion(predictor, rows, targets, round(OCCLUDED * fs))
    return explanations.over_time(found, round(SMOOTHED * fs))


def draw(predictor: Predictor, shown: Shown, folder: Path) -> list[Path]:
    """Draw a window on ECG paper, once for each explanation, and the heads of an attention network."""
    prepared = shown.prepared
    if not 0 <= shown.window < len(prepared.rows):
        raise SettingsError(f"window {shown.window} does not exist, the last is {len(prepared.rows) - 1}")
    rows, strip = prepared.rows[[shown.window]], _strip(shown)
    files = []
    for method in methods(predictor):
        values = explained(predictor, rows, method)
        words = _words(predictor, shown, method.replace("_", " "))
        files.append(folder / f"{prepared.record}-{shown.window}-{method}.png")
        paper.window(strip, words, files[-1], values[0])
        if method == "attention":
            files.append(folder / f"{prepared.record}-{shown.window}-heads.png")
            paper.heads(
                strip,
                _words(predictor, shown, "attention received"),
                explanations.received(predictor, rows)[0],
                files[-1],
            )
    return files


def _strip(shown: Shown) -> paper.Strip:
    prepared, (start, end) = shown.prepared, prediction.of_window(shown.prepared, shown.window)
    first = int(prepared.start[shown.window])
    signal = prepared.signal[:, first : first + prepared.rows.shape[2]]
    beats = [
        (round((sample / shown.fs - start) * prepared.fs), symbol)
        for sample, symbol in shown.beats
        if start <= sample / shown.fs < end
    ]
    return paper.Strip(signal, prepared.fs, tuple(prepared.leads.values()), beats, start=start)


def _words(predictor: Predictor, shown: Shown, explanation: str) -> paper.Words:
    contract = predictor.contract
    found = predictor.probabilities(shown.prepared.rows[[shown.window]])[0]
    place = int(found.argmax())
    title = f"{shown.prepared.record}, window {shown.window}: {contract.classes[place]} ({found[place]:.2f})"
    note = SYNTHETIC_NOTE if contract.provenance.get("synthetic", True) else ""
    return paper.Words(title, note, explanation)


def check(
    predictor: Predictor, recordings: Mapping[str, np.ndarray], wanted: Sequence[str], most: int
) -> dict[str, explanations.Removal]:
    """Take away the most explained tenth of windows, by each method, and by two maps that know nothing of the network.

    `recordings` gives the rows of each; at most so many windows of one, evenly spread, are judged. Where the signal is
    large, and where it is steep, are the maps that an explanation must beat to say more than that an ECG has beats.
    """
    chosen = {
        name: rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(int))] for name, rows in recordings.items()
    }
    rows = np.concatenate(list(chosen.values()))
    groups = np.repeat(list(chosen), [len(part) for part in chosen.values()])
    smooth = round(SMOOTHED * predictor.contract.input.fs)
    maps = {method: explained(predictor, rows, method) for method in wanted}
    centred = rows - np.median(rows, axis=2, keepdims=True)
    maps["size of the signal"] = explanations.over_time(centred, smooth)
    maps["slope of the signal"] = explanations.over_time(np.gradient(rows, axis=2), smooth)
    return {
        name: explanations.removal(predictor, rows, values, np.random.default_rng(SEED), groups=groups)
        for name, values in maps.items()
    }
