"""Many small files as a few archives: fetched, verified and packed group by group, and read back by their names."""

import hashlib
import os
import re
import shutil
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from pqrst import downloads
from pqrst.console import log
from pqrst.downloads import SUMS, USUAL, Patience, Source
from pqrst.errors import DataError, DownloadError
from pqrst.files import file_digest, whole
from pqrst.transport import Sleep

ENDING = ".zip"
AGAIN = "download the database again"
RECORDINGS_A_PACK = 1000
STAMP = (1980, 1, 1, 0, 0, 0)  # the earliest time an archive can name: its bytes tell nothing of when it was made
ORDINARY = 0o644 << 16  # a plain file that everybody may read, where the archive keeps rights
# what the standard library raises on bytes that are no archive of stored files
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, KeyError, OSError)


@dataclass(frozen=True)
class _Wishes:
    """What the groups of one fetch have in common."""

    source: Source
    sums: Mapping[str, str]
    optional: Collection[str]
    missing: str  # the end of the line that tells of a missing file
    patience: Patience
    sleep: Sleep


def by_thousand(stems: Sequence[str], endings: Sequence[str]) -> dict[str, list[str]]:
    """Gather the files of each folder's recordings by the thousand."""
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for stem in stems:
        folders[stem.rpartition("/")[0]].append(stem)
    return {
        f"{folder}/{start // RECORDINGS_A_PACK + 1:03d}".lstrip("/"): [
            f"{stem}.{ending}" for stem in inside[start : start + RECORDINGS_A_PACK] for ending in endings
        ]
        for folder, inside in folders.items()
        for start in range(0, len(inside), RECORDINGS_A_PACK)
    }


def fetch(
    source: Source,
    groups: Mapping[str, Collection[str]],
    dest: Path,
    scratch: Path,
    *,
    plain: Mapping[str, Source] | None = None,
    sums: Mapping[str, str] | None = None,
    optional: Collection[str] = (),
    missing: str = "check the source's folder and version",
    patience: Patience = USUAL,
    sleep: Sleep = time.sleep,
) -> dict[str, Any]:
    """Bring groups of files into `dest` as one archive a group, whole or not at all, and give their provenance.

    A run that was stopped goes on where it was: at a file within its group, past every group that is packed. At most
    one group is held unpacked, so that at any time the result and one group more lie on the disk.

    Args:
        source: where the files of the groups come from.
        groups: the name of each archive, without its ending -> paths below the source.
        dest: the folder; what stood there before goes first.
        scratch: a folder that outlives a failed stage, best on the disk of `dest`.
        plain: files to lie beside the archives as they are -> the source of each.
        sums: name -> SHA-256; read from the source where not given.
        optional: names that may be missing there; a packed group with gaps is fetched anew by the next run.
        missing: what to do about a file that is not optional and not there.
        patience: how long to try.
        sleep: waits between tries.
    """
    plain = plain or {}
    names = [name for group in groups.values() for name in group]
    for one in (source, *plain.values()):
        downloads.check(one, [*groups, *plain, *names], dest)
    sums = downloads.checksums(source, patience, sleep) if sums is None else sums
    found = _bring(_Wishes(source, sums, frozenset(optional), missing, patience, sleep), groups, plain, dest, scratch)
    wanted = len({*plain, *names})
    told = downloads.provenance(source.kind, found, sums)
    return told | ({"missing": wanted - len(found)} if len(found) < wanted else {})


def _bring(
    w: _Wishes, groups: Mapping[str, Collection[str]], plain: Mapping[str, Source], dest: Path, scratch: Path
) -> dict[str, str]:
    """Fetch and pack everything in scratch, then let the folder take its place; give the sum of each file."""
    room = scratch / "packs"
    with downloads.written(dest):
        shutil.rmtree(dest, ignore_errors=True)
        room.mkdir(parents=True, exist_ok=True)
    with downloads.alone(room):
        files = _plain(plain, room, w)
        packs, found = _packed(groups, room, w)
        found |= {name: file_digest(file) for name, file in files.items()}
        _assemble(files | packs, dest)
        shutil.rmtree(room)
    return found


def _plain(plain: Mapping[str, Source], room: Path, w: _Wishes) -> dict[str, Path]:
    """Fetch the files that stay as they are; give where they lie."""
    found: dict[str, Path] = {}
    for source in dict.fromkeys(other.url for other in plain.values()):
        names = [name for name, other in plain.items() if other.url == source]
        folder = room / f"plain-{hashlib.sha256(source.encode()).hexdigest()[:12]}"
        _get(plain[names[0]], names, folder, w)
        found |= {name: folder / name for name in names if (folder / name).is_file()}
    return found


def _packed(groups: Mapping[str, Collection[str]], room: Path, w: _Wishes) -> tuple[dict[str, Path], dict[str, str]]:
    """Pack every group; give the archives by their final names, and the sum of each file in them."""
    packs: dict[str, Path] = {}
    found: dict[str, str] = {}
    for number, (group, names) in enumerate(groups.items(), 1):
        pack = room / f"{_contents(names, w.sums)}{ENDING}"
        # without sums nothing would tell that a folder's files are others than those that were packed
        known = downloads.here(w.source) is None or all(name in w.sums for name in names)
        held = _held(pack) if known else {}
        if not set(names) <= set(held):
            log.info("%s: group %s of %s, %s files", group, number, len(groups), len(names))
            held = _pack(names, pack, room, w)
        if held:
            packs[f"{group}{ENDING}"] = pack
            found |= held
    if groups and not found:
        raise DownloadError(f"{w.source.shown()}: none of {sum(map(len, groups.values()))} files is there; {w.missing}")
    return packs, found


