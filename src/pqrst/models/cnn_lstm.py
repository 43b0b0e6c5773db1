"""CNN-LSTM: a tower of convolutions without padding, whose few last steps an LSTM reads.

Layers, 12 leads by 2,500 samples: conv 12→64 k21 stride 11, max-pool 2, batch norm, LeakyReLU .01, dropout .3; conv 64→128
k7, max-pool 2, batch norm; conv 128→256 k5, max-pool 2; conv 256→512 k13; transposed conv 512→256 k7; dropout .3; conv
256→256 k9; max-pool 2; LSTM 256→128 over the 5 steps left, its last state; linear 128→classes. After the first activation
there is no other but the pooling and the LSTM.

Published on the samples 500 to 2,999 of Chapman's recordings at 500 Hz (`start: 500`, `length: 2500`), in microvolts and
not standardised, where it hardly learned more than the largest class. Its unused linear layer (256→11) is not built.

Source: github.com/ScaleMind-C9308A/HeartResearch, baseline of arXiv:2407.20249, whose authors say "DNN".

>>> sum(w.numel() for w in build((12, 2500), 11, Params()).parameters())
3649483
"""

from dataclasses import dataclass

from torch import Tensor, nn

from pqrst.models._blocks import Dropout, Rate, Size
from pqrst.models._stretch import Length, stretch

ACCEPTS = "signal"
SHORTEST = 1726  # samples from which one step is left


@dataclass(frozen=True)
class Params:
    """The stretch that is seen, the states of the LSTM, and the dropout in the tower."""

    start: int = 0
    length: Length = 0
    states: Size = 128
    dropout: Rate = 0.3


class CnnLstm(nn.Module):
    """Convolve, read the steps in their order, decide by the last."""

    def __init__(self, leads: int, n_classes: int, p: Params, seen: slice) -> None:
        super().__init__()
        self.seen = seen
        self.tower = nn.Sequential(
            nn.Conv2d(leads, 64, (1, 21), (1, 11)), _half(), nn.BatchNorm2d(64), nn.LeakyReLU(), Dropout(p.dropout),
            nn.Conv2d(64, 128, (1, 7)), _half(), nn.BatchNorm2d(128),
            nn.Conv2d(128, 256, (1, 5)), _half(),
            nn.Conv2d(256, 512, (1, 13)),
            nn.ConvTranspose2d(512, 256, (1, 7)), Dropout(p.dropout),
            nn.Conv2d(256, 256, (1, 9)), _half(),
        )  # fmt: skip
        self.lstm = nn.LSTM(256, p.states, batch_first=True)
        self.head = nn.Linear(p.states, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tower(x[..., self.seen].unsqueeze(2))  # (B, leads, T) -> (B, 256, 1, steps)
        states, _ = self.lstm(x.squeeze(2).transpose(1, 2))  # (B, steps, states)
        return self.head(states[:, -1])


def _half() -> nn.Module:
    return nn.MaxPool2d((1, 2))


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    seen = stretch("cnn_lstm", in_shape, p.start, p.length, SHORTEST)
    return CnnLstm(in_shape[0], n_classes, p, seen)
