"""From logits to probabilities and decisions: the only place where a softmax or a sigmoid is taken."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax

from pqrst import challenge
from pqrst.errors import SettingsError

THRESHOLD = 0.5  # of each label of a multi-label task that has none of its own
By = Literal["youden", "f1", "challenge"]  # what thresholds are chosen for
ROUNDS, NOTHING = 100, 1e-9  # of the ascent at most, and a gain of the summed Challenge score that is round-off
COLDEST, HOTTEST = 0.05, 20.0  # temperatures; rows that are told apart without a mistake would ask for 0


@dataclass(frozen=True)
class Calibration:
    """The temperature that logits are divided by, so that of rows said to be right at 80 % four in five are.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.
    """

    temperature: float = 1.0
    fitted_on: str = "nothing"
    rows: int = 0  # recordings, where rows are pieces of them


def probabilities(logits: np.ndarray, task: str, temperature: float = 1.0) -> np.ndarray:
    """Turn logits into probabilities, float32 (rows, classes)."""
    warm = logits / temperature
    return (softmax(warm, axis=1) if task == "single" else expit(warm)).astype(np.float32)


def decide(probability: np.ndarray, task: str, thresholds: tuple[float, ...] = ()) -> np.ndarray:
    """Decide: the likeliest class (rows,), or each label above its threshold, 0/1 (rows, classes)."""
    if task == "single":
        return probability.argmax(axis=1)
    return (probability >= np.array(thresholds or THRESHOLD, np.float32)).astype(np.int8)


def by_recording(probability: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Give each recording one answer, the mean over its rows: (rows, classes) to float32 (recordings, classes).

    `which` numbers the recording of each row, from 0 on.
    """
    total = np.zeros((which.max() + 1, probability.shape[1]))
    np.add.at(total, which, probability)
    return (total / np.bincount(which)[:, None]).astype(np.float32)


def calibrate(logits: np.ndarray, labels: np.ndarray, which: np.ndarray, task: str, fitted_on: str) -> Calibration:
    """Find the temperature of the least cross-entropy of recordings' answers, from the logits of their rows.

    `which` numbers the recording of each row, from 0 on; `labels` are (recordings,), or (recordings, labels) 0/1.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 (costs half a second, and only training fits)

    logits, truth = logits.astype(np.float64), labels[which]

    def cross_entropy(log_temperature: float) -> float:
        warm = logits / np.exp(log_temperature)
        if task == "single":
            of_truth = log_softmax(warm, axis=1)[np.arange(len(truth)), truth]
        else:
            of_truth = log_expit(np.where(truth, warm, -warm))
        return -float(_log_mean(of_truth, which).mean())

    found = minimize_scalar(cross_entropy, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return Calibration(round(float(np.exp(found.x)), 6), fitted_on, len(labels))


def _log_mean(logs: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Give the logarithm of the mean over each recording's rows, of numbers given by their logarithms."""
    shape = (which.max() + 1, *logs.shape[1:])
    most, total = np.full(shape, -np.inf), np.zeros(shape)
    np.maximum.at(most, which, logs)
    np.add.at(total, which, np.exp(logs - most[which]))
    return most + np.log(total / np.bincount(which).reshape(-1, *[1] * (logs.ndim - 1)))


