"""Read a recording in XML, of whatever kind its root element says."""

from collections.abc import Callable, Mapping
from xml.etree.ElementTree import Element  # nosec B405 (a type; expat parses, with entities refused)

from pqrst.arrays import Record
from pqrst.errors import RecordError
from pqrst.recordings import _aecg, _markup, _muse, _philips
from pqrst.recordings._leads import Limits, Source, Told, shown

KINDS: Mapping[str, Callable[[str, Element, Limits], Record]] = {
    "RestingECG": _muse.read,
    "restingecgdata": _philips.read,
    "AnnotatedECG": _aecg.read,
}


def read(record: str, source: Source, _told: Told, limits: Limits) -> Record:
    """Read GE MUSE, Philips or HL7 aECG."""
    root = _markup.parse(record, source)
    if root.tag not in KINDS:
        raise RecordError(
            record,
            f"its root element is {shown(root.tag)!r}, and {', '.join(KINDS)} are read (GE MUSE, Philips, HL7 aECG); "
            "export it as one of them, or as DICOM",
        )
    return KINDS[root.tag](record, root, limits)
