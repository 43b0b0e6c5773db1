"""The leads, one below the other, as the rows of a picture with one channel; time runs along its columns.

The plainest picture of a signal: nothing is scaled to 0–255, and no mean of ImageNet's is taken off. With `zscore` each lead
is brought to mean 0 and deviation 1 over the stretch that is drawn, a flat one to 0; else amplitudes stay as they are, in mV of
a signal in mV. With `size` 0 there is one row a lead and one column a sample; otherwise the picture is `size` × `size`,
averages where there are more rows or columns, straight lines where there are fewer. All of this is ours; the published
picture of the same kind is encodings.lead_rows.

>>> shape((12, 5000), Params())
(1, 12, 5000)
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from pqrst.encodings._matrix import cut, floating, resize, root, samples
from pqrst.parsing import Between

SMALLEST_DEVIATION = 1e-8  # in the signal's unit: keeps a flat lead finite


@dataclass(frozen=True)
class Params:
    """The stretch of time in samples (length 0: to the end), the picture's side (0: leads × samples), and standardisation."""

    start: Annotated[int, Between(0)] = 0
    length: Annotated[int, Between(0)] = 0
    size: Annotated[int, Between(0)] = 0
    zscore: bool = False


def shape(in_shape: tuple[int, int], p: Params) -> tuple[int, int, int]:
    """Give the shape of the picture of a signal (leads, samples)."""
    found = samples(in_shape, p.start, p.length, "encodings.stacked_leads")
    return (1, p.size, p.size) if p.size else (1, in_shape[0], found)


def encode(signals: Tensor, fs: float, p: Params) -> Tensor:  # noqa: ARG001 (all encodings alike; this one counts samples)
    """Draw signals (n, leads, T) as pictures (n, 1, leads or size, samples or size)."""
    shape((signals.shape[1], signals.shape[2]), p)
    x = cut(floating(signals), p.start, p.length)  # (n, leads, length)
    x = standardised(x) if p.zscore else x
    return (resize(x, p.size) if p.size else x).unsqueeze(1).to(torch.float32)


def standardised(x: Tensor) -> Tensor:
    """Bring the last axis to mean 0 and deviation 1."""
    x = x - x[..., :1]  # first, so that a flat lead is 0 to the last bit
    x = x - x.mean(dim=-1, keepdim=True)
    return x / root(x.square().mean(dim=-1, keepdim=True)).clamp(min=SMALLEST_DEVIATION)
