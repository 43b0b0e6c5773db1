"""Why a trained network decided so: the attention that time receives, attributions, and a check that takes that time away.

Rows go in as the contract of the run names them, arrays come out. Attention says where a network looked, not what decided;
`removal` measures for any explanation whether the time that it names matters more to the network than time at random.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pqrst import catalog, treatment
from pqrst.errors import DataError, SettingsError
from pqrst.inference import pooled
from pqrst.intervals import LEVEL, REPLICATES
from pqrst.predictors import NetworkPredictor, Predictor
from pqrst.standardisation import standardise

MAPS_AT_ONCE = 1  # rows whose maps are held: 8 heads over 900 steps are 26 MB a row, and more at once are no faster
ROWS_AT_ONCE, COPIES_AT_ONCE = 4, 64  # rows that are explained together, and altered copies of them in one forward pass
REMOVED_AT_ONCE = 256
DRAWS = 4  # placements at random of each row's segments


@dataclass(frozen=True)
class Removal:
    """What straight lines in place of a share of the time do to the predicted class: drop of its probability, changed decisions."""

    rows: int
    groups: int  # such as patients, that the interval is over
    share: float
    segment_samples: float  # mean length of what was replaced where the explanation is highest
    most_drop: float
    most_changed: float
    random_drop: float  # the same segments, elsewhere
    random_changed: float
    least_drop: float
    least_changed: float
    difference: float  # of the drops, most less random
    low: float  # its 95 % interval; nan for a single group
    high: float


def received(predictor: Predictor, rows: np.ndarray) -> np.ndarray:
    """Give the attention that each sample receives, (rows, heads + 1, T), mean 1; the average over heads comes last."""
    return stretch(received_by_step(predictor, rows), rows.shape[-1])


def received_by_step(predictor: Predictor, rows: np.ndarray) -> np.ndarray:
    """Give the attention that each step receives from all steps, float32 (rows, heads + 1, steps), mean 1."""
    network = _network(predictor, rows)
    module = catalog.load("models", network.contract.model)
    if not hasattr(module, "attention"):
        raise DataError(
            f"run {network.contract.run}: model {network.contract.model} has no attention to show; "
            "use integrated_gradients or occlusion, which explain any network"
        )
    if network.contract.crop.starts(rows.shape[-1]):
        raise DataError(
            f"run {network.contract.run} decides by crops of {network.contract.crop.samples} samples, each with a map of its "
            "own; use integrated_gradients or occlusion, which explain the whole"
        )
    parts = []
    with _evaluating(network.model), torch.inference_mode():
        for part in _chunks(len(rows), MAPS_AT_ONCE):
            maps = module.attention(network.model, network.contract.prepared(network.tensor(rows[part])))
            by_head = maps.mean(2) * maps.shape[3]  # (B, heads, steps, steps) → (B, heads, steps)
            parts.append(torch.cat([by_head, by_head.mean(1, keepdim=True)], 1).float().cpu().numpy())
    return np.concatenate(parts)


def stretch(values: np.ndarray, samples: int) -> np.ndarray:
    """Repeat positive values by step over the samples that a step stands for, (..., steps) to (..., T), with the same mean."""
    steps = values.shape[-1]
    out = values[..., np.arange(samples) * steps // samples]
    return out * (values.mean(-1, keepdims=True) / out.mean(-1, keepdims=True))


def integrated_gradients(
    predictor: Predictor, rows: np.ndarray, targets: np.ndarray, steps: int = 32, side: np.ndarray | None = None
) -> np.ndarray:
    """Share out what the log-odds of each row's target class gain over a flat line, float32 (rows, leads, T).

    The flat line is each lead's mean. The numbers of the standardisation stay those of the row: on the way from a flat
    line a standardisation by row would undo every scaling, and leave no gradient. The numbers beside the rows stay too.
    """
    from captum.attr import IntegratedGradients  # noqa: PLC0415 (costs a second)

    network = _network(predictor, rows)
    method = IntegratedGradients(_log_odds(network))

    def explain(x: Tensor, *beside: Tensor) -> Tensor:
        prepared = network.contract.prepared(x)
        flat = prepared.mean(2, keepdim=True).expand_as(prepared)
        return method.attribute(
            prepared, flat, additional_forward_args=beside, n_steps=steps, internal_batch_size=COPIES_AT_ONCE
        )

    return _explained(network, rows, (targets, side), explain)


def occlusion(
    predictor: Predictor, rows: np.ndarray, targets: np.ndarray, window_samples: int, *, by_lead: bool = False,
    side: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Measure what the log-odds of each row's target class lose where a window is flat, float32 (rows, leads, T).

    The window goes on by half its length, and a sample gets the mean over the windows that hold it. It lies over one lead
    or over all, at each lead's mean. The altered row is standardised anew, as a recording that came in like that.
    """
    from captum.attr import Occlusion  # noqa: PLC0415 (costs a second)

    network = _network(predictor, rows)
    leads, samples = rows.shape[1:]
    if not 1 <= window_samples <= samples:
        raise SettingsError(f"window_samples must lie from 1 to the {samples} samples of a row, got {window_samples}")
    score = _log_odds(network)
    method = Occlusion(lambda x, *beside: score(network.contract.prepared(x), *beside))
    height = 1 if by_lead else leads

    def explain(x: Tensor, *beside: Tensor) -> Tensor:
        flat = x.mean(2, keepdim=True).expand_as(x)
        with torch.no_grad():
            return method.attribute(
                x, (height, window_samples), (height, max(1, window_samples // 2)), flat,
                additional_forward_args=beside, perturbations_per_eval=max(1, COPIES_AT_ONCE // len(x)),
            )  # fmt: skip

    return _explained(network, rows, (targets, side), explain)


def over_time(attributions: np.ndarray, smooth_samples: int = 1) -> np.ndarray:
    """Add the sizes of attributions over the leads, (rows, leads, T) to (rows, T), smooth them, and bring their mean to 1."""
    sizes = np.abs(attributions.astype(np.float64)).sum(1)
    samples = sizes.shape[1]
    total = np.concatenate([np.zeros((len(sizes), 1)), sizes.cumsum(1)], 1)
    first = np.arange(samples) - smooth_samples // 2
    low, high = first.clip(0), (first + smooth_samples).clip(max=samples)
    smooth = np.maximum((total[:, high] - total[:, low]) / (high - low), 0)
    mean = smooth.mean(1, keepdims=True)
    return np.divide(smooth, mean, out=np.zeros_like(smooth), where=mean > 0)


def removal(
    predictor: Predictor, rows: np.ndarray, explanation: np.ndarray, rng: np.random.Generator, *, share: float = 0.1,
    side: np.ndarray | None = None, groups: np.ndarray | None = None, lengths: np.ndarray | None = None,
) -> Removal:  # fmt: skip
    """Replace the most explained share of each row's time by straight lines, and compare with random and with least.

    The explanation, (rows, T), is higher where time matters more. `groups` is the patient of each row, drawn as wholes
    for the interval; `lengths` are the samples of each row that hold signal, where the rest is padding.
    """
    ends = np.full(len(rows), rows.shape[2]) if lengths is None else lengths
    _check_removal(rows, explanation, ends, share)
    effects, replaced, segments = [], 0, 0
    for part in _chunks(len(rows), REMOVED_AT_ONCE):
        masks = np.stack([
            _masks(values, end, share, rng) for values, end in zip(explanation[part], ends[part], strict=True)
        ], axis=1)  # fmt: skip
        replaced, segments = replaced + masks[0].sum(), segments + _starts(masks[0]).sum()
        effects.append(_effects(predictor, rows[part], masks, None if side is None else side[part]))
    drops, changed = np.concatenate(effects, axis=2)  # each (ways, rows)
    difference = drops[0] - drops[2:].mean(0)
    members = np.arange(len(rows)) if groups is None else groups
    low, high = _interval(difference, members, rng)
    return Removal(
        rows=len(rows), groups=len(np.unique(members)), share=share, segment_samples=float(replaced / segments),
        most_drop=float(drops[0].mean()), most_changed=float(changed[0].mean()),
        random_drop=float(drops[2:].mean()), random_changed=float(changed[2:].mean()),
        least_drop=float(drops[1].mean()), least_changed=float(changed[1].mean()),
        difference=float(difference.mean()), low=low, high=high,
    )  # fmt: skip


def _network(predictor: Predictor, rows: np.ndarray) -> NetworkPredictor:
    """Refuse what is no network over signals, and rows of another shape."""
    told, shape = predictor.contract, predictor.contract.input.shape
    if not isinstance(predictor, NetworkPredictor):
        raise DataError(f"run {told.run}: {told.model} is no network; explanations are of networks over signals")
    if len(shape) != 2:
        raise DataError(f"run {told.run}: {told.model} sees images {shape}; explanations are of networks over signals")
    if rows.shape[1:] != shape:
        raise DataError(f"run {told.run} takes rows of shape {shape}, got {rows.shape[1:]}")
    return predictor


def _chunks(rows: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, rows, size))


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and every part of it back as it was."""
    before = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


def _log_odds(network: NetworkPredictor) -> Callable[..., Tensor]:
    """Make a function of prepared rows, classes and side: ln p/(1 − p) of each row's class, which never saturates."""

    def score(x: Tensor, targets: Tensor, *side: Tensor) -> Tensor:
        logits = pooled(network.model, (x, *side), network.contract.crop)
        own = logits.gather(1, targets[:, None])
        if network.contract.task == "multi":
            return own[:, 0]
        return own[:, 0] - logits.scatter(1, targets[:, None], -torch.inf).logsumexp(1)

    return score


def _explained(
    network: NetworkPredictor, rows: np.ndarray, given: tuple[np.ndarray, np.ndarray | None], explain: Callable[..., Tensor]
) -> np.ndarray:  # fmt: skip
    """Explain a few rows at a time, with the classes and side that are given for them."""
    told, (targets, side) = network.contract, given
    if np.shape(targets) != (len(rows),) or not all(0 <= t < len(told.classes) for t in targets):
        raise DataError(f"run {told.run}: targets are one class index a row, from 0 to {len(told.classes) - 1}")
    beside = [torch.from_numpy(np.asarray(targets, np.int64)).to(next(network.model.parameters()).device)]
    if told.side:
        chosen = network.tensor(treatment.beside(side, told.input.side, told.side))
        beside.append(standardise(chosen, told.standardise_side))
    parts = []
    with _evaluating(network.model):
        for part in _chunks(len(rows), ROWS_AT_ONCE):
            found = explain(network.tensor(rows[part]), *(values[part] for values in beside))
            parts.append(found.detach().float().cpu().numpy())
    return np.concatenate(parts)


def _check_removal(rows: np.ndarray, explanation: np.ndarray, ends: np.ndarray, share: float) -> None:
    if not 0 < share < 1:
        raise SettingsError(f"share must lie between 0 and 1, got {share}")
    if explanation.shape != (len(rows), rows.shape[2]) or not np.isfinite(explanation).all():
        raise DataError(
            f"an explanation is one number a row and sample, {(len(rows), rows.shape[2])}, got {explanation.shape}"
        )
    if not len(rows) or not ((np.asarray(ends) > 1) & (np.asarray(ends) <= rows.shape[2])).all():
        raise DataError("removal needs rows that hold at least two samples")


def _masks(values: np.ndarray, end: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Choose samples of one row to replace, (2 + draws, T): where values are highest, where lowest, and at random."""
    count = min(max(1, round(share * end)), end - 1)
    # equal values: no place comes first everywhere, and neighbours stay together
    order = np.lexsort(((np.arange(end) - rng.integers(end)) % end, values[:end]))
    masks = np.zeros((2 + DRAWS, len(values)), bool)
    masks[0, order[-count:]] = masks[1, order[:count]] = True
    starts = np.flatnonzero(_starts(masks[0]))
    lengths = np.diff(np.searchsorted(np.flatnonzero(masks[0]), starts), append=count)
    for mask in masks[2:]:
        mixed = rng.permutation(lengths)
        # as many free samples lie before a segment as its slot says, at least one between two
        slots = np.sort(rng.choice(end - count + 1, len(mixed), replace=False))
        first = np.repeat(slots, mixed)
        mask[first + np.arange(count)] = True
    return masks


def _starts(mask: np.ndarray) -> np.ndarray:
    """Mark the first sample of each segment, (..., T)."""
    return mask & ~np.concatenate([np.zeros_like(mask[..., :1]), mask[..., :-1]], -1)


def _bridged(row: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Draw a straight line over each masked segment of a row, (leads, T), between the samples beside it."""
    replaced, kept = np.flatnonzero(mask), np.flatnonzero(~mask)
    out = row.astype(np.float32)
    for lead in out:
        lead[replaced] = np.interp(replaced, kept, lead[kept])
    return out


def _effects(predictor: Predictor, rows: np.ndarray, masks: np.ndarray, side: np.ndarray | None) -> np.ndarray:
    """Give the drop of the predicted class's probability and whether the decision changed, (2, ways, rows)."""
    before = predictor.probabilities(rows, side)
    decided, place = predictor.decide(before), (np.arange(len(rows)), before.argmax(1))
    effects = np.empty((2, *masks.shape[:2]))
    for way, mask in enumerate(masks):
        altered = np.stack([_bridged(row, chosen) for row, chosen in zip(rows, mask, strict=True)])
        after = predictor.probabilities(altered, side)
        effects[0, way] = before[place] - after[place]
        effects[1, way] = (predictor.decide(after) != decided).reshape(len(rows), -1).any(1)
    return effects


def _interval(difference: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Bootstrap the mean of paired differences, groups drawn with replacement as wholes."""
    names, place = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    total, count = np.bincount(place, difference), np.bincount(place)
    drawn = (rng.multinomial(len(names), np.full(len(names), 1 / len(names))) for _ in range(REPLICATES))
    means = [(weight @ total) / (weight @ count) for weight in drawn]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
