"""A made-up Challenge 2021: recordings of its eight sources, each in the style of its files, with what is odd in the real ones."""

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path

import numpy as np

from pqrst.files import write_text
from pqrst.made_up import _wfdb
from pqrst.made_up._decks import person
from pqrst.made_up._dipole import FS, LEADS, Person, signal
from pqrst.made_up._files import MADE_UP, lines, write_sums

# With some labels that PTB-XL has no statement for; their number is prime, so that each source gets others
CARDS = (
    "SR, AFIB, SBRAD, STACH, SR CRBBB, SR INVT, SR LNGQT, NST_, SBRAD LVH, SR CLBBB, AFIB PVC, SR IRBBB RAD, "
    "AFLT NT_, SBRAD LVOLT RAD, SBRAD 1AVB INVT, SR LPR, SR QWAVE PRWP, PACE LAD, STACH PAC, SR BBB, SR LAD LAFB, "
    "SR NDT, PACE, BRADY, SR PVC, IMI QWAVE SR, SR LVOLT, SR LAD LVH, SR IVCD, STACH 1AVB, STACH NDT, ASMI PRWP, "
    "SARRH, SR PAC, SR 1AVB, SARRH PVC, AFIB CRBBB, SARRH IRBBB, AFLT, SBRAD NT_, ISC_ STD_ SR"
)


@dataclass(frozen=True)
class Source:
    """How one source of the Challenge names and writes its recordings."""

    first: str  # name of the first recording
    fs: float = FS  # Hz
    seconds: tuple[float, float] = (10, 10)
    gain: float = 1000  # converter steps per mV
    zero: int = 0
    unit: str = "mV"
    released: tuple[bool, ...] = (False,)  # header styles in turn: of the last release, or of the Challenges' time


# Differs: in the Challenge every gain is 1000 and every zero 0; here ptb and St Petersburg keep the gains of their own databases,
# and a zero of -14, so that no reader gets by without them. St Petersburg's recordings are half an hour long.
SOURCES: Mapping[str, Source] = {
    "cpsc_2018": Source("A0001", seconds=(6, 20)),
    "cpsc_2018_extra": Source("Q0001", seconds=(8, 20)),
    "st_petersburg_incart": Source("I0001", fs=257.0, seconds=(60, 60), gain=306, zero=-14),
    "ptb": Source("S0001", fs=1000.0, seconds=(38.4, 38.4), gain=2000, unit="mv"),
    "ptb-xl": Source("HR00001", unit="mv", released=(False, True)),
    "georgia": Source("E00001", released=(False, True)),
    "chapman_shaoxing": Source("JS00001"),
    "ningbo": Source("JS10647", released=(True,)),
}
DEALT = (
    "georgia",
    "cpsc_2018",
    "ptb",
    "ningbo",
    "st_petersburg_incart",
    "ptb-xl",
    "cpsc_2018_extra",
    "chapman_shaoxing",
)
LEAST = 5  # recordings of each source, before the large ones get more
LARGE = ("ningbo", "ptb-xl", "georgia", "chapman_shaoxing", "cpsc_2018", "cpsc_2018_extra")
TWINS = ("E07509", "E07510")  # one signal under two names, as in Georgia's own files
STAMP = "01-Jan-2000 00:00:00"  # headers of the Challenges' time end their first line with one

# PTB-XL's statement -> SNOMED CT code, as the Challenge's tables have them; infarcts and ischaemia of any place are one
INFARCTS = ("IMI", "ASMI", "AMI", "ALMI", "LMI", "ILMI", "IPMI", "IPLMI", "PMI")
SNOMED: Mapping[str, str] = dict.fromkeys(INFARCTS, "164865005") | {
    "SR": "426783006",
    "AFIB": "164889003",
    "AFLT": "164890007",
    "STACH": "427084000",
    "SBRAD": "426177001",
    "BRADY": "426627000",
    "SARRH": "427393009",
    "PACE": "10370003",
    "1AVB": "270492004",
    "LPR": "164947007",
    "CLBBB": "733534002",
    "CRBBB": "713427006",
    "IRBBB": "713426002",
    "BBB": "6374002",
    "LAFB": "445118002",
    "IVCD": "698252002",
    "LAD": "39732003",
    "RAD": "47665007",
    "LVOLT": "251146004",
    "LNGQT": "111975006",
    "PAC": "284470004",
    "PVC": "427172004",
    "PRWP": "365413008",
    "QWAVE": "164917005",
    "NDT": "164934002",
    "NT_": "164934002",
    "INVT": "59931005",
    "LVH": "164873001",
    "ISC_": "164861001",
    "NST_": "428750005",
    "STD_": "429622005",
}
# the same under the other code that the Challenge scores alike -> the sources that use that
OTHER_CODES: Mapping[str, tuple[str, Sequence[str]]] = {
    "713427006": ("59118001", ("cpsc_2018", "georgia", "chapman_shaoxing", "st_petersburg_incart")),
    "733534002": ("164909002", ("cpsc_2018", "cpsc_2018_extra", "ptb-xl", "georgia", "chapman_shaoxing")),
    "427172004": ("17338001", ("georgia", "chapman_shaoxing")),
    "284470004": ("63593006", ("st_petersburg_incart", "cpsc_2018_extra")),
}
# (source, its how manieth) -> what is odd about it, of what the real files hold
FLAT = {("ningbo", 1)}  # electrodes of the chest that were not connected
UNKNOWN_CODE = {("cpsc_2018_extra", 1)}  # beside commas that end a list of codes
UNSCORED = {("ptb", 1): "NST_"}
NO_AGE, NO_SEX = {("georgia", 1), ("ptb-xl", 2)}, {("cpsc_2018", 2)}
STRAY_ENDING = 3  # each so manieth header of the Challenges' time calls the recording by its file


