"""The marks beside a WFDB recording, from the bytes of their file in MIT's format.

The wfdb package reads them too, but never returns from a file that says a word too many of itself, and takes one that breaks
off for a whole one. Source: WFDB Applications Guide, annot(5).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

END = bytes(2)  # closes every file
SKIP, FIELDS, TEXT = 59, (60, 61, 62), 63  # a long step; number, subtype and channel of the mark before; its text
LONGEST_TEXT = 255  # bytes
NOTE = 22  # at sample 0: a word about the file, and no mark
FIRST, LAST = "## annotation type definitions", "## end of definitions"
DEFINED = re.compile(r"(\d{1,2}) (\S+) .+", re.ASCII)


@dataclass(frozen=True)
class Annotations:
    """The marks of a file as it lists them, and the symbols that it defines itself."""

    samples: np.ndarray  # (marks,) int64
    codes: tuple[int, ...]
    defined: Mapping[int, str]

    def symbols(self) -> list[str]:
        """Name each mark by its symbol; a kind that nobody defined raises ValueError."""
        known = {**usual_symbols(), **self.defined}
        if not known.keys() >= set(self.codes):
            raise ValueError("marks of no known kind")
        return [known[code] for code in self.codes]


@cache
def usual_symbols() -> Mapping[int, str]:
    """Give the symbols that every WFDB file may use, by their codes."""
    from wfdb.io.annotation import ann_label_table  # noqa: PLC0415 (costs half a second)

    return dict(zip(ann_label_table["label_store"], ann_label_table["symbol"], strict=True))


def read(content: bytes) -> Annotations:
    """Read a file of annotations; what is no such file, or not a whole one, raises ValueError."""
    if len(content) % 2 or not content.endswith(END):
        raise ValueError("breaks off before its end mark")
    place, sample = 0, 0
    marks: list[tuple[int, int]] = []
    words = np.frombuffer(content, "<u2").tolist()
    texts: dict[int, str] = {}
    while word := words[place]:
        code, step = word >> 10, word & 0x3FF
        place += 1
        if code == SKIP:
            sample += _signed(words[place : place + 2])
            place += 2
        elif code == TEXT:
            texts[len(marks) - 1] = _text(content[2 * place : 2 * place + step], step)
            place += (step + 1) // 2
        elif code not in FIELDS:
            sample += step
            marks.append((sample, code))
        if place >= len(words):
            raise ValueError("breaks off before its end mark")
    if any(words[place:]):
        raise ValueError("goes on behind its end mark")
    kept = [one for one in marks if one[1] and one != (0, NOTE)]
    told = [texts.get(number, "") for number, one in enumerate(marks) if one == (0, NOTE)]
    return Annotations(np.array([one for one, _ in kept], np.int64), tuple(code for _, code in kept), _defined(told))


def _signed(words: list[int]) -> int:
    """Read a long step: two words, the high one first, as a signed number."""
    if len(words) < 2:
        raise ValueError("breaks off before its end mark")
    step = words[0] << 16 | words[1]
    return step - 2**32 if step >= 2**31 else step


def _text(content: bytes, length: int) -> str:
    if length > LONGEST_TEXT or len(content) < length:
        raise ValueError("has a text that is too long")
    return content.decode("latin-1").rstrip("\0")


def _defined(told: list[str]) -> dict[int, str]:
    """Read the symbols that a file defines between two words of its own."""
    if FIRST not in told:
        return {}
    start = told.index(FIRST) + 1
    lines = told[start : told.index(LAST, start)] if LAST in told[start:] else [""]
    found = [DEFINED.fullmatch(line) for line in lines]
    if not all(found):
        raise ValueError("defines symbols that cannot be read")
    return {int(one[1]): one[2] for one in found if one}
