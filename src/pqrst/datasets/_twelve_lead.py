"""Made-up recordings of twelve leads in PTB-XL's and the Challenge's own files, so that a demo goes through the real readers."""

import csv
import io
import math
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path

import numpy as np

from pqrst.arrays import file_digest, write_text
from pqrst.datasets._decks import CHALLENGE, Case, person, ptbxl_cases
from pqrst.datasets._dipole import FS, LEADS, Person, signal
from pqrst.filters import resampled

STATEMENTS = Path(__file__).with_name("ptbxl_statements.csv")
MADE_UP = "SYNTHETIC: made by pqrst out of random numbers; no person was recorded"
OLD, OLDER = 89, 300  # years; PTB-XL calls those who are older than OLD OLDER
LOW_FS = 100.0  # Hz, of PTB-XL's smaller files
PTBXL_COLUMNS: tuple[str, ...] = ("ecg_id", "patient_id", "age", "sex", "site", "device", "scp_codes")
PTBXL_COLUMNS += ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems", "extra_beats", "pacemaker")
PTBXL_COLUMNS += ("strat_fold", "filename_lr", "filename_hr")
# columns of scp_statements.csv after the code, in their order; those that ptbxl_statements.csv does not have stay empty
STATEMENT_COLUMNS: tuple[str, ...] = (
    "description",
    "diagnostic",
    "form",
    "rhythm",
    "diagnostic_class",
    "diagnostic_subclass",
)
STATEMENT_COLUMNS += ("Statement Category", "SCP-ECG Statement Description", "AHA code", "aECG REFID")
STATEMENT_COLUMNS += ("CDISC Code", "DICOM Code")


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


def write_ptbxl(dest: Path, records: int, rng: np.random.Generator) -> None:
    """Write recordings of made-up patients as PTB-XL; of four or more, the last two are of one patient."""
    cases = ptbxl_cases(records, rng)
    seeds = rng.integers(2**63, size=records)
    rows = []
    for number, (case, seed) in enumerate(zip(cases, seeds, strict=True), 1):
        high = signal(case.person, np.random.default_rng(seed))
        folder = f"{number // 1000 * 1000:05d}"
        low_name, high_name = f"records100/{folder}/{number:05d}_lr", f"records500/{folder}/{number:05d}_hr"
        _write_wfdb(dest / low_name, resampled(high, FS, LOW_FS), LOW_FS)
        _write_wfdb(dest / high_name, high, FS)
        rows.append(_row(number, case, low_name, high_name))
    _write_table(dest / "ptbxl_database.csv", PTBXL_COLUMNS, rows)
    _write_table(dest / "scp_statements.csv", ("", *STATEMENT_COLUMNS), _statements())
    names = [row[column] for column in ("filename_lr", "filename_hr") for row in rows]
    _write_lists(dest, names, ("dat", "hea"), ("ptbxl_database.csv", "scp_statements.csv"))


def _write_wfdb(path: Path, millivolts: np.ndarray, fs: float) -> None:
    """Write one recording in format 16, a header and its samples."""
    steps = _steps(millivolts, 1000, 0)
    leads = [lead.replace("a", "A") for lead in LEADS]
    first = f"{path.name} {len(leads)} {fs:g} {steps.shape[1]}"
    lines = _lead_lines(f"{path.name}.dat 16 1000.0(0)/mV", steps, leads, 0)
    write_text(path.with_suffix(".hea"), _text([first, *lines, f"# {MADE_UP}"]))
    path.with_suffix(".dat").write_bytes(steps.T.tobytes())


def _steps(millivolts: np.ndarray, gain: float, zero: int) -> np.ndarray:
    """Convert mV to little-endian int16 (leads, samples); the lowest code would mean that a sample is invalid."""
    return np.clip(np.rint(millivolts * gain) + zero, -(2**15) + 1, 2**15 - 1).astype("<i2")


