"""Walk over the elements of a DICOM file before pydicom builds them: eight bytes of a file can take a thousand of memory.

Source: DICOM PS3.5 chapter 7 (elements, sequences and their items) and PS3.10 chapter 7 (preamble and file meta information).
"""

import struct

from pqrst.errors import RecordError
from pqrst.recordings._leads import shown

PREAMBLE, MAGIC = 128, b"DICM"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"  # transfer syntaxes, both with the low byte first
LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
SYNTAX = b"\x02\x00\x10\x00"
META, ITEM, ITEM_END, SEQUENCE_END = b"\x02\x00", b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
# sequences that are looked into where the file does not say which element is one: of waveforms, channels, sources and units
SEQUENCES = {b"\x00\x54\x00\x01", b"\x3a\x00\x00\x02", b"\x3a\x00\x08\x02", b"\x3a\x00\x11\x02"}
OPEN = 0xFFFFFFFF  # length of what ends with a mark
MOST, DEEPEST = 100_000, 16  # elements and items, and sequences in sequences


def check(record: str, content: bytes) -> None:
    """Refuse what is no DICOM file, or has more elements than a waveform needs."""
    if content[PREAMBLE : PREAMBLE + len(MAGIC)] != MAGIC:
        raise RecordError(record, "it does not begin as a DICOM file does; export it again, with its preamble")
    walk = _Walk(record, content, explicit=True)
    at, syntax = PREAMBLE + len(MAGIC), ""
    while content[at : at + 2] == META:
        tag, start, end = walk.element(at)[:3]
        if tag == SYNTAX:
            syntax = content[start:end].rstrip(b"\0 ").decode("latin-1")
        at = end
    if syntax not in (EXPLICIT, IMPLICIT):
        raise RecordError(
            record, f"its transfer syntax is {shown(syntax) or 'not told'}; export it as little endian, not packed"
        )
    walk.explicit = syntax == EXPLICIT
    if not walk.explicit and content[at + 4 : at + 6].isalpha():  # pydicom would take it for the other
        raise RecordError(record, "its elements are not of its transfer syntax; export it again")
    walk.elements(at, len(content), 0)


class _Walk:
    def __init__(self, record: str, content: bytes, explicit: bool) -> None:
        self.record, self.content, self.explicit, self.count = record, content, explicit, 0

    def element(self, at: int) -> tuple[bytes, int, int, bool]:
        """Give the tag of an element, where its value starts and ends, and whether it is a sequence."""
        content, tag = self.content, self.content[at : at + 4]
        kind = content[at + 4 : at + 6] if self.explicit else b""
        try:
            if not self.explicit:
                length, start = struct.unpack_from("<I", content, at + 4)[0], at + 8
            elif kind in LONG:
                length, start = struct.unpack_from("<I", content, at + 8)[0], at + 12
            else:
                length, start = struct.unpack_from("<H", content, at + 6)[0], at + 8
        except struct.error:
            raise self.damaged() from None
        if self.explicit and not (kind.isalpha() and kind.isupper()):
            raise self.damaged()
        end = start if length == OPEN else start + length
        if end > len(content):
            raise self.damaged()
        self.more()
        return tag, start, end, kind == b"SQ" or tag in SEQUENCES or length == OPEN

    def elements(self, at: int, end: int, depth: int) -> int:
        """Walk to an end, or to the mark that ends an item, and give where that is."""
        if depth > DEEPEST:
            raise RecordError(self.record, f"its sequences nest deeper than {DEEPEST}; export it again")
        while at < end:
            if self.content[at : at + 4] == ITEM_END:
                return at + 8
            _, start, stop, sequence = self.element(at)
            at = self.items(start, stop if stop > start else end, depth, stop == start) if sequence else stop
        return at

    def items(self, at: int, end: int, depth: int, until_mark: bool) -> int:
        """Walk over the items of a sequence."""
        while at + 8 <= end:
            tag, length = self.content[at : at + 4], struct.unpack_from("<I", self.content, at + 4)[0]
            if tag == SEQUENCE_END:
                return at + 8
            if tag != ITEM:
                if until_mark:
                    return at  # it was empty, and no sequence without a length
                raise self.damaged()
            self.more()
            stop = end if length == OPEN else at + 8 + length
            if stop > end:
                raise self.damaged()
            at = self.elements(at + 8, stop, depth + 1)
        return at

    def more(self) -> None:
        self.count += 1
        if self.count > MOST:
            raise RecordError(self.record, f"it has more than {MOST} elements; export the waveform without the rest")

    def damaged(self) -> RecordError:
        return RecordError(self.record, f"it is damaged behind its {self.count} first elements; copy it again")
