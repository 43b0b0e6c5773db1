"""Train one network from one seed: an epoch at a time, kept on disk after each, continued to the same bits."""

import ctypes
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim import lr_scheduler

from pqrst import convergence, schemas, scores
from pqrst.console import log, progress
from pqrst.decisions import probabilities
from pqrst.errors import DataError, SettingsError, line
from pqrst.inference import Crop, Inputs, logits, precision
from pqrst.loaders import batches, cropped, visiting_order
from pqrst.optimizers import eager
from pqrst.params import Train
from pqrst.processes import alone
from pqrst.ranks import ALONE, Group

MMAP_MAX, TRIM_THRESHOLD = -4, -1  # glibc's names for mallopt
SCHEMA = 1  # of checkpoints, also of those that carry none
BY_STEP = ("one_cycle", "cosine")  # schedules that move with every step; the others with every epoch
CHOSEN_ANYWAY = ("loss", "accuracy", "last")  # by what is shown after every epoch
Row = dict[str, float]


@dataclass(frozen=True)
class Data:
    """Standardised rows on the training device."""

    train_x: Inputs
    train_y: torch.Tensor
    validation_x: Inputs
    validation_y: torch.Tensor
    n_classes: int
    class_weights: torch.Tensor | None = None  # (classes,)
    row_weights: torch.Tensor | None = None  # (train rows,) for the weighted sampler

    def weight(self, y: torch.Tensor) -> torch.Tensor | None:
        """Give the weight of each row in the loss."""
        return None if self.class_weights is None else self.class_weights[y]


@dataclass(frozen=True)
class Lesson:
    """What is learned and how: a fresh network, a loss, the settings."""

    build: Callable[[], nn.Module]
    loss: nn.Module  # of (logits, target, weight)
    settings: Train


@dataclass(frozen=True)
class Learner:
    """A network while it learns."""

    model: nn.Module
    loss: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: Any
    settings: Train
    group: Group


@dataclass
class State:
    """Where a training stands after an epoch; with the tensors beside it, all that is needed to go on."""

    epoch: int = 0
    best_epoch: int = 0
    best: float = float("inf")  # the lowest validation loss, or the highest score with its sign turned
    stale: int = 0
    finished: bool = False
    history: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Fitted:
    """The weights of the epoch that validation chose."""

    weights: dict[str, torch.Tensor]
    best_epoch: int
    history: list[Row]


def device(wanted: str) -> torch.device:
    """Choose the device; `auto` takes a GPU where there is one."""
    return torch.device("cuda" if wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available()) else "cpu")


def prepare_process(threads: int) -> None:
    """Set up this process: threads, determinism, and a heap that is not given back to the kernel after every step."""
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("warn" if torch.cuda.is_available() else "error")  # no compiler to load, 2 s
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads it
    if os.environ.get("PQRST_KEEP_HEAP", "1") == "1":
        try:
            mallopt = ctypes.CDLL("libc.so.6").mallopt
        except (OSError, AttributeError):  # not glibc
            return
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)


def fit(
    lesson: Lesson, data: Data, seed: int, checkpoint: Path, on_epoch: Callable[[Row], None], *, group: Group = ALONE
) -> Fitted:
    """Train until the epochs end or validation stops improving; go on from the checkpoint where there is one.

    Of the processes of a group, the first holds, reads and writes the checkpoint.
    """
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    held = alone(checkpoint.with_suffix(".lock"), f"another process trains {checkpoint}")
    with nullcontext() if group.rank else held:
        return _fit(_learner(lesson, data, seed, group), data, seed, checkpoint, on_epoch)


def _fit(learner: Learner, data: Data, seed: int, checkpoint: Path, on_epoch: Callable[[Row], None]) -> Fitted:
    best = _copy(learner.model)
    state = _resume(checkpoint, learner, best)
    for row in state.history:
        on_epoch(row)
    while not state.finished and state.epoch < learner.settings.epochs:
        row = _epoch(learner, data, seed, state.epoch)
        _judge(state, row, learner, best)
        if not learner.group.rank:
            _save(checkpoint, state, learner, best)
        on_epoch(row)
    return Fitted(best, state.best_epoch, state.history)


