"""Which recordings a source holds in one of its folders, however it tells."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from pqrst import downloads
from pqrst.downloads import Source

RECORDS, HEADER = "RECORDS", ".hea"


def stems(source: Source, folder: str, sums: Mapping[str, str]) -> list[str]:
    """List the recordings in a folder and in those right below it, as paths below the source without ending.

    By RECORDS where the folder has one, else by the checksums, else by what lies there, where that can be seen. A host's
    checksums come first: they are complete, and read anyway.
    """
    if source.kind == "host":
        found = _by_sums(folder, sums) or _by_records(source, folder)
    else:
        found = _by_records(source, folder) or _by_sums(folder, sums) or _by_sight(source, folder)
    return sorted(set(found))


def paths(source: Source, folder: str, ending: str, sums: Mapping[str, str]) -> dict[str, str]:
    """Give the files with an ending in a folder, or below it: name without folder and ending -> path below the source.

    By the checksums, or else by what lies there, where that can be seen; of two with one name the first. Nothing where
    neither tells.
    """
    found = [name for name in sums if name.startswith(folder) and name.endswith(ending)]
    root = downloads.here(source)
    if not found and root is not None:
        found = [path.relative_to(root).as_posix() for path in (root / folder).rglob(f"*{ending}")]
    return {PurePosixPath(name).name.removesuffix(ending): name for name in sorted(found, reverse=True)}


def _by_records(source: Source, folder: str, deeper: bool = True) -> list[str]:
    """Read RECORDS; a line with a stroke at its end names a folder that has a list of its own."""
    if not downloads.exists(source, f"{folder}/{RECORDS}"):
        return []
    found = []
    for line in downloads.read_text(source, f"{folder}/{RECORDS}").split():
        if line.endswith("/") and deeper:
            found += _by_records(source, f"{folder}/{line.rstrip('/')}", deeper=False)
        else:
            found.append(f"{folder}/{line}")
    return found


def _by_sums(folder: str, sums: Mapping[str, str]) -> list[str]:
    return [name.removesuffix(HEADER) for name in sums if name.startswith(f"{folder}/") and name.endswith(HEADER)]


def _by_sight(source: Source, folder: str) -> list[str]:
    root = downloads.here(source)
    if root is None:
        return []
    paths = [path for depth in ("*", "*/*") for path in (root / folder).glob(f"{depth}{HEADER}")]
    return [path.relative_to(root).as_posix().removesuffix(HEADER) for path in paths]
