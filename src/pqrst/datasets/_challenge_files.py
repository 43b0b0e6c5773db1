"""Recordings as the Challenge 2021 has them: where its collections lie, how they are packed, what a header tells."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pqrst import downloads, packs
from pqrst.arrays import Declared
from pqrst.datasets import _record_lists, _wfdb12
from pqrst.datasets._wfdb12 import Recording
from pqrst.downloads import Source
from pqrst.errors import DataError, DownloadError, RecordError
from pqrst.packs import AGAIN, Packs

HOST = "https://physionet.org/files/challenge-2021/1.0.3"
MIRRORED, TRAINING = "challenge2021", "training/"  # a mirror's folder; the level of the host that a mirror leaves out
HEADER = ".hea"
# recordings whose headers exist with other diagnoses in other copies
DOUBTFUL = ("JS00005", "JS20005", "JS20006")
# of each collection; how many steps a mV st_petersburg_incart has is not known here
DECLARED = {
    name: Declared(rate, 1000.0)
    for name, rate in {
        "cpsc_2018": 500.0,
        "cpsc_2018_extra": 500.0,
        "ptb": 1000.0,
        "ptb-xl": 500.0,
        "georgia": 500.0,
        "chapman_shaoxing": 500.0,
        "ningbo": 500.0,
    }.items()
} | {"st_petersburg_incart": Declared(257.0)}


def source(base: str | None, host: str) -> tuple[Source, dict[str, str]]:
    """Give the place right above the collections, at `host` or in the mirror at `base`, and its sums."""
    root = downloads.at(base, MIRRORED, host)
    sums = {name.removeprefix(TRAINING): found for name, found in downloads.checksums(root).items()}
    return (root if base else Source(f"{host}/{TRAINING.rstrip('/')}", root.kind)), sums


def groups(place: Source, sums: Mapping[str, str], collections: Sequence[str], hint: str) -> dict[str, list[str]]:
    """Name the archives that some collections make, with their files; `hint` is what to do where one is missing."""
    found: dict[str, list[str]] = {}
    for name in collections:
        stems = _record_lists.stems(place, name, sums)
        if not stems:
            raise DownloadError(f"{place.shown(name)}: holds no recording that can be listed; {hint}")
        found |= packs.by_thousand(stems, ("hea", "mat"))
    return found


def headers(files: Packs, called: Callable[[str], str]) -> dict[str, list[str]]:
    """Give the paths without ending under which each recording lies; `called` names one by its path, or not at all."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for file in files.names():
        stem = file.removesuffix(HEADER)
        if stem != file and (name := called(stem)):
            found[name].append(stem)
    return dict(found)


def labelled(files: Packs, wanted: Callable[[str], bool]) -> tuple[list[tuple[str, str, set[str]]], list[RecordError]]:
    """Give the wanted recordings by name, with their paths without ending and their codes, and the others' faults."""
    found = headers(files, lambda stem: own if wanted(own := stem.rpartition("/")[2]) else "")
    rows, faults = [], []
    for name in sorted(found):
        try:
            stem = only(name, found[name])
            rows.append((name, stem, codes(name, told(_wfdb12.comments(name, files.read(f"{stem}{HEADER}"))))))
        except RecordError as fault:
            faults.append(fault)
        except DataError as fault:
            faults.append(RecordError(name, str(fault)))
    return rows, faults


def load(
    name: str, stem: str, files: Packs, fs: float | None = None
) -> tuple[Recording, dict[str, str], tuple[str, ...]]:
    """Read a recording, of one rate if that is given, with what its header tells, and whether that is doubtful."""
    found = _wfdb12.load(name, files, (f"{stem}{HEADER}", f"{stem}.mat"), AGAIN, some=True)
    if fs and found.fs != fs:
        raise RecordError(name, f"its header says {found.fs:g} Hz where {fs:g} Hz belong; {AGAIN}")
    doubtful = ["doubtful_labels"] if stem.rpartition("/")[2] in DOUBTFUL else []
    return found, told(found.comments), tuple(doubtful)


def steps(found: Recording) -> dict[str, Any]:
    """Give what a Record says of the samples of a recording of 500 Hz."""
    return {
        "signal": found.signal,
        "gain": found.gain,
        "zero": found.zero,
        "missing": _wfdb12.MISSING,
        "ends": found.ends,
        "declared": DECLARED["cpsc_2018"],
    }


def only(name: str, paths: Sequence[str]) -> str:
    """Give the one path of a recording."""
    if len(paths) > 1:
        raise RecordError(name, f"it lies there as {paths[0]} and as {paths[1]}; keep one")
    return paths[0]


def told(comments: Sequence[str]) -> dict[str, str]:
    """Read `Dx: ...` and its like, which stand behind `#` in one style of header and behind `# ` in the other."""
    pairs = (comment.partition(":") for comment in comments)
    return {key.strip().lower(): value.strip() for key, mark, value in pairs if mark}


def codes(name: str, said: Mapping[str, str]) -> set[str]:
    """Give the SNOMED CT codes of a recording; the order in which a header lists them means nothing."""
    if "dx" not in said:
        raise RecordError(name, f"its header has no line Dx; {AGAIN}")
    return {code.strip() for code in said["dx"].split(",")} - {""}
