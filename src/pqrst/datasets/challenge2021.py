"""PhysioNet/CinC Challenge 2021, version 1.0.3: some 88,000 12-lead recordings out of eight sources, with its 26 classes.

cpsc_2018, cpsc_2018_extra, st_petersburg_incart (257 Hz, half an hour each), ptb (1000 Hz, up to two minutes), ptb-xl, georgia,
chapman_shaoxing and ningbo (500 Hz, most of 10 s). 30 SNOMED CT codes are scored, of which four pairs count as one class; a
recording may have several labels, or none of the scored ones.

People unknown: the headers name none. In st_petersburg_incart and ptb one person has several recordings, so such a source must
stand on one side of a split as a whole. For ptb-xl the patients come from PTB-XL's own table where the source holds it; it
lacks the 38 recordings that only PTB-XL's first version had. Some recordings are there twice: `about["signal"]` is the same for
both. A recording is called by its source and its own name, such as georgia/E00001.

Licence: Creative Commons Attribution 4.0. Cite: Reyna MA, Sadr N, Perez Alday EA, et al., CinC 48:1-4, 2021,
doi:10.13026/34va-7q14; Perez Alday EA, et al., Physiol Meas 41:124003, 2020; Goldberger A, et al., Circulation
101(23):e215-e220, 2000.
"""

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from pqrst import challenge, downloads, packs
from pqrst.arrays import Record
from pqrst.console import log
from pqrst.datasets import _record_lists, _twelve_lead, _wfdb12
from pqrst.errors import DataError, DownloadError, RecordError

HOST = "https://physionet.org/files/challenge-2021/1.0.3"
PTBXL_HOST, PTBXL_TABLE = "https://physionet.org/files/ptb-xl/1.0.3", "ptbxl_database.csv"
TRAINING = "training/"  # the level that a mirror leaves out
HINT = "complete the source, or leave what it lacks out of databases.challenge2021.sources"
AGAIN = "download the database again"
RECORDINGS_A_PACK = 1000
# recordings whose headers exist with other diagnoses in other copies
DOUBTFUL = ("JS00005", "JS20005", "JS20006")
OVER_89 = 300  # what PTB-XL says of people older than 89

Origin = Literal[
    "cpsc_2018", "cpsc_2018_extra", "st_petersburg_incart", "ptb", "ptb-xl", "georgia", "chapman_shaoxing", "ningbo"
]

TASK = "multi"
CLASSES = challenge.CLASSES
PLACES = {code: place for place, code in enumerate(challenge.CODES)}
PLACES |= {code: PLACES[kept] for code, kept in challenge.SAME_AS.items()}

__all__ = ["CLASSES", "TASK", "Params", "fetch", "records", "synthesize"]


@dataclass(frozen=True)
class Params:
    """Which of the eight sources are taken."""

    sources: tuple[Origin, ...] = (
        "cpsc_2018",
        "cpsc_2018_extra",
        "st_petersburg_incart",
        "ptb",
        "ptb-xl",
        "georgia",
        "chapman_shaoxing",
        "ningbo",
    )

    def __post_init__(self) -> None:
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise ValueError("sources must name one source or several, each once")


def fetch(base: str | None, dest: Path, scratch: Path, p: Params) -> dict[str, Any]:
    """Fetch the recordings of the sources, packed by the thousand, and PTB-XL's table of patients where there is one."""
    kind, root = ("mirror", f"{base}/challenge2021") if base else ("host", HOST)
    sums = {
        name.removeprefix(TRAINING): found for name, found in downloads.checksums(downloads.Source(root, kind)).items()
    }
    source = downloads.Source(root if base else f"{HOST}/{TRAINING.rstrip('/')}", kind)
    groups: dict[str, list[str]] = {}
    for name in p.sources:
        stems = _record_lists.stems(source, name, sums)
        if not stems:
            raise DownloadError(f"{source.shown(name)}: holds no recording that can be listed; {HINT}")
        groups |= _groups(stems)
    plain = {}
    table = downloads.Source(f"{base}/ptbxl" if base else PTBXL_HOST, kind)
    if "ptb-xl" in p.sources and downloads.exists(table, PTBXL_TABLE):
        plain[PTBXL_TABLE] = table
        sums |= {name: found for name, found in downloads.checksums(table).items() if name == PTBXL_TABLE}
    return packs.fetch(source, groups, dest, scratch / "challenge2021", plain=plain, sums=sums, missing=HINT)