def _learner(lesson: Lesson, data: Data, seed: int, group: Group) -> Learner:
    torch.manual_seed(seed)
    t, model = lesson.settings, lesson.build().to(data.train_x[0].device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[t.optimizer]
    optimizer = eager(kind)(model.parameters(), lr=t.lr, weight_decay=t.weight_decay, fused=True)
    steps = sum(1 for _ in batches(torch.arange(len(data.train_y)), t.batch_size))
    return Learner(model, lesson.loss, optimizer, _scheduler(optimizer, t, steps), t, group)


def _scheduler(optimizer: torch.optim.Optimizer, t: Train, steps: int) -> Any:
    if t.scheduler == "plateau":
        return lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=t.scheduler_factor, patience=t.scheduler_patience, min_lr=t.min_lr
        )
    if t.scheduler == "one_cycle":
        total = (t.cycle_epochs or t.epochs) * steps
        return lr_scheduler.OneCycleLR(optimizer, max_lr=t.lr, total_steps=total, pct_start=t.cycle_warmup)
    if t.scheduler == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=t.epochs * steps, eta_min=t.min_lr)
    gamma = t.scheduler_factor if t.scheduler == "step" else 1.0
    return lr_scheduler.StepLR(optimizer, step_size=t.scheduler_epochs, gamma=gamma)


def _epoch(learner: Learner, data: Data, seed: int, epoch: int) -> Row:
    """Train one epoch and score it on validation rows.

    All randomness is drawn from (seed, epoch), so a training that was cut off goes on to the same bits.
    """
    started, lr, where = time.perf_counter(), learner.optimizer.param_groups[0]["lr"], data.train_x[0].device
    torch.manual_seed(seed * 1_000_003 + epoch)
    generator, t = torch.Generator().manual_seed(seed * 1_000_033 + epoch), learner.settings
    order = visiting_order(len(data.train_y), data.row_weights, generator, t.shard_rows, t.batch_size)
    train_loss = _train(learner, data, order.to(where))
    trained = time.perf_counter() - started
    row = {"epoch": float(epoch + 1), "lr": lr, "train_loss": train_loss, **_validate(learner, data)}
    if learner.settings.scheduler == "plateau":
        learner.scheduler.step(row["validation_loss"])
    elif learner.settings.scheduler not in BY_STEP:
        learner.scheduler.step()
    times = {"seconds": time.perf_counter() - started, "samples_per_second": len(order) / trained}
    return row | times | _gpu(where)


def _train(learner: Learner, data: Data, order: torch.Tensor) -> float:
    learner.model.train()
    t, total = learner.settings, torch.zeros((), device=order.device)
    seen = 0
    with progress(len(order), "epoch", "rows") as count:
        for part in batches(order, t.batch_size):
            y, share = data.train_y[part], learner.group.share(len(part))
            with precision(t.precision, part.device), share.as_one(learner.model):
                rows, *side = (x[part[share.own]] for x in data.train_x)
                out, penalty = _answer(learner.model, cropped(rows, t.crop), *side)
            value = learner.loss(share.whole(out.float()), y, data.weight(y)) + share.penalty(penalty)
            learner.optimizer.zero_grad(set_to_none=True)
            value.backward()
            share.add_up(learner.model)
            _clip(learner)
            learner.optimizer.step()
            _move(learner)
            total += value.detach() * len(part)
            seen += len(part)
            count(len(part))
    return float(total / seen)


def _answer(model: nn.Module, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | float]:
    """Give the logits, and what a network that has a second loss adds to the first."""
    both: Any = getattr(model, "with_penalty", None)
    return both(*inputs) if both else (model(*inputs), 0.0)


def _clip(learner: Learner) -> None:
    t = learner.settings
    if t.clip_value:
        nn.utils.clip_grad_value_(learner.model.parameters(), t.clip_value)
    if t.clip_norm:
        nn.utils.clip_grad_norm_(learner.model.parameters(), t.clip_norm)


def _move(learner: Learner) -> None:
    """Move a schedule that goes by step; after its last one the learning rate stays."""
    schedule = learner.scheduler
    last = getattr(schedule, "total_steps", None)
    if learner.settings.scheduler in BY_STEP and (last is None or schedule.last_epoch + 1 < last):
        schedule.step()


def _validate(learner: Learner, data: Data) -> Row:
    t, y = learner.settings, data.validation_y
    share = learner.group.share(len(y))
    own = tuple(x.narrow(0, share.own.start, share.own.stop - share.own.start) for x in data.validation_x)
    out = share.whole(logits(learner.model, own, t.precision, crop_of(t)))
    value = learner.loss(out, y, data.weight(y))
    decided = (out > 0).to(torch.int8) if y.ndim == 2 else out.argmax(dim=1)
    labels, outputs, said = (tensor.cpu().numpy() for tensor in (y, out, decided))
    outputs = probabilities(outputs, "multi" if y.ndim == 2 else "single")
    classes = [str(place) for place in range(data.n_classes)]
    shown = ("accuracy", "f1_macro", *([] if t.select in CHOSEN_ANYWAY else [t.select]))
    return {"validation_loss": float(value)} | {
        f"validation_{name}": scores.score(name, labels, outputs, said, classes) for name in shown
    }


