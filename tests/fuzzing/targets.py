"""All targets by name; the ordinary suite and the long run take them from here."""

import importlib
from collections.abc import Iterator

from fuzzing.core import Target

MODULES = (
    "of_recordings",
    "of_formats",
    "of_datasets",
    "of_settings",
    "of_served",
    "of_weights",
)  # those that load least come first


def _found() -> Iterator[tuple[str, Target]]:
    for module in MODULES:
        yield from importlib.import_module(f"fuzzing.{module}").TARGETS.items()


def one(name: str) -> Target:
    """Give a target by its name; modules behind its own are not loaded."""
    found = next((target for known, target in _found() if known == name), None)
    if found is None:
        raise SystemExit(f"there is no target {name}; known: {', '.join(everyone())}")
    return found


def everyone() -> dict[str, Target]:
    """Give all targets."""
    return dict(_found())