def _groups(stems: Sequence[str]) -> dict[str, list[str]]:
    """Gather the files of each folder's recordings by the thousand."""
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for stem in stems:
        folders[stem.rpartition("/")[0]].append(stem)
    return {
        f"{folder}/{start // RECORDINGS_A_PACK + 1:03d}": [
            f"{stem}.{ending}" for stem in inside[start : start + RECORDINGS_A_PACK] for ending in ("hea", "mat")
        ]
        for folder, inside in folders.items()
        for start in range(0, len(inside), RECORDINGS_A_PACK)
    }


def synthesize(dest: Path, n: int, rng: np.random.Generator, _minutes: float) -> None:
    """Write `n` made-up recordings in the files of several sources."""
    _twelve_lead.write_challenge(dest, n, rng)


def records(raw: Path, p: Params) -> Iterator[Record | RecordError]:
    """Give the recordings source by source, by their names; one that cannot be read is given as its fault."""
    turns = {str(source): turn for turn, source in enumerate(p.sources)}
    with packs.open_all(raw) as files:
        found: defaultdict[str, list[str]] = defaultdict(list)  # recording -> its paths without ending
        for file in files.names():
            source, _, rest = file.removesuffix(".hea").partition("/")
            if source in turns and file.endswith(".hea"):
                found[f"{source}/{rest.rpartition('/')[2]}"].append(file.removesuffix(".hea"))
        if not found:
            raise RecordError("of the Challenge 2021", f"none of {', '.join(p.sources)} lies in {raw}; {AGAIN}")
        patients, unscored = _patients(files), Counter[str]()
        for name in sorted(found, key=lambda name: (turns[name.partition("/")[0]], name)):
            try:
                yield _record(name, found[name], files, patients, unscored)
            except RecordError as fault:
                yield fault
    if unscored:
        most = ", ".join(code for code, _ in unscored.most_common(3))
        log.info("challenge2021: %s mentions of %s codes are not scored: %s ...", unscored.total(), len(unscored), most)


def _patients(files: packs.Packs) -> dict[str, str]:
    """Give the patient of each recording of ptb-xl, whose name ends in its number in PTB-XL's table."""
    if PTBXL_TABLE not in files:
        return {}
    try:
        table = pd.read_csv(io.BytesIO(files.read(PTBXL_TABLE)), usecols=["ecg_id", "patient_id"], dtype=np.float64)
        pairs = table.to_numpy().astype(np.int64).tolist()
    except (ValueError, DataError):  # pandas' own parser errors are of the first kind
        raise RecordError("of the Challenge 2021", f"{PTBXL_TABLE} is no table of patients; {AGAIN}") from None
    return {f"ptb-xl/HR{number:05d}": str(patient) for number, patient in pairs}


def _record(
    name: str, stems: Sequence[str], files: packs.Packs, patients: Mapping[str, str], unscored: Counter[str]
) -> Record:
    if len(stems) > 1:
        raise RecordError(name, f"it lies there as {stems[0]} and as {stems[1]}; keep one")
    source, _, own = name.partition("/")
    found = _wfdb12.load(name, files, (f"{stems[0]}.hea", f"{stems[0]}.mat"), AGAIN, some=True)
    told = _told(found.comments)
    if "dx" not in told:
        raise RecordError(name, f"its header has no line Dx; {AGAIN}")
    codes = {code.strip() for code in told["dx"].split(",")} - {""}
    unscored.update(code for code in codes if code not in PLACES)
    positive = {PLACES[code] for code in codes if code in PLACES}
    return Record(
        record=name,
        patient=patients.get(name, ""),
        signal=found.signal,
        fs=found.fs,
        leads=_wfdb12.LEADS,
        gain=found.gain,
        zero=found.zero,
        label=tuple(int(place in positive) for place in range(len(CLASSES))),
        folds={"source": source},
        about={
            "age": _age(told.get("age", "")),
            "sex": {"m": "male", "f": "female"}.get(told.get("sex", "").lower()[:1], ""),
            "source": source,
            "signal": hashlib.sha256(found.signal.astype("<i2").tobytes()).hexdigest()[:16],
        },
        quality=(*_wfdb12.quality(found), *(["doubtful_labels"] if own in DOUBTFUL else [])),
    )


def _told(comments: Sequence[str]) -> dict[str, str]:
    """Read `Dx: ...` and its like, which stand behind `#` in one style of header and behind `# ` in the other."""
    pairs = (comment.partition(":") for comment in comments)
    return {key.strip().lower(): value.strip() for key, mark, value in pairs if mark}


def _age(text: str) -> str:
    """Give an age in years; nothing where it is not known or cannot be."""
    try:
        age = float(text)
    except ValueError:
        return ""
    if age == OVER_89:
        return ">89"
    return f"{age:g}" if 0 <= age <= 130 else ""