def _lead_lines(start: str, steps: np.ndarray, leads: Sequence[str], lowest: int) -> list[str]:
    """Give a header's line for each lead, checksums counted from `lowest` on."""
    sums = (steps.sum(axis=1, dtype=np.int64) - lowest) % 2**16 + lowest
    return [
        f"{start} 16 0 {first} {checksum} 0 {lead}"
        for first, checksum, lead in zip(steps[:, 0], sums, leads, strict=True)
    ]


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _row(number: int, case: Case, low_name: str, high_name: str) -> dict[str, str]:
    """Give a recording's row in the table of PTB-XL."""
    one, codes = case.person, case.person.statements
    premature = [said for code, said in (("PVC", "VES"), ("PAC", "SVES"), ("PRC(S)", "ES")) if code in codes]
    return {
        "ecg_id": str(number),
        "patient_id": f"{case.patient:.1f}",
        "age": "" if math.isnan(one.age) else f"{OLDER if one.age > OLD else one.age:.1f}",
        "sex": str(one.sex),
        "site": "0.0",
        "device": "SYNTHETIC",
        "scp_codes": str(dict(codes)),
        **one.trouble,
        "extra_beats": ",".join(premature),
        "pacemaker": "ja, pacemaker" if "PACE" in codes else "",
        "strat_fold": str(case.fold),
        "filename_lr": low_name,
        "filename_hr": high_name,
    }


def _statements() -> list[dict[str, str]]:
    """Give the rows of scp_statements.csv."""
    with STATEMENTS.open(encoding="utf-8", newline="") as file:
        known = list(csv.DictReader(file))
    numbers = ("diagnostic", "form", "rhythm")
    return [
        {"": row.pop("code")}
        | {key: f"{float(cell):.1f}" if cell and key in numbers else cell for key, cell in row.items()}
        for row in known
    ]


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def _write_lists(dest: Path, names: Sequence[str], endings: Sequence[str], others: Sequence[str]) -> None:
    """Write RECORDS, and SHA256SUMS.txt over all files."""
    write_text(dest / "RECORDS", _text(names))
    files = sorted(["RECORDS", *others, *(f"{name}.{ending}" for name in names for ending in endings)])
    write_text(dest / "SHA256SUMS.txt", _text(f"{file_digest(dest / file)} {file}" for file in files))


def write_challenge(dest: Path, records: int, rng: np.random.Generator) -> None:
    """Write recordings of made-up persons as the Challenge's sources; of four or more, two are one under two names."""
    twins = records > 3
    sources = _dealt_sources(records - twins, twins)
    seeds = rng.integers(2**63, size=len(sources))
    seen: Counter[str] = Counter()
    names = []
    for source, card, seed in zip(sources, cycle(CHALLENGE.split(", ")), seeds, strict=False):
        place = (source, seen[source])
        seen[source] += 1
        pair = TWINS if twins and place == ("georgia", 0) else (_name(*place),)
        names += [f"{source}/{name}" for name in pair]
        _write_pair(dest / source, pair, place, UNSCORED.get(place, card), np.random.default_rng(seed))
    places = list(SOURCES)
    names.sort(key=lambda name: (places.index(name.partition("/")[0]), name))
    _write_lists(dest, names, ("hea", "mat"), ())


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
    steps = _steps(millivolts, source.gain, source.zero)
    # type 30: little-endian int16, by columns; no imaginary part; four bytes of name
    head = struct.pack("<5i4s", 30, *steps.shape, 0, 4, b"val")
    for name in names:
        write_text(folder / f"{name}.hea", _text(_challenge_header(name, place, one, steps)))
        (folder / f"{name}.mat").write_bytes(head + steps.T.tobytes())


def _challenge_header(name: str, place: tuple[str, int], one: Person, steps: np.ndarray) -> list[str]:
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
        *_lead_lines(f"{name}.mat {style} {gain}/{source.unit}", steps, LEADS, -(2**15)),
        *(f"# {line}" if released else f"#{line}" for line in (*said, MADE_UP)),
    ]


def _labels(place: tuple[str, int], one: Person) -> str:
    """List a person's SNOMED codes as the source would."""
    codes = dict.fromkeys(SNOMED[code] for code in one.statements)
    other = {code: name for code, (name, sources) in OTHER_CODES.items() if place[0] in sources}
    listed = ",".join(other.get(code, code) for code in codes)
    return f"{listed},999999999,," if place in UNKNOWN_CODE else listed
