"""Files that are read only as they were written: SHA-256 of their bytes, compared before anything reads what is in them.

A sum that lies beside a file, or in it, tells of a disk, a copy or a hand that changed one file and not the other. Whoever can write
all of them can write the sums too: against him stands a sum that came another way, which `pin` compares.
"""

import hashlib
import re
from pathlib import Path

from pqrst.errors import DataError, SettingsError

HEX = re.compile(r"[0-9a-f]{64}")
BLANK = b"0" * 64  # what stands for a sum while it is taken of the bytes that will hold it
ANEW = "copy the run again, or train it anew"


def of(content: bytes) -> str:
    """Give the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def line(content: bytes, name: str) -> str:
    """Write a sum as `sha256sum --check` reads it."""
    return f"{of(content)}  {name}\n"


def told(file: Path) -> str | None:
    """Give the sum in a file that holds one line of it; nothing where there is no such file."""
    try:
        words = file.read_bytes().decode("ascii", "replace").split()
    except FileNotFoundError:
        return None
    if not words or not HEX.fullmatch(words[0]):
        raise DataError(f"{file} holds no SHA-256; {ANEW}")
    return words[0]


def check(content: bytes, expected: str, file: Path, teller: str) -> None:
    """Refuse bytes that are not those that were written."""
    found = of(content)
    if found != expected:
        raise DataError(
            f"{file} is not what was written: its SHA-256 is {found[:16]}..., {teller} says {expected[:16]}...; {ANEW}"
        )


def pin(content: bytes, wanted: str, file: Path) -> None:
    """Refuse bytes that are not those that the user asked for; without a wish any will do."""
    if not wanted:
        return
    if not HEX.fullmatch(wanted.lower()):
        raise SettingsError(f"--sha256 must be 64 hexadecimal digits, got {len(wanted)} signs; take it from sha256sum")
    found = of(content)
    if found != wanted.lower():
        raise DataError(f"{file} has SHA-256 {found}, which is not the one asked for; use the run that was meant")


def seal(content: bytes, mark: bytes) -> bytes:
    """Put the sum of bytes into them, where a mark and 64 zeros stand once: it is taken while the zeros are there."""
    place = content.index(mark) + len(mark)
    if content[place : place + 64] != BLANK:
        raise DataError("the place of the sum is taken; name this as a fault of the project")
    return content[:place] + _blanked(content, place).encode() + content[place + 64 :]


def check_sealed(content: bytes, mark: bytes, file: Path) -> None:
    """Refuse bytes whose own sum is missing or another."""
    if content.count(mark) != 1:
        raise DataError(f"{file} holds no SHA-256 of its own; write it with `pqrst export`")
    place = content.index(mark) + len(mark)
    if _blanked(content, place) != content[place : place + 64].decode("ascii", "replace"):
        raise DataError(f"{file} is not what was written: its own SHA-256 is another; copy it again, or export it anew")


def _blanked(content: bytes, place: int) -> str:
    """Give the SHA-256 of bytes as if 64 zeros stood at a place; nothing is copied, since networks are large."""
    whole = memoryview(content)
    found = hashlib.sha256(whole[:place])
    found.update(BLANK)
    found.update(whole[place + 64 :])
    return found.hexdigest()
