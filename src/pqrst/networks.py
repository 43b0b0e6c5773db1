"""A network as a run names it: a model alone, or behind a frontend and an encoding that are computed with it, batch by batch.

What stands before the model is part of the network: it is trained, saved and used with it, on the device that it is on.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pqrst import catalog
from pqrst.parsing import parse


class Plan(Protocol):
    """What a network is made of, with the settings of each part; an empty name leaves that part out."""

    @property
    def model(self) -> str: ...
    @property
    def model_settings(self) -> dict[str, Any]: ...
    @property
    def frontend(self) -> str: ...
    @property
    def frontend_settings(self) -> dict[str, Any]: ...
    @property
    def encoding(self) -> str: ...
    @property
    def encoding_settings(self) -> dict[str, Any]: ...


class Composed(nn.Module):
    """A model behind what is computed of the rows first: (B, leads, T) to (B, classes)."""

    def __init__(self, frontend: nn.Module, encode: Callable[[Tensor], Tensor], model: nn.Module, numbers: int) -> None:
        super().__init__()
        self.frontend, self.encode, self.model = frontend, encode, model
        self.numbers = numbers  # that the model is given of a row

    def prepared(self, x: Tensor) -> Tensor:
        """Give what the model sees, (B, leads, T) or (B, channels, height, width)."""
        with torch.autocast(x.device.type, enabled=False):  # pictures are the same whatever the model computes in
            seen = self.encode(self.frontend(x))
        return seen.contiguous(memory_format=torch.channels_last) if seen.ndim == 4 else seen

    def forward(self, x: Tensor, *side: Tensor) -> Tensor:
        return self.model(self.prepared(x), *side)


class Penalised(Composed):
    """The same around a model that learns by a second loss too."""

    def with_penalty(self, x: Tensor, *side: Tensor) -> tuple[Tensor, Tensor]:
        both: Any = self.model.with_penalty
        return both(self.prepared(x), *side)


def build(plan: Plan, in_shape: tuple[int, ...], n_classes: int, fs: float, place: str = "") -> nn.Module:
    """Build the network for rows of a shape, at a rate in Hz; `place` is where its settings stand, for an error message."""
    module = catalog.load("models", plan.model)
    settings = parse(module.Params, plan.model_settings, f"{place}models.{plan.model}")
    if not plan.frontend and not plan.encoding:
        alone: nn.Module = module.build(in_shape, n_classes, settings)
        return alone
    encode, shape = _encoding(plan, in_shape, fs, place)
    model = module.build(shape, n_classes, settings)
    kind = Penalised if hasattr(model, "with_penalty") else Composed
    return kind(_frontend(plan, in_shape[0], place), encode, model, math.prod(shape))


def numbers(model: nn.Module, row_shape: tuple[int, ...]) -> int:
    """Say how many numbers a network works on for one row: those of the row, or of the picture that it draws of it."""
    return max(math.prod(row_shape), getattr(model, "numbers", 0))


def _frontend(plan: Plan, leads: int, place: str) -> nn.Module:
    if not plan.frontend:
        return nn.Identity()
    module = catalog.load("frontends", plan.frontend)
    return module.build(leads, parse(module.Params, plan.frontend_settings, f"{place}frontends.{plan.frontend}"))


def _encoding(
    plan: Plan, in_shape: tuple[int, ...], fs: float, place: str
) -> tuple[Callable[[Tensor], Tensor], tuple[int, ...]]:
    if not plan.encoding:
        return _as_it_is, in_shape
    module = catalog.load("encodings", plan.encoding)
    p = parse(module.Params, plan.encoding_settings, f"{place}encodings.{plan.encoding}")
    return lambda x: module.encode(x, fs, p), module.shape(in_shape, p)


def _as_it_is(x: Tensor) -> Tensor:
    return x
