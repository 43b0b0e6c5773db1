"""Train one network from one seed: an epoch at a time, kept on disk after each, continued to the same bits."""

import ctypes
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim import lr_scheduler
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_f1_score,
    multilabel_accuracy,
    multilabel_f1_score,
)

from pqrst.console import progress
from pqrst.inference import logits, precision
from pqrst.loaders import batches, visiting_order
from pqrst.params import Train

MMAP_MAX, TRIM_THRESHOLD = -4, -1  # glibc's names for mallopt
Row = dict[str, float]


@dataclass(frozen=True)
class Data:
    """Standardised rows on the training device."""

    train_x: torch.Tensor
    train_y: torch.Tensor
    validation_x: torch.Tensor
    validation_y: torch.Tensor
    n_classes: int
    class_weights: torch.Tensor | None = None  # (classes,)
    row_weights: torch.Tensor | None = None  # (train rows,) for the weighted sampler

    @property
    def multi(self) -> bool:
        return self.train_y.ndim == 2


@dataclass
class State:
    """Where a training stands after an epoch; with the tensors beside it, all that is needed to go on."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    stale: int = 0
    finished: bool = False
    history: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Fitted:
    """The weights of the epoch with the lowest validation loss."""

    weights: dict[str, torch.Tensor]
    best_epoch: int
    history: list[Row]


def device(wanted: str) -> torch.device:
    """Choose the device; `auto` takes a GPU where there is one."""
    return torch.device("cuda" if wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available()) else "cpu")


def prepare_process(threads: int) -> None:
    """Set up this process: threads, determinism, and a heap that is not given back to the kernel after every step."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True, warn_only=torch.cuda.is_available())
    if os.environ.get("PQRST_KEEP_HEAP", "1") == "1":
        try:
            mallopt = ctypes.CDLL("libc.so.6").mallopt
        except (OSError, AttributeError):  # not glibc
            return
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)


def fit(
    build: Callable[[], nn.Module],
    loss: nn.Module,
    data: Data,
    t: Train,
    seed: int,
    checkpoint: Path,
    on_epoch: Callable[[Row], None],
) -> Fitted:
    """Train until the epochs end or validation stops improving; go on from the checkpoint where there is one."""
    where = data.train_x.device
    torch.manual_seed(seed)
    model = build().to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(model, t)
    scheduler = _scheduler(optimizer, t, steps=len(list(batches(torch.arange(len(data.train_x)), t.batch_size))))
    best = _copy(model)
    state = _resume(checkpoint, model, best, optimizer, scheduler)
    for row in state.history:
        on_epoch(row)
    while not state.finished and state.epoch < t.epochs:
        row = _epoch(model, loss, data, t, optimizer, scheduler, seed, state.epoch)
        _judge(state, row, model, best, t)
        _save(checkpoint, state, model, best, optimizer, scheduler)
        on_epoch(row)
    return Fitted(best, state.best_epoch, state.history)


def _optimizer(model: nn.Module, t: Train) -> torch.optim.Optimizer:
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[t.optimizer]
    return kind(model.parameters(), lr=t.lr, weight_decay=t.weight_decay, fused=True)


def _scheduler(optimizer: torch.optim.Optimizer, t: Train, steps: int) -> Any:
    if t.scheduler == "plateau":
        return lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=t.scheduler_factor, patience=t.scheduler_patience, min_lr=t.min_lr
        )
    if t.scheduler == "one_cycle":
        return lr_scheduler.OneCycleLR(optimizer, max_lr=t.lr, total_steps=t.epochs * steps)
    if t.scheduler == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=t.epochs * steps, eta_min=t.min_lr)
    gamma = t.scheduler_factor if t.scheduler == "step" else 1.0
    return lr_scheduler.StepLR(optimizer, step_size=t.scheduler_epochs, gamma=gamma)


def _epoch(
    model: nn.Module,
    loss: nn.Module,
    data: Data,
    t: Train,
    optimizer: torch.optim.Optimizer,
    scheduler: Any,
    seed: int,
    epoch: int,
) -> Row:
    """Train one epoch and score it on validation rows.

    All randomness is drawn from (seed, epoch), so a training that was cut off goes on to the same bits.
    """
    started, lr = time.perf_counter(), optimizer.param_groups[0]["lr"]
    torch.manual_seed(seed * 1_000_003 + epoch)
    order = visiting_order(len(data.train_x), data.row_weights, torch.Generator().manual_seed(seed * 1_000_033 + epoch))
    train_loss = _train(
        model, loss, data, t, optimizer, scheduler if t.scheduler in ("one_cycle", "cosine") else None, order
    )
    trained = time.perf_counter() - started
    row = {"epoch": float(epoch + 1), "lr": lr, "train_loss": train_loss, **_validate(model, loss, data, t)}
    if t.scheduler == "plateau":
        scheduler.step(row["validation_loss"])
    elif t.scheduler in ("step", "none"):
        scheduler.step()
    return (
        row
        | {"seconds": time.perf_counter() - started, "samples_per_second": len(order) / trained}
        | _gpu(data.train_x.device)
    )


