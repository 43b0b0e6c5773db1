"""ISIBrno: the residual network with self-attention that won the Challenge 2021, for any of its sets of leads.

Layers: conv 12→256 k15 stride 2, batch norm, LeakyReLU; five residual blocks, each [conv k9 stride 2, batch norm,
LeakyReLU, conv k9, batch norm, LeakyReLU] + [average-pool 2, conv 1×1], with nothing after the sum; dropout .5;
self-attention 256 wide, 8 heads, no positions; maximum over time; the 12 leads that are there, as 0 and 1, beside it;
linear →classes. No convolution has a bias. A step of the attention is 64 samples: 128 steps from 8,192.

The leads must be I II III aVR aVL aVF V1 … V6. In training each row keeps one of the Challenge's lead sets, drawn evenly,
and its other leads are zeroed; for the set of eight, which the Challenge did not name, I II V1 … V6 is our reading. In
evaluation nothing is dropped, and a lead is there where it is not zero throughout.

Source: Nejedly et al., Computing in Cardiology 2021, by github.com/ThomasK1991/Benchmark_ISIBrno. Its calibration head
(256 wide, on the detached logits; 14,106 parameters more) is not built: the logits decide.

>>> sum(w.numel() for w in build((12, 8192), 26, Params()).parameters())
6547794
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pqrst.errors import SettingsError
from pqrst.models._attention import SelfAttention
from pqrst.models._blocks import Dropout, Rate, Size, check_odd, check_signal
from pqrst.models._leads import LEADS, check_leads

ACCEPTS = "signal"
LEAD_SETS = (
    LEADS,
    ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"),
    ("I", "II", "III", "aVR", "aVL", "aVF"),
    ("I", "II", "III", "V2"),
    ("I", "II", "V2"),
    ("I", "II"),
)


@dataclass(frozen=True)
class Params:
    """Width, kernel and number of the blocks, heads and dropout; lead dropping, and the indicator of leads."""

    width: Size = 256
    kernel: Size = 9
    blocks: Size = 5
    heads: Size = 8
    dropout: Rate = 0.5
    drop_leads: bool = True
    indicator: bool = True

    def __post_init__(self) -> None:
        check_odd(self.kernel)
        if self.width % self.heads:
            raise SettingsError(f"width, {self.width}, must be a multiple of heads, {self.heads}")


class LeadDropping(nn.Module):
    """Zero in training all leads but those of a set drawn for each row; the random numbers are torch's own."""

    sets: Tensor

    def __init__(self) -> None:
        super().__init__()
        sets = torch.tensor([[lead in kept for lead in LEADS] for kept in LEAD_SETS])
        self.register_buffer("sets", sets, persistent=False)  # (sets, leads)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = self.sets[torch.randint(len(self.sets), (len(x),), device=x.device)]  # (B, leads)
        return x * kept.unsqueeze(2)


class Block(nn.Module):
    """Halve the time and add the halved input."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *convolved(width, width, kernel, stride=2),
            *convolved(width, width, kernel),
        )
        # Differs: the last of an odd number of samples is kept, as the convolutions keep it; else the lengths differ
        pool = nn.AvgPool2d((1, 2), ceil_mode=True)
        self.shortcut = nn.Sequential(pool, nn.Conv2d(width, width, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


class ISIBrno(nn.Module):
    """Drop leads, convolve, attend, decide."""

    def __init__(self, n_classes: int, p: Params) -> None:
        super().__init__()
        self.leads = LeadDropping() if p.drop_leads else nn.Identity()
        self.signal = nn.Sequential(
            *convolved(len(LEADS), p.width, 15, stride=2), *[Block(p.width, p.kernel) for _ in range(p.blocks)],
            Dropout(p.dropout),
        )  # fmt: skip
        self.attention = SelfAttention(p.width, p.heads)
        self.indicator = p.indicator
        self.head = nn.Linear(p.width + p.indicator * len(LEADS), n_classes)

    def steps(self, x: Tensor) -> Tensor:
        """Convolve, (B, leads, T) to (B, steps, width)."""
        return self.signal(x.unsqueeze(2)).squeeze(2).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.leads(x)
        y = self.attention(self.steps(x)).amax(dim=1)  # (B, width)
        return self.head(torch.cat([y, present(x).to(y.dtype)], dim=1) if self.indicator else y)


def present(x: Tensor) -> Tensor:
    """Tell the leads that are not zero throughout, (B, leads, T) to (B, leads)."""
    return (x != 0).any(dim=2)


def convolved(c_in: int, c_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Make a convolution with its batch norm and LeakyReLU: (B, c_in, 1, T) to (B, c_out, 1, ⌈T / stride⌉)."""
    conv = nn.Conv2d(c_in, c_out, (1, kernel), stride=(1, stride), padding=(0, kernel // 2), bias=False)
    return [conv, nn.BatchNorm2d(c_out), nn.LeakyReLU(0.01)]


def attention(model: nn.Module, x: Tensor) -> Tensor:
    """Give the maps of each row and head, (B, heads, steps, steps); a step is 2^(1 + blocks) samples."""
    if not isinstance(model, ISIBrno):
        raise TypeError(f"maps are those of an ISIBrno, got {type(model).__name__}")
    return model.attention.maps(model.steps(x))


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals of the twelve standard leads (12, samples)."""
    check_signal("isibrno", in_shape)
    check_leads("isibrno", in_shape)
    return ISIBrno(n_classes, p)
