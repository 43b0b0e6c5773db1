"""Change a module that is loaded, so that tests that are collected see the change and a forked child need not begin anew."""

import sys
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import get_args

from changes import Mutant, mutated

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "pqrst"
OURS = ("pqrst", "test_", "tests", "toys", "conftest")  # modules that may hold what a module of ours defines


class Module:
    """A module that is loaded, with the source it was loaded from."""

    def __init__(self, path: Path) -> None:
        self.path, self.source = path, path.read_text(encoding="utf-8")
        self.name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        self.loaded = import_module(self.name)
        self.told = str(path.relative_to(PACKAGE))

    def forget(self) -> None:
        """Empty what functions keep of their results."""
        for value in vars(self.loaded).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()

    def change(self, mutant: Mutant, in_body: bool) -> None:
        """Make a change in place, so that whoever holds a function, class or constant of this module holds the changed one."""
        self.forget()
        code = compile(mutated(self.source, mutant), str(self.path), "exec")
        if in_body:
            _function(vars(self.loaded), mutant.scope).__code__ = _code(code, mutant.scope)
            return
        fresh = {"__name__": self.name, "__file__": str(self.path)}
        exec(code, fresh)  # noqa: S102 (that is what a mutation tester does)
        _graft(vars(self.loaded), fresh, self.name)


def _code(code: CodeType, name: str) -> CodeType:
    """Find the code of a function inside that of its module or class."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and inner.co_qualname == name:
            return inner
        if isinstance(inner, CodeType) and name.startswith(inner.co_qualname + "."):
            return _code(inner, name)
    raise LookupError(name)


def _function(names: dict, qualified: str) -> FunctionType:
    first, *rest = qualified.split(".")
    found = names[first]
    for name in rest:
        found = vars(found)[name]
    found = getattr(found, "fget", found)
    return getattr(found, "__wrapped__", found)


def _graft(old: dict, fresh: dict, module: str) -> None:
    """Bring the constants, defaults and settings of a module made anew into the loaded one, wherever they were taken to."""
    for name, value in fresh.items():
        was = old.get(name)
        if isinstance(value, FunctionType) and value.__module__ == module:
            was.__defaults__, was.__kwdefaults__ = value.__defaults__, value.__kwdefaults__
        elif isinstance(value, type) and value.__module__ == module:
            _graft_class(was, value)
        elif (
            not name.startswith("__") and not isinstance(value, ModuleType) and (not callable(value) or get_args(value))
        ):
            for other in [each for each in sys.modules.values() if each.__name__.startswith(OURS)]:
                _replace(vars(other), name, was, value)


def _replace(names: dict, name: str, was: object, value: object) -> None:
    """Put a constant, or a type with its limits, in the place of the old one, in settings too."""
    if names.get(name) is was:
        names[name] = value
    for each in [each for each in names.values() if isinstance(each, type)]:
        types = vars(each).get("__annotations__", {})
        types |= {field: value for field, kind in types.items() if kind is was and get_args(value)}


def _graft_class(was: type, value: type) -> None:
    was.__annotations__ = value.__annotations__
    for name, each in list(vars(value).items()):
        if isinstance(each, FunctionType):
            own = vars(was)[name]
            own.__defaults__, own.__kwdefaults__ = each.__defaults__, each.__kwdefaults__
        elif name == "__dataclass_fields__" or not (
            name.startswith("__") or callable(each) or isinstance(each, property)
        ):
            setattr(was, name, each)
