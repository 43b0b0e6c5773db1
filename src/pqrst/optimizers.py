"""torch's optimisers without the way into its compiler: the decorators of their methods load it at the first step, a second of every process."""

import inspect
from typing import Any

import torch

GUARDED = (
    "add_param_group",
    "zero_grad",
    "state_dict",
    "load_state_dict",
)  # kept from a compiler, which nothing here uses


def eager(kind: type[torch.optim.Optimizer]) -> type[Any]:
    """Give an optimiser whose methods are what torch's own decorators wrap; the numbers are the same."""
    own = {name: inspect.unwrap(getattr(kind, name)) for name in GUARDED}
    return type(kind.__name__, (kind,), own | {"step": torch.no_grad()(inspect.unwrap(kind.step))})
