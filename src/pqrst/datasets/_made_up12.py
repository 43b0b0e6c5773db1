"""Made-up recordings in the own files of CPSC 2018, Chapman-Shaoxing and SPH, so that a demo meets the real readers."""

import io
import math
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy.io import savemat

from pqrst.arrays import file_digest, write_text
from pqrst.datasets._decks import person
from pqrst.datasets._dipole import LEADS, Person, signal
from pqrst.datasets._twelve_lead import MADE_UP

SUMS, NOTE = "SHA256SUMS.txt", "SYNTHETIC.txt"
MAT_TEXT = 116  # bytes of text that a MATLAB 5 file begins with
SPARE = 10  # of so many recordings that are kept, there is one that a rule leaves out

# number of the label -> what the heart is like, in PTB-XL's statements
CPSC = ("NORM SR", "AFIB", "1AVB SR", "CLBBB SR", "CRBBB SR", "PAC SR", "PVC SR", "STD_ SR", "STE_ SR")
CPSC_SECOND = ((2, 5), (5, 6), (3, 5), (2, 8, 7), (5, 2))  # labels of recordings that have several
CPSC_TOGETHER = ("AFIB CRBBB", "CRBBB PAC SR", "1AVB CRBBB SR", "AFIB STD_ PVC", "CRBBB AFIB")

CHAPMAN: Mapping[str, str] = {
    "AF": "AFLT",
    "AFIB": "AFIB",
    "AT": "STACH RAO/RAE",
    "AVNRT": "SVTAC",
    "AVRT": "SVTAC STD_",
    "SA": "NORM SARRH",
    "SAAWR": "SVARR",
    "SB": "NORM SBRAD",
    "SR": "NORM SR",
    "ST": "STACH",
    "SVT": "SVTAC",
}
FOLDER = "ECGDataDenoised"
DIAGNOSTICS = (
    *("FileName", "Rhythm", "PatientAge", "Gender", "VentricularRate", "AtrialRate", "QRSDuration", "QTInterval"),
    *("QTCorrected", "RAxis", "TAxis", "QRSCount", "QOnset", "QOffset", "TOffset"),
)
CHAPMAN_COMMON = ("SB", "SR", "SB", "AFIB", "ST", "SB", "SR", "AFIB", "ST", "SVT", "AF")
# 1/min, where it is not that of an ordinary sinus node
RATES: Mapping[str, tuple[int, int]] = {
    "SB": (42, 58),
    "ST": (102, 140),
    "AT": (102, 140),
    "AVNRT": (150, 200),
    "AVRT": (150, 200),
    "SVT": (150, 200),
    "AF": (70, 150),
    "AFIB": (65, 120),
}

# AHA code -> what the heart is like, by the list of Mason et al., Circulation 115:1325, 2007; a short PR interval (80)
# is not drawn, and the sources of premature beats look alike
SPH: Mapping[str, str] = {
    "1": "NORM SR", "21": "STACH", "22": "NORM SBRAD", "23": "NORM SARRH", "30": "PAC SR", "31": "BIGU PAC", "36": "PAC SR",
    "50": "AFIB", "51": "AFLT", "54": "SVTAC", "60": "PVC SR", "80": "NORM SR", "82": "1AVB SR", "83": "2AVB", "88": "3AVB",
    "101": "LAFB SR", "102": "LPFB SR", "104": "CLBBB SR", "105": "IRBBB SR", "106": "CRBBB SR", "108": "WPW SR", "120": "RAD SR",
    "121": "LAD SR", "125": "LVOLT SR", "140": "LAO/LAE SR", "142": "LVH SR", "145": "STD_ SR", "146": "STD_ INVT SR",
    "147": "INVT SR", "152": "EL SR", "155": "STE_ SR",
}  # fmt: skip
SPH_COMMON = ("1", "1", "147", "1", "22", "1", "23", "105", "1", "146", "145", "1", "106", "21")
# codes that the rules leave out: several, a modifier, and one of those that stand alone
SPH_SPARE = ("50;106", "60+310", "84", "22;147+321", "145+362", "148")


def write_cpsc2018(dest: Path, records: int, rng: np.random.Generator) -> None:
    """Write recordings of one label, and among them some of two or three, with their table."""
    labels = [(number,) for number in _dealt(range(1, 10), range(1, 10), records, rng)]
    cards = [CPSC[number - 1] for (number,) in labels]
    spare = _spare(records, CPSC_SECOND)
    cases = _mingled(
        list(zip(labels, cards, strict=True)), list(zip(spare, _spare(records, CPSC_TOGETHER), strict=True))
    )
    rows = []
    for number, ((found, card), one) in enumerate(zip(cases, rng.spawn(len(cases)), strict=True), 1):
        who, name = person(card, one), f"A{number:04d}"
        age = math.nan if number == 2 else who.age
        millivolts = signal(who, one, one.uniform(6, 20)).round(3)
        _write_mat(dest / f"{name}.mat", {"sex": ("Male", "Female")[who.sex], "age": age, "data": millivolts})
        rows.append((name, *[*map(str, found), "", ""][:3]))
    _write_table(dest / "REFERENCE.csv", ("Recording", "First_label", "Second_label", "Third_label"), rows)
    _write_sums(dest)