def _contents(names: Iterable[str], sums: Mapping[str, str]) -> str:
    """Name an archive by what it must contain."""
    lines = "".join(f"{sums.get(name, '')}  {name}\n" for name in sorted(set(names)))
    return hashlib.sha256(lines.encode()).hexdigest()[:24]


def _held(pack: Path) -> dict[str, str]:
    """Give the sum of each file in a finished archive; nothing where it is not there or no longer whole."""
    try:
        with zipfile.ZipFile(pack) as archive:
            lines = archive.read(SUMS).decode().splitlines()
            held = {name: sum_ for sum_, name in (line.split("  ", 1) for line in lines)}
            whole = all(hashlib.sha256(archive.read(name)).hexdigest() == held[name] for name in held)
    except DAMAGED:
        return {}
    return held if whole else {}


def _pack(names: Collection[str], pack: Path, room: Path, w: _Wishes) -> dict[str, str]:
    """Fetch one group, write its archive and drop its files; give the sum of each file."""
    folder = room / "group"
    _get(w.source, names, folder, w)
    there = [name for name in sorted(set(names)) if (folder / name).is_file()]
    partial = pack.with_suffix(".partial")
    with downloads.written(partial):
        held = _write(folder, there, partial) if there else {}
        shutil.rmtree(folder)
        if held:
            partial.replace(pack)
    return held


def _get(source: Source, names: Collection[str], folder: Path, w: _Wishes) -> None:
    """Fetch files into a folder, and leave nothing else of them on the disk."""
    wire = folder.with_name(f"{folder.name}-wire")
    # a missing file is told here, with what the caller knows of it, once all the others of its group are there
    downloads.fetch(source, names, folder, wire, sums=w.sums, optional=names, patience=w.patience, sleep=w.sleep)
    for name in names:
        if name not in w.optional and not (folder / name).is_file():
            raise DownloadError(f"{source.shown(name)}: not found; {w.missing}")
    with downloads.written(wire):
        shutil.rmtree(wire, ignore_errors=True)


def _write(folder: Path, names: Iterable[str], pack: Path) -> dict[str, str]:
    """Write files and the list of their sums as one archive that is the same bytes for the same files."""
    held = {}
    with zipfile.ZipFile(pack, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            content = (folder / name).read_bytes()
            held[name] = hashlib.sha256(content).hexdigest()
            archive.writestr(_entry(name), content)
        archive.writestr(_entry(SUMS), "".join(f"{sum_}  {name}\n" for name, sum_ in held.items()))
    return held


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, STAMP)
    entry.create_system, entry.external_attr = 3, ORDINARY  # said alike on every system
    return entry


def _assemble(files: Mapping[str, Path], dest: Path) -> None:
    """Lay finished files beside `dest`, and move the folder into place."""
    with downloads.written(dest), whole(dest) as partial:
        for name, file in files.items():
            with downloads.written(partial / name, file.stat().st_size):
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                _lay(file, partial / name)


def _lay(file: Path, target: Path) -> None:
    """Give a file a second name, so that nothing is lost if this run is stopped; on another disk copy it."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


class Pack:
    """One archive, held open."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self.archive = zipfile.ZipFile(file)
        except DAMAGED:
            raise DataError(f"{file} is no whole archive; {AGAIN}") from None
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in self.archive.infolist()):
            self.archive.close()
            raise DataError(f"{file} holds packed files, where they belong as they are; {AGAIN}")
        self.names = frozenset(n for n in self.archive.namelist() if n != SUMS and not n.endswith("/"))

    def read(self, name: str) -> bytes:
        """Give the bytes of one file, its checksum verified."""
        try:
            return self.archive.read(name)
        except DAMAGED:
            raise DataError(f"{self.file} is damaged at {name}; {AGAIN}") from None

    def close(self) -> None:
        self.archive.close()


class Packs:
    """Files by name: out of a folder's archives, and out of the folder itself where no archive holds them."""

    def __init__(self, folder: Path, packs: Iterable[Pack]) -> None:
        self.folder, self.packs = folder, tuple(packs)
        self.places = {name: pack for pack in self.packs for name in pack.names}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pack in self.packs:
            pack.close()

    def __contains__(self, name: str) -> bool:
        return name in self.places or (_is_below(name) and (self.folder / name).is_file())

    def names(self) -> list[str]:
        """List every file, packed or plain, in the order of the names."""
        paths = (Path(folder, file) for folder, _, files in os.walk(self.folder) for file in files)
        plain = (path.relative_to(self.folder).as_posix() for path in paths if path.suffix != ENDING)
        return sorted({*self.places, *plain})

    def read(self, name: str) -> bytes:
        """Give the bytes of one file."""
        if name in self.places:
            return self.places[name].read(name)
        if not _is_below(name) or not (self.folder / name).is_file():
            raise FileNotFoundError(name)
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise DataError(f"{self.folder / name} cannot be read ({error.strerror}); check its rights") from None


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and not re.search(r"[\\\x00]", name)


def open_all(folder: Path) -> Packs:
    """Open every archive in a folder; closing what this gives closes them."""
    if not folder.is_dir():
        raise DataError(f"{folder} is missing; {AGAIN}")
    packs: list[Pack] = []
    try:
        packs.extend(Pack(file) for file in sorted(folder.rglob(f"*{ENDING}")))
    except DataError:
        for pack in packs:
            pack.close()
        raise
    return Packs(folder, packs)