def fit_thresholds(probability: np.ndarray, labels: np.ndarray, by: By) -> tuple[float, ...]:
    """Choose the threshold of each label, by (rows, labels) of both: a claim is a probability from it on (≥).

    `youden` takes the largest sensitivity + specificity - 1 and `f1` the largest F1 of each label by itself; `challenge`
    climbs from those of `f1` to a maximum of the Challenge's score, one label after the other, trying every threshold. Of
    thresholds that are equally good the highest is taken; the climb leaves a threshold where nothing is better. A label
    whose rows are all on one side keeps 0.5.
    """
    truth = labels.astype(bool)
    if by == "challenge" and truth.shape[1] != len(challenge.CLASSES):
        raise SettingsError(
            f"thresholds by the Challenge's score are of its {len(challenge.CLASSES)} labels, and this task has "
            f"{truth.shape[1]}; set train.thresholds to youden or f1"
        )
    columns = {
        c: _cuts(probability[:, c].astype(np.float32))
        for c in range(truth.shape[1])
        if 0 < truth[:, c].sum() < len(truth)
    }
    chosen = np.full(truth.shape[1], THRESHOLD, np.float32)
    for c, cuts in columns.items():
        worth = _youden if by == "youden" else _f1
        chosen[c] = cuts.thresholds[worth(cuts, truth[:, c]).argmax()]
    if by == "challenge":
        chosen = _climb(probability.astype(np.float32), truth, columns, chosen)
    return tuple(float(threshold) for threshold in chosen)


@dataclass(frozen=True)
class Cuts:
    """Every way to divide rows by a threshold, from the one that claims none of them down to the one that claims all."""

    order: np.ndarray  # (rows,) from the likeliest down
    claimed: np.ndarray  # (cuts,) how many of them stand above
    thresholds: np.ndarray  # (cuts,) float32, halfway between two rows: round-off flips neither


def _cuts(probability: np.ndarray) -> Cuts:
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    claimed = np.append(np.flatnonzero(np.diff(falling, prepend=np.inf)), len(falling))
    top = np.maximum(np.float32(1), np.nextafter(falling[0], np.float32(2)))
    over = np.append(top, falling)[claimed]  # the last row claimed, or 1
    under = np.append(falling, np.float32(0))[claimed]  # the first row that is not, or 0
    middle = (under + over) / np.float32(2)
    return Cuts(order, claimed, np.where(middle > under, middle, over))  # the middle of neighbours may round down


def _hits(cuts: Cuts, truth: np.ndarray) -> np.ndarray:
    """Count the true rows among those claimed, (cuts,)."""
    return np.append(0, np.cumsum(truth[cuts.order]))[cuts.claimed]


def _youden(cuts: Cuts, truth: np.ndarray) -> np.ndarray:
    """Give sensitivity + specificity - 1 in whole numbers, times true and false rows, so that what is equal ties."""
    hits, true = _hits(cuts, truth), int(truth.sum())
    return hits * (len(truth) - true) - (cuts.claimed - hits) * true


def _f1(cuts: Cuts, truth: np.ndarray) -> np.ndarray:
    return 2 * _hits(cuts, truth) / (cuts.claimed + truth.sum())


def _climb(probability: np.ndarray, truth: np.ndarray, columns: dict[int, Cuts], thresholds: np.ndarray) -> np.ndarray:
    """Climb to thresholds that no change of a single one betters."""
    worth = truth @ challenge.weights()  # (rows, labels) of a claim, before the record's classes share it
    chosen, said = thresholds.copy(), probability >= thresholds
    for _ in range(ROUNDS):
        moved = False
        for c, cuts in columns.items():
            better = _better(said, truth, worth, c, cuts)
            if better is not None:
                chosen[c], moved = better, True
                said[:, c] = probability[:, c] >= better
        if not moved:
            break
    return chosen


def _better(said: np.ndarray, truth: np.ndarray, worth: np.ndarray, c: int, cuts: Cuts) -> np.float32 | None:
    """Give the best threshold of one label while the others stay, or nothing where its claims are as good as any."""
    others = said.copy()
    others[:, c] = False
    earned, classes = (
        (worth * others).sum(axis=1),
        (truth | others).sum(axis=1),
    )  # (rows,) without a claim of this label
    with_claim = (earned + worth[:, c]) / np.maximum(classes + ~truth[:, c], 1)
    gain = with_claim - earned / np.maximum(classes, 1)
    total = np.append(0, np.cumsum(gain[cuts.order]))[cuts.claimed]  # (cuts,) above claiming it nowhere
    if total.max() <= gain[said[:, c]].sum() + NOTHING:
        return None
    return cuts.thresholds[np.argmax(total >= total.max() - NOTHING)]
