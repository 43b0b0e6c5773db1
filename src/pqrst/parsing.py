"""One strict parser: a mapping from YAML into a frozen dataclass, or one line that says what is wrong with it."""

import difflib
import math
import reprlib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from pqrst.errors import SettingsError

Settings = TypeVar("Settings")
LARGEST_FILE, MOST_VALUES = 1 << 20, 100_000  # bytes; values of a file, each counted wherever it is referred to


@dataclass(frozen=True)
class Between:
    """The closed range that a number must lie in; used as Annotated[int, Between(1)]."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.high is None:
            return f"at least {self.low:g}"
        return f"at most {self.high:g}" if self.low is None else f"between {self.low:g} and {self.high:g}"

    def holds(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def nearest(name: str, known: Sequence[str]) -> str:
    """Suggest the known name most like this one, as the end of a sentence."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known) or 'none'}"


class _Brief(reprlib.Repr):
    """Show a value that came from outside, however large or deep it is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 3, 100, 100, 60

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > 1000:  # Python refuses to write some of them
            return f"a whole number of {x.bit_length()} bits"
        return super().repr_int(x, level)


shown = _Brief().repr


def named(key: Any) -> str:
    """Give a key of a mapping as it stands in a path."""
    return key if isinstance(key, str) and len(key) <= 100 else shown(key)


def read(file: Path, called: str) -> Mapping[Any, Any]:
    """Read a YAML file that must hold a mapping; `called` names it in an error."""
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise SettingsError(f"{called} is larger than {LARGEST_FILE} bytes; settings are not, give another file")
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
        _count(given, {}, called)
    except OSError as error:
        raise SettingsError(f"{called} cannot be read ({error.strerror}); check the path and its rights") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{called} is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise SettingsError(f"{called} is nested too deep; write its settings flatter") from None
    # dates that are none and the like; the text may be that of Python's own types
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise SettingsError(f"{called} is not YAML in UTF-8: {' '.join(str(error).split())}") from None
    if not isinstance(given, Mapping):
        raise SettingsError(f"{called} must be a mapping of settings, got {shown(given)}")
    return given


def _count(node: Any, known: dict[int, int], called: str) -> int:
    """Count a file's values as they are when references are written out; too many, or one inside itself, is refused."""
    if id(node) in known:
        if not known[id(node)]:
            raise SettingsError(f"{called} refers to a value from inside itself; write it out")
        return known[id(node)]
    inside = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    if not inside:
        return 1
    known[id(node)] = 0
    known[id(node)] = total = 1 + sum(_count(value, known, called) for value in inside)
    if total > MOST_VALUES:
        raise SettingsError(f"{called} holds more than {MOST_VALUES} values, references written out; shorten it")
    return total


def parse(kind: type[Settings], given: Any, path: str) -> Settings:
    """Build the dataclass `kind` from a mapping whose place in params.yaml is `path`."""
    if not isinstance(given, Mapping):
        raise SettingsError(f"{path} must be a mapping of settings, got {shown(given)}")
    hints = get_type_hints(kind, include_extras=True)
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            raise SettingsError(f"{path}.{named(key)} is not a setting; {nearest(named(key), known)}")
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in given:
            values[field.name] = convert(hints[field.name], given[field.name], f"{path}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise SettingsError(f"{path}.{field.name} is missing; it must be {describe(hints[field.name])}")
    try:
        return kind(**values)
    except (ValueError, SettingsError) as error:  # a rule between two settings, checked by the dataclass itself
        raise SettingsError(f"{path}: {error}") from None


def convert(hint: Any, value: Any, path: str) -> Any:  # noqa: PLR0911 (one return a kind of annotation)
    """Check one value against its annotation; only a number written as text is converted."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        number = convert(arguments[0], value, path)
        if number is not None and not arguments[1].holds(number):
            raise SettingsError(f"{path} must be {arguments[1]}, got {shown(value)}")
        return number
    if is_dataclass(hint):
        return parse(hint, value, path)  # type: ignore[arg-type]
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(convert(arguments[0], item, f"{path}[{place}]") for place, item in enumerate(value))
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {named(key): convert(arguments[1], item, f"{path}.{named(key)}") for key, item in value.items()}
    if origin in (Union, types.UnionType):
        return _first_fit(arguments, value, path, describe(hint))
    if origin is Literal:
        if value in arguments and type(value) is type(arguments[arguments.index(value)]):
            return value
        hint_at = nearest(value, [str(argument) for argument in arguments]) if isinstance(value, str) else ""
        raise SettingsError(
            f"{path} must be {describe(hint)}, got {shown(value)}" + (f"; {hint_at}" if hint_at else "")
        )
    return _plain(hint, value, path)


def _first_fit(arguments: tuple[Any, ...], value: Any, path: str, expected: str) -> Any:
    for choice in arguments:
        if choice is type(None) and value is None:
            return None
        if is_dataclass(choice) and isinstance(value, Mapping):
            return parse(choice, value, path)  # type: ignore[arg-type]
        try:
            return convert(choice, value, path)
        except SettingsError:
            continue
    raise SettingsError(f"{path} must be {expected}, got {shown(value)}")


def number(value: Any) -> Any:
    """Read text such as 1e-05 as the number it was meant to be: DVC writes it so, and YAML 1.1 calls it text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _plain(hint: Any, value: Any, path: str) -> Any:
    if hint is float and not isinstance(value, bool) and isinstance(number(value), int | float):
        try:
            found = float(number(value))
        except OverflowError:
            raise SettingsError(f"{path} must be float, got a whole number too large for one") from None
        if not math.isfinite(found):
            raise SettingsError(f"{path} must be a finite float, got {shown(value)}")
        return found
    if hint is Any or (isinstance(hint, type) and type(value) is hint):
        return value
    raise SettingsError(f"{path} must be {describe(hint)}, got {shown(value)}")


def describe(hint: Any) -> str:
    """Name an annotation in a user's words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{describe(arguments[0])} {arguments[1]}"
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (Union, types.UnionType):
        return " or ".join(describe(argument) for argument in arguments)
    if origin is tuple:
        return f"a list of {describe(arguments[0])}"
    if origin in (dict, Mapping) or is_dataclass(hint):
        return "a mapping"
    return {type(None): "null", Any: "anything", str: "text"}.get(hint, getattr(hint, "__name__", str(hint)))