def write(dest: Path, records: int, rng: np.random.Generator, _minutes: float) -> None:
    """Write recordings of made-up persons as the Challenge's sources; of four or more, two are one under two names."""
    twins = records > 3
    sources = _dealt_sources(records - twins, twins)
    seeds = rng.integers(2**63, size=len(sources))
    seen: Counter[str] = Counter()
    names = []
    for source, card, seed in zip(sources, cycle(CARDS.split(", ")), seeds, strict=False):
        place = (source, seen[source])
        seen[source] += 1
        pair = TWINS if twins and place == ("georgia", 0) else (_name(*place),)
        names += [f"{source}/{name}" for name in pair]
        _write_pair(dest / source, pair, place, UNSCORED.get(place, card), np.random.default_rng(seed))
    places = list(SOURCES)
    names.sort(key=lambda name: (places.index(name.partition("/")[0]), name))
    write_text(dest / "RECORDS", lines(names))
    write_sums(dest)


def _dealt_sources(count: int, twins: bool) -> list[str]:
    """Deal recordings to the sources in turn, and once each has enough to the large ones only."""
    turns = [source for turn in range(LEAST) for source in DEALT if not (twins and turn == 1 and source == "georgia")]
    return list(islice(chain(turns, cycle(LARGE)), count))


def _name(source: str, place: int) -> str:
    letters = SOURCES[source].first.rstrip("0123456789")
    digits = SOURCES[source].first.removeprefix(letters)
    return f"{letters}{int(digits) + place:0{len(digits)}d}"


def _write_pair(
    folder: Path, names: Sequence[str], place: tuple[str, int], card: str, rng: np.random.Generator
) -> None:
    """Write one recording as a MATLAB matrix `val` with its header, under each of its names."""
    source, one = SOURCES[place[0]], person(card, rng)
    millivolts = signal(one, rng, rng.uniform(*source.seconds), source.fs)
    if place in FLAT:
        millivolts[LEADS.index("V1") :] = 0
    steps = _wfdb.steps(millivolts, source.gain, source.zero)
    # type 30: little-endian int16, by columns; no imaginary part; four bytes of name
    head = struct.pack("<5i4s", 30, *steps.shape, 0, 4, b"val")
    for name in names:
        write_text(folder / f"{name}.hea", lines(_header(name, place, one, steps)))
        (folder / f"{name}.mat").write_bytes(head + steps.T.tobytes())


def _header(name: str, place: tuple[str, int], one: Person, steps: np.ndarray) -> list[str]:
    """Give a header in the style of the Challenges' time or of the last release."""
    source = SOURCES[place[0]]
    released = source.released[place[1] % len(source.released)]
    called = f"{name}.mat" if not released and place[1] % STRAY_ENDING == STRAY_ENDING - 1 else name
    zero = f"({source.zero})" if source.zero or released else ""
    gain = f"{source.gain:.1f}{zero}" if released else f"{source.gain:g}{zero}"
    style = "16x1+24" if released else "16+24"
    size = f"{len(LEADS)} {source.fs:g} {steps.shape[1]}"
    age = "NaN" if place in NO_AGE else f"{one.age:.0f}"
    sex = "Unknown" if place in NO_SEX else ("Male", "Female")[one.sex]
    said = [f"Age: {age}", f"Sex: {sex}", f"Dx: {_labels(place, one)}", "Rx: Unknown", "Hx: Unknown", "Sx: Unknown"]
    return [
        f"{called} {size}" if released else f"{called} {size} {STAMP}",
        *_wfdb.lead_lines(f"{name}.mat {style} {gain}/{source.unit}", steps, LEADS, -(2**15)),
        *(f"# {line}" if released else f"#{line}" for line in (*said, MADE_UP)),
    ]


def _labels(place: tuple[str, int], one: Person) -> str:
    """List a person's SNOMED codes as the source would."""
    codes = dict.fromkeys(SNOMED[code] for code in one.statements)
    other = {code: name for code, (name, sources) in OTHER_CODES.items() if place[0] in sources}
    listed = ",".join(other.get(code, code) for code in codes)
    return f"{listed},999999999,," if place in UNKNOWN_CODE else listed