def _write_mat(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a struct ECG as MATLAB 5, without the time of writing that scipy puts into the text at its beginning."""
    content = io.BytesIO()
    savemat(content, {"ECG": dict(fields)}, do_compression=True)  # type: ignore[arg-type]  # the stubs know no file objects
    path.write_bytes(
        f"MATLAB 5.0 MAT-file, {MADE_UP}".ljust(MAT_TEXT)[:MAT_TEXT].encode() + content.getvalue()[MAT_TEXT:]
    )


# Differs: the real table is an .xlsx, and has a column Beat of other conditions.
def write_chapman(dest: Path, records: int, rng: np.random.Generator) -> None:
    """Write one recording for each made-up person as CSV in µV, with their table; one has gaps."""
    rows = []
    for number, (rhythm, one) in enumerate(
        zip(_dealt(list(CHAPMAN), CHAPMAN_COMMON, records, rng), rng.spawn(records), strict=True), 1
    ):
        who, name = person(CHAPMAN[rhythm], one), f"SYNTHETIC_{number:05d}"
        microvolts = 1000 * signal(who, one)
        if number == 3:
            microvolts[LEADS.index("V2"), 3100:3150] = np.nan
        lines = ",".join(["%.2f"] * len(LEADS)) + "\n"
        write_text(dest / f"{FOLDER}/{name}.csv", lines * microvolts.shape[1] % tuple(microvolts.T.ravel()))
        rows.append((name, rhythm, f"{who.age:.0f}", ("MALE", "FEMALE")[who.sex], *_measures(rhythm, one)))
    _write_table(dest / "Diagnostics.csv", DIAGNOSTICS, rows)
    write_text(dest / NOTE, f"{MADE_UP}\n")
    _write_sums(dest)


def _measures(rhythm: str, rng: np.random.Generator) -> list[int]:
    """Draw what a machine would measure: rates, intervals that fit them, axes, and places in samples."""
    rate, qrs = int(rng.integers(*RATES.get(rhythm, (61, 94)))), int(rng.integers(78, 112))
    corrected, onset = int(rng.integers(385, 450)), int(rng.integers(205, 230))
    qt = round(corrected * math.sqrt(60 / rate))
    atrial = 300 if rhythm == "AF" else rate
    axes = [int(angle) for angle in rng.normal((45, 40), 25)]
    return [rate, atrial, qrs, qt, corrected, *axes, round(rate / 6), onset, onset + qrs // 2, onset + qt // 2]


# Differs: the real database has a table of its codes beside, code.csv, which nothing here reads.
def write_sph(dest: Path, records: int, rng: np.random.Generator) -> None:
    """Write recordings that are kept, some of one person, and some that each rule leaves out, with their table."""
    codes, owners = _dealt(list(SPH), SPH_COMMON, records, rng), list(range(records))
    for number in (records // 2, records - 1) if records > 3 else ():  # of the person whose recording stands before
        codes[number], owners[number] = codes[number - 1], owners[number - 1]
    spare = [(code, records + number) for number, code in enumerate(_spare(records, SPH_SPARE))]
    cases = _mingled(list(zip(codes, owners, strict=True)), spare)
    rows, people = [], dict[int, Person]()
    (dest / "records").mkdir()
    for number, ((code, owner), one) in enumerate(zip(cases, rng.spawn(len(cases)), strict=True), 1):
        who = people.setdefault(owner, person(SPH.get(code, "IVCD SR"), one))
        millivolts = signal(who, one, float(one.integers(10, 16))).astype(np.float32)
        with h5py.File(dest / f"records/A{number:05d}.h5", "w") as file:
            file.attrs["note"] = MADE_UP
            file.create_dataset("ecg", data=millivolts, compression="gzip")
        person_told = (f"S{owner + 1:05d}", f"{who.age:.0f}", "MF"[who.sex])
        rows.append((f"A{number:05d}", code, *person_told, millivolts.shape[1], "2020-01-01"))
    _write_table(dest / "metadata.csv", ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex", "N", "Date"), rows)
    _write_sums(dest)


def _dealt(classes: Sequence[Any], common: Sequence[Any], count: int, rng: np.random.Generator) -> list[Any]:
    """Deal every class once, and then the common ones over and over, each round shuffled."""
    dealt = [classes[place] for place in rng.permutation(len(classes))]
    while len(dealt) < count:
        dealt += [common[place] for place in rng.permutation(len(common))]
    return dealt[:count]


def _spare(records: int, of: Sequence[Any]) -> list[Any]:
    """Give as many cases that a rule leaves out as go with so many recordings, each kind of them once at least."""
    return [of[number % len(of)] for number in range(max(len(of), records // SPARE))]


def _mingled(kept: Sequence[Any], spare: Sequence[Any]) -> list[Any]:
    """Lay spare cases between the others, evenly."""
    places = [len(kept) * k // len(spare) for k in range(len(spare))]
    laid, rest = [], iter(spare)
    for number, case in enumerate(kept):
        laid += [*islice(rest, places.count(number)), case]
    return laid


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    write_text(path, pd.DataFrame(list(rows), columns=list(columns)).to_csv(index=False, lineterminator="\n"))


def _write_sums(dest: Path) -> None:
    files = sorted(path.relative_to(dest).as_posix() for path in dest.rglob("*") if path.is_file())
    write_text(dest / SUMS, "".join(f"{file_digest(dest / file)} {file}\n" for file in files))
