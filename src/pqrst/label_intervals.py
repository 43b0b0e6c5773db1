"""How far a score of several labels a row would move with other patients and other seeds, and whether two systems differ.

Patients are drawn with replacement as wholes, as in `intervals`; a row without a patient is a patient of its own. An area
under a curve is no sum over rows, so the rows of each label are ranked once, and every draw is a weight of each patient. In a
draw, a macro mean is over the labels that have rows on both sides in it. A label with fewer than ten patients on one side is
rare: with ten it is missing from one draw in 22,000, with three from one in twenty, and then the mean is over fewer labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from scipy import sparse
from scipy.special import ndtr, ndtri

from pqrst import scores
from pqrst.errors import SettingsError
from pqrst.intervals import LEVEL, REPLICATES

FEWEST_PATIENTS = 10  # on both sides of a label that is not rare
CHUNK = 100_000  # weights of patients at once, 0.8 MB: they stay near the processor
MOST_LEFT_OUT = 2000  # patients, or groups of them, that bca leaves out in turn
TOUCH = 1e-12  # round-off by which an interval may miss its point
AREAS = ("auroc_macro", "average_precision_macro", "auroc_micro", "average_precision_micro")
RATIOS = ("accuracy", "hamming_loss", "challenge_2021")  # of sums over records
KINDS = (*AREAS, *RATIOS, *scores.OF_COUNTS)
Method = Literal["percentile", "bca"]
Statistic = Callable[[np.ndarray], np.ndarray]  # of weights (patients, draws) to (draws,)


@dataclass(frozen=True)
class Interval:
    """The interval of a score, and what speaks against it."""

    low: float
    high: float
    point: float
    held: bool  # whether the point lies inside
    reason: str  # why it does not, and what else weakens the interval; empty where nothing does
    rare: int  # labels with few patients on a side
    method: str  # that was used: percentile, bca, or basic where bca is not defined


@dataclass(frozen=True)
class Comparison:
    """The difference of two systems on the same rows, and its two-sided p-value."""

    difference: Interval
    p: float


def interval(
    kind: str, labels: np.ndarray, outputs: np.ndarray, patients: np.ndarray, *, seed: int, method: Method = "bca"
) -> Interval:
    """Give the interval of a score, averaged over training seeds.

    Args:
        kind: one of `KINDS`.
        labels: 0/1, (rows, labels).
        outputs: (rows, labels), or (seeds, rows, labels): probabilities for an area, 0/1 decisions for any other kind.
        patients: the patient of each row; an empty name is nobody else.
        seed: of the draws; equal seeds draw equal patients.
        method: `percentile`, or `bca`, which corrects its bias and skewness by leaving out one patient at a time. Over many
            rare labels draws of average precision are so much better than the point that this has no end among the draws;
            they are then reflected about the point, as `basic` tells.
    """
    people = _people(patients)
    statistics = _statistics(kind, labels, outputs, people)
    values = _over_seeds(_replicates(statistics, people.shape[0], seed), seed + 1)
    return _interval(
        _whole(statistics, people), values, method, partial(_left_out, statistics, people), _rare(labels, people)
    )


def paired(
    kind: str,
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    patients: np.ndarray,
    *,
    seed: int,
    method: Method = "percentile",
) -> Comparison:
    """Hold a system against another on the same rows: the same patients drawn for both, each one's seeds by themselves.

    The p-value is twice the share of draws in which the difference has the other sign, as in `intervals.p_value`, and
    agrees with the percentile interval.
    """
    people = _people(patients)
    one, other = (_statistics(kind, labels, outputs, people) for outputs in (first, second))
    values = _replicates([*one, *other], people.shape[0], seed)
    differences = _over_seeds(values[: len(one)], seed + 1) - _over_seeds(values[len(one) :], seed + 2)

    def left_out() -> np.ndarray:
        return _left_out(one, people) - _left_out(other, people)

    point = _whole(one, people) - _whole(other, people)
    below, above = (~(differences > 0)).sum(), (~(differences < 0)).sum()  # nan, of no label, speaks for neither
    p = float(min(1.0, 2 * (min(below, above) + 1) / (len(differences) + 1)))
    return Comparison(_interval(point, differences, method, left_out, _rare(labels, people)), p)


def _people(patients: np.ndarray) -> sparse.csr_array:
    """Say which rows are whose, 0/1 (patients, rows)."""
    names = np.asarray(patients, str)
    named, patient = names != "", np.arange(len(names))
    patient[named] = len(names) + np.unique(names[named], return_inverse=True)[1]  # after those of their own
    patient = np.unique(patient, return_inverse=True)[1]
    rows = np.arange(len(names))
    return sparse.csr_array((np.ones(len(names)), (patient, rows)), shape=(patient.max() + 1, len(names)))


def _rare(labels: np.ndarray, people: sparse.csr_array) -> int:
    """Count the labels that have rows on both sides, and few patients on one."""
    truth = labels.astype(bool)
    true, false = ((people @ side.astype(float) > 0).sum(axis=0) for side in (truth, ~truth))
    return int(((true > 0) & (false > 0) & (np.minimum(true, false) < FEWEST_PATIENTS)).sum())


def _statistics(kind: str, labels: np.ndarray, outputs: np.ndarray, people: sparse.csr_array) -> list[Statistic]:
    """Prepare a score of each seed's outputs as a function of the weights of patients."""
    if kind not in KINDS:
        raise SettingsError(f"there is no interval of {kind} over patients; known: {', '.join(KINDS)}")
    prepare = _area if kind in AREAS else _ratio if kind in RATIOS else _of_counts
    return [prepare(kind, labels.astype(bool), each, people) for each in (outputs if outputs.ndim == 3 else [outputs])]


