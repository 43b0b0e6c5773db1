"""Rhythm CNN: a small network over a beat with its surroundings, and a smaller one over its rhythm, for patients never seen.

The first two classes must be normal (N) and supraventricular (S). They look alike and differ in their time, so the rhythm
alone decides between them; the signal, with the shape and rhythm columns beside it, decides between the two together and
the other classes. A network that may use everything for everything learns the shapes of the train patients' S beats.

Layers: four convolutions, each with batch norm, ReLU and max-pool 2; average in some five parts; dropout; linear 16.
With the shape columns: linear 32, dropout, linear →classes − 1. Rhythm columns: linear 16, tanh, linear 1.

Ours; the idea of deciding S by rhythm is as old as de Chazal et al., IEEE Trans Biomed Eng 51(7), 2004.

>>> sum(w.numel() for w in build((2, 240), 4, Params()).parameters())
13364
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.errors import SettingsError
from pqrst.models._blocks import Dropout, Rate, Size, check_filled, check_odd, check_signal, convolution

ACCEPTS = "signal"
RHYTHM = (
    "before_over_q75_usual", "before_over_q95_usual", "before_over_q75_all", "before_over_q90_all", "before_over_mean_10",
    "before_over_q80_60", "before_over_after", "disorder_30", "disorder_around", "p_0_like_late", "p_0_like_late_past", "p_0_off_late",
)  # fmt: skip
SHAPE = (
    "after_over_mean_10", "width_0", "width_1", "width_0_less_past", "width_1_less_past", "size_0_over_past",
    "size_1_over_past", "net_0", "net_1", "t_0", "qrs_0_like_past", "qrs_1_like_past", "qrs_0_like_late", "qrs_1_like_late",
    "p_1_like_late", "p_1_off_late",
)  # fmt: skip
SIDE = (*RHYTHM, *SHAPE)
PARTS = 5  # of the window, averaged one by one


@dataclass(frozen=True)
class Params:
    """The widths of the convolutions, their kernel in samples, and the dropout of each part."""

    widths: tuple[Size, ...] = (16, 16, 32, 32)
    kernel: Size = 5
    dropout: Rate = 0.5
    shape_dropout: Rate = 0.3

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)
        check_odd(self.kernel)


class RhythmCNN(nn.Module):
    """Decide by signal and shape between groups of classes, and by rhythm within the first."""

    def __init__(self, in_shape: tuple[int, ...], n_classes: int, p: Params) -> None:
        super().__init__()
        leads, samples = in_shape
        layers = [layer for c_in, c_out in pairwise((leads, *p.widths)) for layer in _convolved(c_in, c_out, p.kernel)]
        left = samples // 2 ** len(p.widths)
        part = max(1, left // PARTS)
        self.signal = nn.Sequential(
            *layers, nn.AvgPool2d((1, part)), nn.Flatten(), Dropout(p.dropout),
            nn.Linear(p.widths[-1] * (left // part), 16), nn.ReLU(),
        )  # fmt: skip
        self.groups = nn.Sequential(
            nn.Linear(16 + len(SHAPE), 32), nn.ReLU(), Dropout(p.shape_dropout), nn.Linear(32, n_classes - 1)
        )
        self.early = nn.Sequential(nn.Linear(len(RHYTHM), 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, x: Tensor, side: Tensor) -> Tensor:
        rhythm, shape = side.split([len(RHYTHM), len(SHAPE)], dim=1)
        signal = self.signal(x.unsqueeze(2))  # (B, leads, 1, T) -> (B, 16)
        groups = F.log_softmax(self.groups(torch.cat([signal, shape], dim=1)), dim=1)  # (B, classes - 1)
        early = self.early(rhythm)  # (B, 1)
        first = groups[:, :1]
        return torch.cat([first + F.logsigmoid(-early), first + F.logsigmoid(early), groups[:, 1:]], dim=1)


def _convolved(c_in: int, c_out: int, kernel: int) -> list[nn.Module]:
    return [convolution(c_in, c_out, kernel), nn.BatchNorm2d(c_out), nn.ReLU(), nn.MaxPool2d((1, 2))]


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples) with the columns SIDE beside them."""
    check_signal("rhythm_cnn", in_shape, 2 ** len(p.widths))
    if n_classes < 3:
        raise SettingsError(f"models.rhythm_cnn needs N, S and another class, got {n_classes} classes")
    return RhythmCNN(in_shape, n_classes, p)
