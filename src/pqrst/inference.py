"""A network applied to many rows."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

BATCH_ROWS = 512


def precision(name: str, where: torch.device) -> AbstractContextManager[Any]:
    """Compute in bfloat16 where that is asked for; weights stay float32."""
    return torch.autocast(where.type, torch.bfloat16) if name == "bf16" else nullcontext()


Inputs = tuple[torch.Tensor, ...]  # rows, and for some networks the numbers that stand beside them


def logits(model: nn.Module, inputs: Inputs, precision_name: str = "fp32") -> torch.Tensor:
    """Give the logits of many rows, in evaluation mode, float32 (rows, classes)."""
    model.eval()
    parts = zip(*(x.split(BATCH_ROWS) for x in inputs), strict=True)
    with torch.inference_mode(), precision(precision_name, inputs[0].device):
        return torch.cat([model(*part).float() for part in parts])
