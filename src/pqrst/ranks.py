"""Several processes that train one network as one process would: each computes its stretch of every batch.

The outputs of all are gathered, so that any loss sees the whole batch; each goes back through its own rows, and the gradients
are added up. Batch norm takes mean and variance of the whole batch, and what is drawn at random is drawn for the whole batch
and cut, so that nothing but the order of sums hangs on the number of processes. torchrun's own agent starts them, ends all when
one is lost, and takes the places of several nodes from torchrun's own environment (PET_NNODES, PET_RDZV_ENDPOINT, ...).

Not by DistributedDataParallel: it averages the gradients of losses that see the rows of one process each, where class weights,
counts of classes, penalties and uneven batches would make another training of it.
"""

import logging
import multiprocessing
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)
from torch.overrides import TorchFunctionMode

from pqrst import console, processes
from pqrst.errors import DataError, PqrstError, SettingsError

PATIENCE = timedelta(
    days=1
)  # of a process for the others: the first may wait for a lock, and a lost one is noticed at once
GRACE_SECONDS = 2.0  # in which the agent sees who was lost first, before those end that miss it
AGAIN = "run again: training goes on from the last epoch that is kept"
DROPPING = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)
Told = TypeVar("Told")


@dataclass(frozen=True)
class Share:
    """What this process computes of a batch: by itself, all of it."""

    rows: int  # of the whole batch

    @property
    def own(self) -> slice:
        """Give its place among the rows of the batch."""
        return slice(0, self.rows)

    def as_one(self, model: nn.Module) -> AbstractContextManager[Any]:  # noqa: ARG002 (nothing to do alone)
        """Let a network treat these rows as if the whole batch were here."""
        return nullcontext()

    def whole(self, found: Tensor) -> Tensor:
        """Give what all processes found, in the order of the batch; gradients reach this one's rows."""
        return found

    def penalty(self, mean: Tensor | float) -> Tensor | float:
        """Give the mean over the batch from that over this process's rows, which gradients reach."""
        return mean

    def add_up(self, model: nn.Module) -> None:
        """Bring the gradients of all processes together."""


@dataclass(frozen=True)
class Repeated(Share):
    """A batch of fewer rows than processes: every one computes it all."""

    size: int  # processes

    def add_up(self, model: nn.Module) -> None:
        _add_up(model, self.size)


