"""S4: a structured state-space network, each channel a bank of damped oscillators that sees the whole signal both ways.

Layers: linear leads→256 at each sample; four layers of a diagonal state space (S4D), GELU, dropout, linear 256→512 gated
back to 256 (GLU), dropout, plus the layer's input, layer norm; mean over time; linear 256→classes. Dropout zeroes whole
channels of a row, 0.2.

The state space of a channel: x' = Ax + u, y = 2 Re(Cx) + Du, with A diagonal and complex, half of 64 states kept since the
others are their conjugates; A starts as −1/2 + iπn (S4D-Lin), the time step Δ between 0.001 and 0.1. It is discretised by a
zero-order hold, Ā = exp(ΔA), B̄ = (Ā − 1)/A, and run as one convolution by FFT: y_t is the sum of 2 Re(C B̄ Ā^k) u_(t−k), and
with a second C the same of the samples after t. A and Δ are shared between the two directions.

S4 leads the supervised tables on PTB-XL; this form of it is ours, and so is the count below, with which nothing published
can be compared. The published network has 512 channels, 8 states and the start of S4 (HiPPO-LegS), over 2.5 s at 100 Hz.
# Differs: 256 channels, so that a processor can train it; S4D with S4D-Lin in place of S4, since it needs no more than an
exponential and was found about as good by its authors; 64 states, as they have.
# Differs: S4's authors spare A and Δ the weight decay and slow their learning; the optimiser here, as that of the published
ECG network, treats all parameters alike.

Sources: Gu et al., NeurIPS 2022, arXiv:2206.11893; Mehari and Strodthoff, arXiv:2308.15291 (2023), arXiv:2211.07579 (2022),
with the code github.com/tmehari/ssm_ecg.

>>> sum(w.numel() for w in build((12, 250), 71, Params()).parameters())
748615
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.models._blocks import Rate, Size, check_signal

ACCEPTS = "signal"
STEPS = (0.001, 0.1)  # the time steps Δ that the channels start from


@dataclass(frozen=True)
class Params:
    """Channels, states of each (counted with their conjugates), layers, and the dropout in every layer."""

    width: Size = 256
    states: Size = 64
    layers: Size = 4
    dropout: Rate = 0.2

    def __post_init__(self) -> None:
        if self.states % 2:
            raise ValueError(f"states must be even, since they come in conjugate pairs, got {self.states}")


class StateSpace(nn.Module):
    """Convolve each channel with its own response to the past and to the future: (B, width, T) to the same."""

    def __init__(self, width: int, states: int) -> None:
        super().__init__()
        pairs = states // 2
        self.log_step = nn.Parameter(torch.empty(width).uniform_(*map(math.log, STEPS)))
        self.log_decay = nn.Parameter(torch.full((width, pairs), math.log(0.5)))  # A = −exp(log_decay) + i frequency
        self.frequency = nn.Parameter(math.pi * torch.arange(pairs).repeat(width, 1))
        self.read = nn.Parameter(torch.randn(2, 2, width, pairs) / math.sqrt(2))  # C: (re and im, past and future, …)
        self.skip = nn.Parameter(torch.randn(width, 1))  # D

    def responses(self, samples: int) -> Tensor:
        """Give 2 Re(C B̄ Ā^k) for k below `samples`, to the past and to the future: (2, width, samples).

        With k = i·block + j, Ā^k is a product of two powers, so 2√T exponentials a state suffice in place of T.
        """
        step, decay = self.log_step.exp().unsqueeze(1), -self.log_decay.exp()
        exponent = step * decay, step * self.frequency  # ΔA, each (width, pairs)
        block = math.isqrt(samples - 1) + 1
        ones = torch.arange(block, device=step.device, dtype=step.dtype)
        fine_re, fine_im = _powers(exponent, ones)  # (width, pairs, block)
        coarse = _powers(exponent, block * ones[: -(-samples // block)])  # (width, pairs, blocks)
        held = _times((self.read[0], self.read[1]), _held(exponent, (decay, self.frequency)))  # C B̄
        re, im = _times((held[0].unsqueeze(3), held[1].unsqueeze(3)), coarse)  # (2, width, pairs, blocks)
        found = torch.cat([re, -im], dim=2).transpose(2, 3) @ torch.cat([fine_re, fine_im], dim=1)
        return 2 * found.flatten(2)[:, :, :samples]

    def forward(self, x: Tensor) -> Tensor:
        samples = x.shape[2]
        length = 1 << (2 * samples - 1).bit_length()  # of the transform: the convolution must not wrap round
        with torch.autocast(x.device.type, enabled=False):  # half precision has no transform and too few digits
            past, future = self.responses(samples)  # (width, T)
            response = torch.cat([past, past.new_zeros(len(past), length - 2 * samples), future.flip(1)], dim=1)
            x = x.to(response.dtype)
            spectrum = torch.fft.rfft(x, n=length) * torch.fft.rfft(response)
            return torch.fft.irfft(spectrum, n=length)[:, :, :samples] + self.skip * x


Complex = tuple[Tensor, Tensor]  # real and imaginary part


def _times(a: Complex, b: Complex) -> Complex:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _powers(exponent: Complex, k: Tensor) -> Complex:
    """Give exp(k exponent), (width, pairs, k)."""
    size, angle = torch.exp(exponent[0].unsqueeze(2) * k), exponent[1].unsqueeze(2) * k
    return size * angle.cos(), size * angle.sin()


def _held(exponent: Complex, rate: Complex) -> Complex:
    """Give (exp(ΔA) − 1) / A without losing the digits of a small ΔA."""
    re, im = exponent
    less_one = torch.expm1(re) * im.cos() - 2 * (im / 2).sin() ** 2, torch.exp(re) * im.sin()
    size = rate[0] ** 2 + rate[1] ** 2
    return _times(less_one, (rate[0] / size, -rate[1] / size))


class Layer(nn.Module):
    """Mix over time, mix over channels, add the input: (B, T, width) to the same."""

    def __init__(self, p: Params) -> None:
        super().__init__()
        self.over_time = StateSpace(p.width, p.states)
        self.over_channels = nn.Linear(p.width, 2 * p.width)
        self.dropout = nn.Dropout1d(p.dropout)
        self.norm = nn.LayerNorm(p.width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dropout(F.gelu(self.over_time(x.transpose(1, 2))))  # (B, width, T)
        y = F.glu(self.over_channels(y.transpose(1, 2)), dim=2)  # (B, T, width)
        return self.norm(x + self.dropout(y.transpose(1, 2)).transpose(1, 2))


class S4(nn.Module):
    """Widen each sample, pass the layers, average over time, classify."""

    def __init__(self, leads: int, n_classes: int, p: Params) -> None:
        super().__init__()
        self.widen = nn.Linear(leads, p.width)
        self.layers = nn.Sequential(*[Layer(p) for _ in range(p.layers)])
        self.head = nn.Linear(p.width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(self.widen(x.transpose(1, 2)))  # (B, leads, T) -> (B, T, width)
        return self.head(x.mean(dim=1))


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples) of any length."""
    check_signal("s4", in_shape)
    return S4(in_shape[0], n_classes, p)
