"""Auto-encoder classifier: a small convolutional code of the signal, from which classes and the signal itself are read.

Encoder: conv 12→64 k4, 64→64 k3, 64→128 k3, 128→128 k3, each of stride 2 with batch norm and LeakyReLU .2. The classes:
dropout .2 and linear 128→classes on the code's mean over time. Decoder: transposed convs 128→128, 128→64, 64→64, all k3
stride 2 with batch norm and LeakyReLU .2, and 64→12 k4 stride 2 with a sigmoid. Training adds the mean squared error of the
reconstruction to its loss (`with_penalty`); the decoder has 89,868 of the parameters and gives no answer.

Published on the samples 300 to 2,999 of CPSC2018 at 500 Hz (`start: 300`, `length: 2700`).
# Differs: the original holds the sigmoid against the signal in mV, whose half below zero it cannot reach. Here the target is
each lead of each row by its own minimum and maximum, from 0 to 1, a flat lead 0: ours, so that every lead weighs the same.
# Differs: from 2,700 samples the decoder gives 2,700; from another length up to 10 more or 5 fewer, and those that both
have are compared.

Source: github.com/ScaleMind-C9308A/HeartResearch, baseline of arXiv:2407.20249.

>>> sum(w.numel() for w in build((12, 2700), 9, Params()).parameters())
181269
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.models._blocks import Dropout, Rate, channel_means
from pqrst.models._stretch import Length, stretch

ACCEPTS = "signal"
SLOPE = 0.2  # of every activation, below zero


@dataclass(frozen=True)
class Params:
    """The stretch that is seen, and the dropout before the classes."""

    start: int = 0
    length: Length = 0
    dropout: Rate = 0.2


class AutoEncoder(nn.Module):
    """Encode, and decide by the mean code; with a penalty, decode as well."""

    def __init__(self, leads: int, n_classes: int, p: Params, seen: slice) -> None:
        super().__init__()
        self.seen = seen
        self.encoder = nn.Sequential(
            *_halved(leads, 64, 4), *_halved(64, 64, 3), *_halved(64, 128, 3), *_halved(128, 128, 3)
        )
        self.head = nn.Sequential(Dropout(p.dropout), nn.Linear(128, n_classes))
        self.decoder = nn.Sequential(
            *_doubled(128, 128, padding=1), *_doubled(128, 64), *_doubled(64, 64, padding=1, output_padding=1),
            nn.ConvTranspose2d(64, leads, (1, 4), (1, 2), (0, 1)), nn.Sigmoid(),
        )  # fmt: skip

    def code(self, x: Tensor) -> Tensor:
        """Encode, (B, leads, T) to (B, 128, 1, T / 16)."""
        return self.encoder(x[..., self.seen].unsqueeze(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(channel_means(self.code(x)))

    def with_penalty(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give the logits and the reconstruction's mean squared error."""
        code = self.code(x)
        made = self.decoder(code).squeeze(2)  # (B, leads, about T)
        target = from_0_to_1(x[..., self.seen].detach())
        both = min(made.shape[2], target.shape[2])
        return self.head(channel_means(code)), F.mse_loss(made[..., :both].to(target.dtype), target[..., :both])


def _halved(c_in: int, c_out: int, kernel: int) -> list[nn.Module]:
    conv = nn.Conv2d(c_in, c_out, (1, kernel), (1, 2), (0, 1))
    return [conv, nn.BatchNorm2d(c_out), nn.LeakyReLU(SLOPE)]


def _doubled(c_in: int, c_out: int, padding: int = 0, output_padding: int = 0) -> list[nn.Module]:
    conv = nn.ConvTranspose2d(c_in, c_out, (1, 3), (1, 2), (0, padding), (0, output_padding))
    return [conv, nn.BatchNorm2d(c_out), nn.LeakyReLU(SLOPE)]


def from_0_to_1(x: Tensor) -> Tensor:
    """Scale each lead of each row, (B, leads, T), by its minimum and maximum; a flat lead becomes 0."""
    low = x.amin(dim=2, keepdim=True)
    width = x.amax(dim=2, keepdim=True) - low
    return (x - low) / width.masked_fill(width == 0, 1)


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    seen = stretch("autoencoder1d", in_shape, p.start, p.length, shortest=2)
    return AutoEncoder(in_shape[0], n_classes, p, seen)