@dataclass(frozen=True)
class Stretch(Share):
    """The rows of a batch that one of several processes computes."""

    rank: int
    size: int

    @property
    def own(self) -> slice:
        return slice(self.rank * self.rows // self.size, (self.rank + 1) * self.rows // self.size)

    @contextmanager
    def as_one(self, model: nn.Module) -> Iterator[None]:
        _check(model)
        layers = [layer for layer in model.modules() if isinstance(layer, DROPPING)]
        for layer in layers:
            layer.forward = partial(self._dropped, layer, layer.forward)  # type: ignore[method-assign]
        try:
            with AsOne(self):
                yield
        finally:
            for layer in layers:
                del layer.forward

    def _dropped(self, layer: Any, forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Multiply by this stretch of what the layer makes of ones in the place of the whole batch."""
        return x * forward(self.like(x))[self.own] if layer.training and layer.p else x

    def whole(self, found: Tensor) -> Tensor:
        of_all = found.new_zeros((self.rows, *found.shape[1:]))
        of_all[self.own] = found.detach()
        _reduce(of_all)
        return torch.cat([of_all[: self.own.start], found, of_all[self.own.stop :]])

    def penalty(self, mean: Tensor | float) -> Tensor | float:
        if not isinstance(mean, Tensor):
            return mean
        part = mean * ((self.own.stop - self.own.start) / self.rows)
        return part + (_reduce(part.detach().clone()) - part.detach())

    def add_up(self, model: nn.Module) -> None:
        _add_up(model, 1)

    def like(self, x: Tensor) -> Tensor:
        """Make ones in the shape of the whole batch, laid out in memory as these rows are."""
        shape = self.shape(x.shape)
        outer = sorted(range(x.ndim), key=lambda axis: -x.stride()[axis])
        return x.new_ones([shape[axis] for axis in outer]).permute([outer.index(axis) for axis in range(x.ndim)])

    def shape(self, own: Sequence[int]) -> tuple[int, ...]:
        """Give the shape of the whole batch from that of these rows."""
        if own[0] != self.own.stop - self.own.start:
            raise SettingsError(
                f"the network draws for {own[0]} rows of {self.own.stop - self.own.start}; set train.processes to 1"
            )
        return (self.rows, *own[1:])


def _check(model: nn.Module) -> None:
    """Refuse a network whose answer to some rows hangs on the others in a way that is not shared."""
    for layer in model.modules():
        if isinstance(layer, nn.RNNBase) and not layer.batch_first:
            raise SettingsError("this network reads the rows of a batch one after another; set train.processes to 1")
        if isinstance(layer, nn.MultiheadAttention) and layer.dropout:  # drawn inside torch
            raise SettingsError("this network has dropout inside torch's own attention; set train.processes to 1")


class AsOne(TorchFunctionMode):
    """Replace what hangs on the other rows of a batch, or is drawn, by the same of the whole batch."""

    def __init__(self, share: Stretch) -> None:
        super().__init__()
        self.share = share

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        own = OF_ALL.get(func)
        return own(self.share, *args, **kwargs or {}) if own else func(*args, **kwargs or {})


def _batch_norm(  # noqa: PLR0917 (torch's own arguments)
    share: Stretch, x: Tensor, mean: Tensor | None, var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Standardise by mean and variance of the whole batch, on a CPU too, where torch's SyncBatchNorm cannot."""
    if not training:
        return F.batch_norm(x, mean, var, weight, bias, training, momentum, eps)
    over, by_channel = [axis for axis in range(x.ndim) if axis != 1], (1, -1, *[1] * (x.ndim - 2))
    count = share.shape(x.shape)[0] * x[:1, 0].numel()
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    middle = _Sum.apply(wide.sum(over)) / count
    apart = wide - middle.view(by_channel)
    spread = _Sum.apply(apart.square().sum(over)) / count
    with torch.no_grad():
        if mean is not None and var is not None:
            mean.lerp_(middle, momentum)
            var.lerp_(spread * count / (count - 1), momentum)
    scale = torch.rsqrt(spread + eps) * (1 if weight is None else weight)
    found = apart * scale.view(by_channel)
    laid = (
        torch.channels_last if x.ndim == 4 and not x.is_contiguous() else torch.contiguous_format
    )  # as torch's own is
    return (found if bias is None else found + bias.view(by_channel)).to(x.dtype).contiguous(memory_format=laid)


def _randint(share: Stretch, *args: Any, **kwargs: Any) -> Tensor:
    sized: list[Any] = [share.shape(given) if isinstance(given, tuple) else given for given in args]
    found: Tensor = torch.randint(*sized, **kwargs)
    return found[share.own]


def _randn_like(share: Stretch, x: Tensor) -> Tensor:
    return torch.randn_like(share.like(x))[share.own]


def _bernoulli(share: Stretch, x: Tensor, p: float) -> Tensor:
    return x.copy_(share.like(x).bernoulli_(p)[share.own])


OF_ALL: dict[Any, Callable[..., Tensor]] = {
    F.batch_norm: _batch_norm,
    torch.randint: _randint,
    torch.randn_like: _randn_like,
    Tensor.bernoulli_: _bernoulli,
}


class _Sum(torch.autograd.Function):
    """Add up over all processes, forwards and backwards."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return _reduce(x.clone())

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        return _reduce(gradient.clone())


def _reduce(x: Tensor) -> Tensor:
    """Add up in place over all processes; the sum is the same to the bit in each."""
    with _together():
        torch.distributed.all_reduce(x)
    return x


@contextmanager
def _together() -> Iterator[None]:
    """Say in one line that another process is gone, after the agent has seen which."""
    try:
        yield
    except RuntimeError as error:
        time.sleep(GRACE_SECONDS)
        raise DataError(f"a process of this training was lost ({str(error).splitlines()[0]}); {AGAIN}") from None


def _add_up(model: nn.Module, times: int) -> None:
    """Replace each gradient by the sum over all processes, in one message."""
    gradients = [one.grad for one in model.parameters() if one.grad is not None]
    if not gradients:
        return
    total = _reduce(torch.cat([one.reshape(-1) for one in gradients])) / times
    for one, part in zip(gradients, total.split([one.numel() for one in gradients]), strict=True):
        one.copy_(part.view(one.shape))


class Group:
    """The processes that train together: one."""

    rank, size = 0, 1

    def share(self, rows: int) -> Share:
        """Say what this process computes of so many rows."""
        return Share(rows)

    def told(self, tell: Callable[[], Told]) -> Told:
        """Give what the first process finds, to all; what it cannot find is raised in all."""
        return tell()


ALONE = Group()


class Ranks(Group):
    """Several processes, this one among them."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def share(self, rows: int) -> Share:
        return Repeated(rows, self.size) if rows < self.size else Stretch(rows, self.rank, self.size)

    def told(self, tell: Callable[[], Told]) -> Told:
        box: list[Any] = [None, None]
        if self.rank == 0:
            try:
                box[0] = tell()
            except PqrstError as error:
                box[1] = error
            except Exception as error:  # noqa: BLE001 (every process is to fail of the same, whatever it is)
                box[1] = RuntimeError(str(error))
        with _together():
            torch.distributed.broadcast_object_list(box)
        if box[1] is not None:
            raise box[1]
        found: Told = box[0]
        return found


def launch(work: Callable[[Group], None], count: int, *, gpus: bool) -> None:
    """Do the work in so many processes on this node, and on those that join it; `work` is a function that can be pickled."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # torch 2.13 keeps one store over restarts, where new processes find the addresses of those that were lost
    os.environ.setdefault("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    from torch.distributed.elastic.multiprocessing.api import SignalException  # noqa: PLC0415 (a second, for no other)
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415
    from torch.distributed.launcher.api import elastic_launch  # noqa: PLC0415
    from torch.distributed.run import config_from_args, parse_args  # noqa: PLC0415

    here = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", f"--rdzv-id={uuid.uuid4()}"]
    given = [f"--nproc-per-node={count}", *([] if processes.several_nodes() else here), "train"]
    logging.disable()  # the agent tells on many lines what is told in one here; the processes speak for themselves
    try:
        elastic_launch(config_from_args(parse_args(given))[0], _enter)(work, gpus)
    except ChildFailedError as error:
        raise _fault(*error.get_first_failure()) from None
    except SignalException as error:
        raise SystemExit(128 + error.sigval) from None
    finally:
        logging.disable(logging.NOTSET)


def _fault(rank: int, failure: Any) -> Exception:
    """Say what ended a process: its own line, a signal, or a traceback."""
    told = failure.error_file_data.get("message", {})
    if not isinstance(told, dict) or "extraInfo" not in told:
        lost = signal.Signals(-failure.exitcode).name if failure.exitcode < 0 else f"status {failure.exitcode}"
        return DataError(f"process {rank} of this training ended by {lost}; {AGAIN}")
    kind, _, said = told["message"].partition(": ")
    if kind in {one.__name__ for one in PqrstError.__subclasses__()}:
        return DataError(said)
    return RuntimeError(f"process {rank}: {told['extraInfo']['py_callstack']}")


def _enter(work: Callable[[Group], None], gpus: bool) -> None:
    """Work as one of several processes; only the first says anything."""
    rank, size, here = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    processes.die_with_parent()  # by SIGTERM: torch's own SIGINT waits for a message that nobody sends any more
    starter = multiprocessing.parent_process()
    if starter is None or not starter.is_alive():  # it was killed before this process could ask for that
        raise SystemExit(1)
    console.setup(logging.CRITICAL if rank else logging.INFO)
    if gpus and here >= torch.cuda.device_count():
        raise SettingsError(f"train.processes needs a GPU each, there are {torch.cuda.device_count()}; set it to that")
    if gpus:
        torch.cuda.set_device(here)
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=PATIENCE)
    work(Ranks(rank, size))
    torch.distributed.destroy_process_group()
