"""A network's first weights from a file: every tensor by its name and shape, or a refusal that leaves the network as it was.

Only the last layer may stay as it was drawn, where the file's network had another number of classes.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pqrst.errors import DataError

WRAPPERS = ("state_dict", "model")  # under which a checkpoint may keep its tensors
COUNTER = "num_batches_tracked"  # of batch norms; older files do without


@dataclass(frozen=True)
class Loaded:
    """What a network took from a file: the names of the tensors that it took, and of those that it kept."""

    file: str
    digest: str  # SHA-256 of the file
    fitted: tuple[str, ...]
    fresh: tuple[str, ...]

    def __str__(self) -> str:
        kept = f"as drawn: {', '.join(self.fresh)}" if self.fresh else "none left as drawn"
        return f"{len(self.fitted)} of {len(self.fitted) + len(self.fresh)} tensors from {self.file}; {kept}"


def load(model: nn.Module, file: Path) -> Loaded:
    """Fill a network from a .safetensors file, or a .pth file of torch that holds tensors and nothing else."""
    given, own = read(file), model.state_dict()
    fresh = _fresh(model, own, given)
    _check(own, given, fresh, file)
    fitted = tuple(name for name in own if name not in fresh)
    model.load_state_dict({name: given[name] for name in fitted}, strict=False)
    return Loaded(str(file), hashlib.sha256(file.read_bytes()).hexdigest(), fitted, fresh)


def read(file: Path) -> dict[str, Tensor]:
    """Read the tensors of a file by their names."""
    readers: dict[str, Callable[[Path], Any]] = {".safetensors": load_file, ".pth": _from_torch, ".pt": _from_torch}
    if file.suffix not in readers:
        raise DataError(f"{file} is no file of weights by its name; it must end in {', '.join(readers)}")
    try:
        given = readers[file.suffix](file)
    except FileNotFoundError:
        raise DataError(
            f"{file} is missing; put the weights there, or name no file to begin from random ones"
        ) from None
    except Exception as error:  # noqa: BLE001 (what torch raises on foreign bytes has no common parent)
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{file} cannot be read as weights ({reason}); fetch or save it anew") from None
    if not given or not all(isinstance(value, Tensor) for value in given.values()):
        raise DataError(f"{file} must hold tensors by name and nothing else; save a network's state_dict()")
    return dict(given)


def _from_torch(file: Path) -> Mapping[str, Any]:
    try:
        given = torch.load(file, map_location="cpu", weights_only=True)  # so that a file cannot run code
    except OSError:
        raise
    except Exception:  # noqa: BLE001 (torch's own words are advice on running the code in the file, in many lines)
        raise TypeError("it is no file of torch, or holds more than tensors") from None
    if not isinstance(given, Mapping):
        raise TypeError(f"it holds a {type(given).__name__}")
    inner = [given[key] for key in WRAPPERS if isinstance(given.get(key), Mapping)]
    return inner[0] if inner else given


def _fresh(model: nn.Module, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Name what stays as it was drawn: a last layer of another number of classes, and counters that the file lacks."""
    counters = [name for name in own if name.endswith(COUNTER) and name not in given]
    layers = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    last = [name for name in own if layers and name.rpartition(".")[0] == layers[-1]]
    others = [name in given and _classes_differ(own[name], given[name]) for name in last]
    return (*counters, *(last if last and all(others) else ()))


def _classes_differ(own: Tensor, given: Tensor) -> bool:
    return own.ndim == given.ndim and own.shape[0] != given.shape[0] and own.shape[1:] == given.shape[1:]


def _check(own: Mapping[str, Tensor], given: Mapping[str, Tensor], fresh: Collection[str], file: Path) -> None:
    """Refuse a file that lacks a tensor, has one too many, or one of another shape."""
    lacking = [f"it lacks {name}" for name in own if name not in given and name not in fresh]
    needless = [f"it holds {name}, unknown to the network" for name in given if name not in own]
    pairs = [(name, own[name], given[name]) for name in own if name in given and name not in fresh]
    unlike = [_unlike(name, one.shape, two.shape) for name, one, two in pairs if one.shape != two.shape]
    faults = [*lacking, *needless, *unlike]
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise DataError(
            f"{file} does not fit the network: {faults[0]}{more}; take weights saved from the same network and input"
        )


def _unlike(name: str, own: torch.Size, given: torch.Size) -> str:
    if len(own) == len(given) == 4 and (own[0], *own[2:]) == (given[0], *given[2:]):
        return f"{name} takes {given[1]} channels there, {own[1]} here"
    return f"{name} is {tuple(given)} there, {tuple(own)} here"
