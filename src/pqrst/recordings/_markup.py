"""XML from strangers: no entity is declared or fetched, and what is kept is bounded before it is kept."""

import base64
import re
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder  # nosec B405 (builds only; expat parses, as set up below)
from xml.parsers import expat  # nosec B407 (entities are refused below)

import numpy as np

from pqrst.errors import RecordError
from pqrst.recordings._leads import Source, shown, stream

PIECE = 1 << 16  # bytes that are parsed at once
LONGEST_TAG = 1 << 20  # bytes of a tag, a comment, or whatever else the parser must hold at once
MOST_ELEMENTS, DEEPEST = 200_000, 100


def parse(record: str, source: Source) -> Element:
    """Give the root of a document; names come without their namespace."""
    parser, builder = expat.ParserCreate(namespace_separator=" "), TreeBuilder()
    parser.buffer_text = True
    _refuse_declarations(record, parser)
    _build(record, parser, builder)
    fed = 0
    try:
        with stream(source) as file:
            for piece in iter(lambda: file.read(PIECE), b""):
                fed += len(piece)
                parser.Parse(piece, False)
                if fed - parser.CurrentByteIndex > LONGEST_TAG + PIECE:
                    raise RecordError(record, f"it has a tag of more than {LONGEST_TAG} bytes; export it again")
            parser.Parse(b"", True)
    except expat.ExpatError as error:
        said = expat.errors.messages.get(error.code, "not well-formed")
        raise RecordError(record, f"line {error.lineno} is no sound XML ({said}); export it again") from None
    except (LookupError, ValueError):
        raise RecordError(record, "its encoding is not known; save it as UTF-8") from None
    return builder.close()


def _refuse_declarations(record: str, parser: Any) -> None:
    """Let a document name its type, as MUSE's do, and declare nothing: no entity to be repeated or fetched, no default."""

    def doctype(_name: str, _system: str | None, _public: str | None, inside: int) -> None:
        if inside:
            raise RecordError(record, "its DOCTYPE declares entities or defaults, which are not read; take them out")

    def entity(name: str, _parameter: int) -> None:
        raise RecordError(record, f"it refers to an entity {shown(name)!r} that it does not hold; take it out")

    def outside(*_: object) -> int:
        raise RecordError(record, "it refers to another file, which is not read; take that out")

    parser.StartDoctypeDeclHandler = doctype
    parser.SkippedEntityHandler = entity
    parser.ExternalEntityRefHandler = outside


def _build(record: str, parser: Any, builder: TreeBuilder) -> None:
    """Keep elements and texts, and end where there are too many."""
    depth = count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEEPEST or count > MOST_ELEMENTS:
            raise RecordError(
                record, f"it has more than {MOST_ELEMENTS} elements, or nests deeper than {DEEPEST}; export it again"
            )
        builder.start(_plain(name), {_plain(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_plain(name))

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data


def _plain(name: str) -> str:
    return name.rpartition(" ")[2]


def text(element: Element | None, path: str) -> str:
    """Give the text at a path below an element, or nothing."""
    return ((element.findtext(path) if element is not None else "") or "").strip()


def number(record: str, said: str, what: str) -> float:
    """Read a number that must be there."""
    try:
        value = float(said)
    except ValueError:
        value = np.nan
    if not np.isfinite(value) or "_" in said:
        raise RecordError(record, f"{what} is {shown(said)!r} where a number must stand; export it again")
    return value


def packed(record: str, said: str, what: str) -> bytes:
    """Unpack base64; blanks and lines in it count for nothing."""
    dense = re.sub(r"\s+", "", said)
    try:
        return base64.b64decode(dense + "=" * (-len(dense) % 4), validate=True)
    except ValueError:  # binascii's is one, and so is that of letters beyond ASCII
        raise RecordError(record, f"{what} is no base64; export it again") from None
