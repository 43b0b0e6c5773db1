"""A network applied to many rows, whole or in crops."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pqrst import networks
from pqrst.treatment import Crop

BATCH_ROWS = 512
BATCH_NUMBERS = 2**21  # of the input; beyond, layers of many channels would fill the memory


class Rows(Protocol):
    """Rows on a device, or read from disk when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: Tensor, /) -> Tensor: ...

    def split(self, size: int, /) -> Iterable[Tensor]: ...

    def narrow(self, dim: int, start: int, length: int, /) -> "Rows": ...

    @property
    def device(self) -> torch.device: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


Inputs = tuple[Rows, ...]  # rows, and for some networks the numbers that stand beside them


def use_threads(count: int) -> None:
    """Compute with so many processor threads from here on."""
    torch.set_num_threads(count)


def precision(name: str, where: torch.device) -> AbstractContextManager[Any]:
    """Compute in bfloat16 where that is asked for; weights stay float32."""
    return torch.autocast(where.type, torch.bfloat16) if name == "bf16" else nullcontext()


def pooled(model: nn.Module, inputs: tuple[Tensor, ...], crop: Crop) -> Tensor:
    """Give the logits of a batch, over the crops of each row where there are any."""
    rows, *side = inputs
    starts = crop.starts(rows.shape[-1])
    if not starts:
        return model(rows, *side)
    found = torch.stack([model(rows[..., start : start + crop.samples], *side) for start in starts])
    return found.amax(dim=0) if crop.pool == "max" else found.mean(dim=0)


def logits(model: nn.Module, inputs: Inputs, precision_name: str = "fp32", crop: Crop = Crop()) -> Tensor:  # noqa: B008 (it cannot be changed)
    """Give the logits of many rows, in evaluation mode, float32 (rows, classes)."""
    model.eval()
    numbers = networks.numbers(model, crop.shape(tuple(inputs[0].shape[1:])))
    size = max(1, min(BATCH_ROWS, BATCH_NUMBERS // numbers))
    parts = zip(*(x.split(size) for x in inputs), strict=True)
    with torch.inference_mode(), precision(precision_name, inputs[0].device):
        return torch.cat([pooled(model, part, crop).float() for part in parts])