def crop_of(t: Train) -> Crop:
    """Give how rows are seen after training."""
    return Crop(t.crop, t.crop_step, t.crop_pool)


def _gpu(where: torch.device) -> Row:
    """Measure memory and utilisation where there is a GPU to measure."""
    if where.type != "cuda":
        return {}
    row = {"gpu_memory_gb": torch.cuda.max_memory_allocated(where) / 1e9}
    try:
        return row | {"gpu_utilisation": float(torch.cuda.utilization(where))}
    except (ImportError, RuntimeError):  # the NVIDIA management library is not installed
        return row


def _judge(state: State, row: Row, learner: Learner, best: dict[str, torch.Tensor]) -> None:
    """Keep the weights of a better epoch, and say when to stop."""
    t = learner.settings
    state.epoch += 1
    if not math.isfinite(row["validation_loss"]):
        raise SettingsError(f"epoch {state.epoch}: the validation loss is {row['validation_loss']}; lower train.lr")
    state.history.append(row)
    value = convergence.worth(row, t.select, state.epoch)
    if value < state.best or not state.best_epoch:
        state.best, state.best_epoch, state.stale = value, state.epoch, 0
        best.update(_copy(learner.model))
    else:
        state.stale += 1
    state.finished = state.epoch >= t.epochs or 0 < t.stop_patience <= state.stale


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    plain = torch.contiguous_format
    return {name: value.detach().cpu().clone(memory_format=plain) for name, value in model.state_dict().items()}


def _save(file: Path, state: State, learner: Learner, best: Mapping[str, torch.Tensor]) -> None:
    """Write the checkpoint under a temporary name and move it into place: a kill leaves the one before."""
    moments = learner.optimizer.state_dict()
    tensors = {f"model/{name}": value for name, value in _copy(learner.model).items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    for index, values in moments["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value.cpu().contiguous() for name, value in values.items()}
    words = {
        "schema": SCHEMA,
        "state": asdict(state),
        "groups": moments["param_groups"],
        "scheduler": learner.scheduler.state_dict(),
    }
    partial = file.with_name(f"{file.name}.partial")
    try:
        save_file(tensors, partial, {"words": json.dumps(words)})
        partial.replace(file)
    except SafetensorError as error:  # the library's own word for a full disk
        raise DataError(f"{partial}: cannot be written ({error}); make room and run again") from None
    finally:
        partial.unlink(missing_ok=True)


def _resume(file: Path, learner: Learner, best: dict[str, torch.Tensor]) -> State:
    told = learner.group.told
    if not told(file.exists):
        return State()
    fresh = learner.optimizer.state_dict(), dict(learner.scheduler.state_dict())
    try:
        tensors, words = told(partial(_read, file))
        schemas.check(words, str(file), SCHEMA, SCHEMA, "move the checkpoint away to train anew", unmarked=1)
        state, kept = State(**words["state"]), _part(tensors, "best/")
        learner.scheduler.load_state_dict(words["scheduler"])
        moments = _moments(tensors, learner.optimizer)
        learner.optimizer.load_state_dict({"state": moments, "param_groups": words["groups"]})
        learner.model.load_state_dict(kept)  # both must fit
        learner.model.load_state_dict(_part(tensors, "model/"))
    except DataError:  # written by a newer version: what it learned is not thrown away
        raise
    except Exception as error:  # noqa: BLE001 (a broken disk, since writing leaves no half file: anything may come of its bytes)
        log.warning("%s cannot be read (%s); training starts anew", file, line(str(error)))
        learner.model.load_state_dict(best)
        learner.optimizer.load_state_dict(fresh[0])
        learner.scheduler.load_state_dict(fresh[1])
        return State()
    best.update(kept)
    return state


def _read(file: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    with safe_open(file, "pt") as kept:
        tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118 (the file is no mapping)
        return tensors, json.loads(kept.metadata()["words"])


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _moments(
    tensors: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> dict[int, dict[str, torch.Tensor]]:
    """Give each moment the memory layout of its parameter again: the fused step walks both as they lie in memory."""
    parameters = optimizer.param_groups[0]["params"]
    found: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _part(tensors, "optimizer/").items():
        index, name = key.split("/")
        parameter = parameters[int(index)]
        laid = torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
        found.setdefault(int(index), {})[name] = laid
    return found