def _of_counts(kind: str, truth: np.ndarray, decided: np.ndarray, people: sparse.csr_array) -> Statistic:
    weight = scores.record_weights(truth) if kind in scores.WEIGHTED else np.ones(len(truth))
    counts = [people @ (weight[:, None] * cell) for cell in scores.cells(truth, decided)]  # each (patients, labels)
    return lambda weights: scores.OF_COUNTS[kind](scores.Counts(*(weights.T @ count for count in counts)))


def _ratio(kind: str, truth: np.ndarray, decided: np.ndarray, people: sparse.csr_array) -> Statistic:
    wrong = truth != decided.astype(bool)
    if kind == "challenge_2021":
        terms = scores.challenge_terms(truth, decided)  # (rows, 2): part and whole
    else:
        part = wrong.mean(axis=1) if kind == "hamming_loss" else ~wrong.any(axis=1)
        terms = np.stack([part, np.ones(len(part))], axis=1)
    sums = people @ terms
    return lambda weights: scores.share(weights.T @ sums[:, 0], weights.T @ sums[:, 1])


@dataclass(frozen=True)
class Ranking:
    """The rows of one label from the likeliest down, in groups of equal probability that hold a true row, by patient."""

    true: sparse.csr_array  # (groups, patients) true rows of the group
    false: sparse.csr_array  # false rows of the group, and those between it and the group before
    tied: sparse.csr_array  # false rows of the group itself
    all_false: np.ndarray  # (patients,)


def _rank(truth: np.ndarray, probability: np.ndarray, patient: np.ndarray, n_patients: int) -> Ranking:
    group = np.unique(-probability, return_inverse=True)[1]  # (rows,) from the likeliest down
    heads = np.unique(group[truth])
    place = np.searchsorted(heads, group)  # (rows,) the first such group not above the row; none below the last
    ranked, tied = place < len(heads), np.isin(group, heads)

    def summed(chosen: np.ndarray) -> sparse.csr_array:
        ones = np.ones(chosen.sum())
        return sparse.csr_array((ones, (place[chosen], patient[chosen])), shape=(len(heads), n_patients))

    all_false = np.bincount(patient[~truth], minlength=n_patients).astype(float)
    return Ranking(summed(truth), summed(~truth & ranked), summed(~truth & tied), all_false)