def _train(
    model: nn.Module,
    loss: nn.Module,
    data: Data,
    t: Train,
    optimizer: torch.optim.Optimizer,
    scheduler: Any,
    order: torch.Tensor,
) -> float:
    model.train()
    total = torch.zeros((), device=data.train_x.device)
    with progress(len(order), "epoch", "rows") as count:
        for part in batches(order.to(data.train_x.device), t.batch_size):
            y = data.train_y[part]
            with precision(t.precision, part.device):
                logits = model(data.train_x[part])
            value = loss(logits.float(), y, None if data.class_weights is None else data.class_weights[y])
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            total += value.detach() * len(part)
            count(len(part))
    return float(total / len(order))


def _validate(model: nn.Module, loss: nn.Module, data: Data, t: Train) -> Row:
    out, y = logits(model, data.validation_x, t.precision), data.validation_y
    value = loss(out, y, None if data.class_weights is None else data.class_weights[y])
    if data.multi:
        accuracy, f1 = (
            multilabel_accuracy(out, y, data.n_classes, average="micro"),
            multilabel_f1_score(out, y, data.n_classes),
        )
    else:
        accuracy = multiclass_accuracy(out, y, data.n_classes, average="micro")
        f1 = multiclass_f1_score(out, y, data.n_classes, average="macro")
    return {"validation_loss": float(value), "validation_accuracy": float(accuracy), "validation_f1_macro": float(f1)}


def _gpu(where: torch.device) -> Row:
    """Measure memory and utilisation where there is a GPU to measure."""
    if where.type != "cuda":
        return {}
    row = {"gpu_memory_gb": torch.cuda.max_memory_allocated(where) / 1e9}
    try:
        return row | {"gpu_utilisation": float(torch.cuda.utilization(where))}
    except (ImportError, RuntimeError):  # the NVIDIA management library is not installed
        return row


def _judge(state: State, row: Row, model: nn.Module, best: dict[str, torch.Tensor], t: Train) -> None:
    """Keep the weights of a better epoch, and say when to stop."""
    state.epoch += 1
    state.history.append(row)
    if row["validation_loss"] < state.best_loss:
        state.best_loss, state.best_epoch, state.stale = row["validation_loss"], state.epoch, 0
        best.update(_copy(model))
    else:
        state.stale += 1
    state.finished = state.epoch >= t.epochs or (t.stop_patience > 0 and state.stale >= t.stop_patience)


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in model.state_dict().items()
    }


def _save(
    file: Path,
    state: State,
    model: nn.Module,
    best: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    scheduler: Any,
) -> None:
    """Write the checkpoint under a temporary name and move it into place: a kill leaves the one before."""
    moments, tensors = optimizer.state_dict(), {f"model/{name}": value for name, value in _copy(model).items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    for index, values in moments["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value.cpu().contiguous() for name, value in values.items()}
    words = {"state": asdict(state), "groups": moments["param_groups"], "scheduler": scheduler.state_dict()}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    save_file(tensors, partial, {"words": json.dumps(words)})
    partial.replace(file)


def _resume(
    file: Path, model: nn.Module, best: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer, scheduler: Any
) -> State:
    if not file.exists():
        return State()
    with safe_open(file, "pt") as kept:
        tensors, words = {name: kept.get_tensor(name) for name in kept.keys()}, json.loads(kept.metadata()["words"])  # noqa: SIM118
    model.load_state_dict(
        {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")}
    )
    best.update({name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")})
    scheduler.load_state_dict(words["scheduler"])
    optimizer.load_state_dict({"state": _moments(tensors, optimizer), "param_groups": words["groups"]})
    return State(**words["state"])


def _moments(
    tensors: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> dict[int, dict[str, torch.Tensor]]:
    """Give each moment the memory layout of its parameter again: the fused step walks both as they lie in memory."""
    parameters, found = optimizer.param_groups[0]["params"], {}  # type: ignore[var-annotated]
    for key, value in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "optimizer":
            index, name = rest.split("/")
            parameter = parameters[int(index)]
            laid = torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
            found.setdefault(int(index), {})[name] = laid
    return found
