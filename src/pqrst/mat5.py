"""MATLAB 5 files, from their bytes: one struct by its name, or every variable.

scipy reads such files too, but its process dies of some that are damaged. What is read here is what a recording needs:
real numbers, text, cells of texts, and structs of one element whose fields are such, compressed or not, written on a
machine with the low byte first. Source: MathWorks, MAT-File Format, section "Level 5 MAT-File Format".
"""

import math
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

HEAD, MARK = 128, b"\x00\x01IM"  # bytes before the first element, which end with version and byte order
LARGEST = 2**26  # bytes of all elements that were compressed, and numbers of an array
MATRIX, COMPRESSED = 14, 15  # kinds of elements
CELL, STRUCT, CHAR, COMPLEX = 1, 2, 4, 0x08  # kinds of arrays, and a flag
NUMBERS = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
TEXTS = {1: "ascii", 2: "ascii", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le", 18: "utf-32-le"}

Parts = list[tuple[int, bytes]]  # of a matrix: its flags, sizes, name and content, each with its kind


def struct(content: bytes, name: str) -> dict[str, np.ndarray | str]:
    """Give the fields of the struct with a name; what is no such file, or not a whole one, raises ValueError."""
    for parts in _matrices(content):
        if len(parts) > 2 and parts[2][1] == name.encode():
            return {called: _value(list(_elements(matrix))) for called, matrix in _fields(parts)}
    raise ValueError(f"it has no {name}")


def variables(content: bytes) -> dict[str, Any]:
    """Give the variables that are numbers, text, tuples of texts, or mappings of such; others are left out."""
    found = {}
    for parts in _matrices(content):
        if len(parts) > 2:
            with suppress(ValueError):
                found[parts[2][1].decode("ascii")] = _variable(parts)
    return found


def _matrices(content: bytes) -> Iterator[Parts]:
    """Go through the variables of a file."""
    if content[HEAD - len(MARK) : HEAD] != MARK:
        raise ValueError("it is no MATLAB 5 file")
    room = LARGEST
    for kind, data in _elements(content[HEAD:]):
        plain = _inflated(data, room) if kind == COMPRESSED else b""
        room -= len(plain)
        for inner, matrix in _elements(plain) if kind == COMPRESSED else [(kind, data)]:
            yield list(_elements(matrix)) if inner == MATRIX else []


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Go through elements: kind, size and bytes, all but compressed ones filled up to a multiple of eight."""
    at = 0
    while at < len(data):
        kind, size = (int.from_bytes(data[place : place + 4], "little") for place in (at, at + 4))
        start = at + 8
        if kind >> 16:  # a small one: its size stands before its kind, and up to four bytes where others have theirs
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        end = start + size
        if end > len(data) or (start == at + 4 and size > 4):
            raise ValueError("an element is cut short")
        yield kind, data[start:end]
        at = end if kind == COMPRESSED else end + -end % 8


def _inflated(data: bytes, room: int) -> bytes:
    """Unpack an element, no further than to `room` bytes and one more."""
    try:
        found = zlib.decompressobj().decompress(data, room + 1)
    except zlib.error:
        raise ValueError("an element cannot be unpacked") from None
    if len(found) > room:
        raise ValueError(f"it unpacks to more than {LARGEST} bytes")
    return found


def _fields(parts: Parts) -> list[tuple[str, bytes]]:
    """Read a struct: flags, sizes, name, width of the names of its fields, those names, and a matrix for each."""
    if len(parts) < 5 or parts[0][1][:1] != bytes([STRUCT]):
        raise ValueError("it is no struct")
    width, names = int.from_bytes(parts[3][1], "little"), parts[4][1]
    if not width or len(names) != width * len(parts[5:]) or any(kind != MATRIX for kind, _ in parts[5:]):
        raise ValueError("it is no struct of one element")
    called = [names[k : k + width].split(b"\0")[0].decode("ascii") for k in range(0, len(names), width)]
    return list(zip(called, (matrix for _, matrix in parts[5:]), strict=True))


def _variable(parts: Parts) -> Any:
    """Read a variable of any kind that a recording may hold."""
    kind = parts[0][1][:1]
    if kind == bytes([STRUCT]):
        found = {}
        for name, matrix in _fields(parts):
            with suppress(ValueError):
                inner = list(_elements(matrix))
                found[name] = _texts(inner) if inner[:1] and inner[0][1][:1] == bytes([CELL]) else _value(inner)
        return found
    return _texts(parts) if kind == bytes([CELL]) else _value(parts)


def _texts(parts: Parts) -> tuple[str, ...]:
    """Read a cell array of texts."""
    found = [_value(list(_elements(matrix))) for _, matrix in parts[3:]]
    if not all(isinstance(text, str) for text in found):
        raise ValueError("a cell holds no text")
    return tuple(map(str, found))


def _value(parts: Parts) -> np.ndarray | str:
    """Read an array of real numbers, column by column, or text; nothing at all is an array without numbers."""
    if not parts:
        return np.zeros(0)
    if len(parts) != 4 or len(parts[0][1]) != 8 or parts[0][1][1] & COMPLEX:
        raise ValueError("a field is neither real numbers nor text")
    (flags, (_, sizes)), (kind, data) = parts[:2], parts[3]
    if flags[1][0] == CHAR:
        return data.decode(TEXTS.get(kind, "ascii"))
    shape = np.frombuffer(sizes, "<i4").tolist()
    if kind not in NUMBERS or min(shape, default=-1) < 0 or math.prod(shape) > LARGEST:
        raise ValueError("a field is neither real numbers nor text")
    return np.frombuffer(data, NUMBERS[kind]).reshape(shape, order="F")