def auroc(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    """Give the area under the ROC curve of weighted patients, (draws,): true over false rows, a tie counting half."""
    true = ranking.true @ weights  # (groups, draws)
    above = np.cumsum(ranking.false @ weights, axis=0)
    if ranking.tied.nnz:
        above -= (ranking.tied @ weights) / 2
    pairs = true.sum(axis=0) * (ranking.all_false @ weights)
    return 1 - _defined(np.einsum("gd,gd->d", true, above), pairs)


def average_precision(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    """Give the area under the precision-recall curve of weighted patients, (draws,): precision at each true row, averaged."""
    true = ranking.true @ weights  # (groups, draws)
    found, wrong = np.cumsum(true, axis=0), np.cumsum(ranking.false @ weights, axis=0)
    precision = scores.share(found, found + wrong)
    both = np.where(ranking.all_false @ weights > 0, found[-1], 0)
    return _defined((true * precision).sum(axis=0), both)


def _defined(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _area(kind: str, truth: np.ndarray, probabilities: np.ndarray, people: sparse.csr_array) -> Statistic:
    patient = people.T.tocsr().indices  # (rows,)
    area = auroc if kind.startswith("auroc") else average_precision
    if kind.endswith("micro"):
        truth, probabilities = truth.reshape(-1, 1), probabilities.reshape(-1, 1)
        patient = np.repeat(patient, len(truth) // len(patient))
    both = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
    rankings = [_rank(truth[:, c], probabilities[:, c], patient, people.shape[0]) for c in both]
    return lambda weights: _mean([area(ranking, weights) for ranking in rankings], weights.shape[1])


def _mean(values: Sequence[np.ndarray], draws: int) -> np.ndarray:
    """Average over the labels that are defined in each draw; nan where none is."""
    found = np.array(values).reshape(len(values), draws)  # (labels, draws)
    known = ~np.isnan(found)
    return _defined(np.where(known, found, 0).sum(axis=0), known.sum(axis=0))


def _replicates(statistics: Sequence[Statistic], n_patients: int, seed: int) -> np.ndarray:
    """Score the same draws of patients by every statistic, (statistics, replicates)."""
    rng, parts, left = np.random.default_rng(seed), [], REPLICATES
    while left:
        draws = min(left, max(1, CHUNK // n_patients))
        place = rng.integers(n_patients, size=(draws, n_patients)) * draws + np.arange(draws)[:, None]
        weights = np.bincount(place.ravel(), minlength=n_patients * draws).reshape(n_patients, draws).astype(np.float64)
        parts.append([statistic(weights) for statistic in statistics])
        left -= draws
    return np.concatenate(parts, axis=1)


def _over_seeds(values: np.ndarray, seed: int) -> np.ndarray:
    """Average each replicate over as many seeds as there are, drawn with replacement, (replicates,)."""
    drawn = np.random.default_rng(seed).integers(len(values), size=values.shape[::-1])  # (replicates, seeds)
    return np.take_along_axis(values, drawn.T, axis=0).mean(axis=0)


def _whole(statistics: Sequence[Statistic], people: sparse.csr_array) -> float:
    """Give the score of all rows as they are, averaged over seeds."""
    once = np.ones((people.shape[0], 1))
    return float(np.mean([statistic(once)[0] for statistic in statistics]))


def _left_out(statistics: Sequence[Statistic], people: sparse.csr_array) -> np.ndarray:
    """Score all patients but one, for each of them, averaged over seeds, (patients,); of very many, all but each group.

    Skewness over groups and their number make the same acceleration as over patients, and cost less.
    """
    total, parts = people.shape[0], []
    group = np.arange(total) % MOST_LEFT_OUT
    for some in np.array_split(np.unique(group), total * group.max() // CHUNK + 1):
        weights = (group[:, None] != some).astype(np.float64)  # (patients, groups)
        parts.append(np.mean([statistic(weights) for statistic in statistics], axis=0))
    return np.concatenate(parts)


def _interval(
    point: float, values: np.ndarray, method: Method, left_out: Callable[[], np.ndarray], rare: int
) -> Interval:
    """Cut the replicates at two quantiles, and say what is wrong with them."""
    known = values[~np.isnan(values)]
    if np.isnan(point) or not len(known):
        return Interval(np.nan, np.nan, point, False, "no label has rows on both sides", rare, method)
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    corrected = _corrected(tails, point, known, left_out()) if method == "bca" else tails
    ends = np.quantile(known, tails if corrected is None else corrected)
    low, high = map(float, ends if corrected is not None else 2 * point - ends[::-1])
    held = low - TOUCH <= point <= high + TOUCH
    reasons = [
        _dropped(len(values) - len(known)),
        "all draws are alike: they say nothing of other patients" if np.ptp(known) <= TOUCH else "",
        ""
        if corrected is not None
        else "the draws are biased too far for bca; they are reflected about the point instead",
        "" if method == "bca" and corrected is not None and held else _biased(point, known, rare),
    ]
    used = "basic" if corrected is None else method
    return Interval(low, high, point, held, "; ".join(filter(None, reasons)), rare, used)


def _dropped(draws: int) -> str:
    return f"{draws:,} of {REPLICATES:,} draws have no label with rows on both sides and are dropped" if draws else ""


def _biased(point: float, known: np.ndarray, rare: int) -> str:
    """Tell of a bias above a quarter of the spread, a common rule for one that may be passed over."""
    bias = known.mean() - point
    if abs(bias) <= max(known.std() / 4, TOUCH):
        return ""
    few = f": {rare} rare labels are missing from some draws, or their few patients drawn twice" if rare else ""
    return f"the draws are biased, their mean lies {bias:+.4f} from the point{few}"


def _corrected(tails: np.ndarray, point: float, known: np.ndarray, left_out: np.ndarray) -> np.ndarray | None:
    """Move the tails by the bias of the draws and by the skewness over patients; nothing where that leads beyond the draws.

    Source: Efron, Better bootstrap confidence intervals, J Am Stat Assoc 82, 1987.
    """
    below = (known < point - TOUCH).mean() + (np.abs(known - point) <= TOUCH).mean() / 2
    if not 0 < below < 1:
        return None
    bias, kept = ndtri(below), left_out[~np.isnan(left_out)]
    away = kept.sum() / max(len(kept), 1) - kept
    spread = 6 * (away**2).sum() ** 1.5
    acceleration = (away**3).sum() / spread if spread > 0 else 0.0
    normal = bias + ndtri(tails)
    moved = np.asarray(ndtr(bias + normal / (1 - acceleration * normal)))
    return moved if 1 / len(known) <= moved.min() and moved.max() <= 1 - 1 / len(known) else None
