"""A made-up Chapman-Shaoxing in the files of its first release."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pqrst.files import write_text
from pqrst.made_up._decks import dealt, person
from pqrst.made_up._dipole import LEADS, signal
from pqrst.made_up._files import MADE_UP, lines, write_sums, write_table

NOTE = "SYNTHETIC.txt"

CARDS: Mapping[str, str] = {
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
COMMON = ("SB", "SR", "SB", "AFIB", "ST", "SB", "SR", "AFIB", "ST", "SVT", "AF")
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


# Differs: the real table is an .xlsx, and has a column Beat of other conditions.
def write(dest: Path, records: int, rng: np.random.Generator, _minutes: float) -> None:
    """Write one recording for each made-up person as CSV in µV, with their table; one has gaps."""
    rows = []
    for number, (rhythm, one) in enumerate(
        zip(dealt(list(CARDS), COMMON, records, rng), rng.spawn(records), strict=True), 1
    ):
        who, name = person(CARDS[rhythm], one), f"SYNTHETIC_{number:05d}"
        microvolts = 1000 * signal(who, one)
        if number == 3:
            microvolts[LEADS.index("V2"), 3100:3150] = np.nan
        row = ",".join(["%.2f"] * len(LEADS)) + "\n"
        write_text(dest / f"{FOLDER}/{name}.csv", row * microvolts.shape[1] % tuple(microvolts.T.ravel()))
        rows.append((name, rhythm, f"{who.age:.0f}", ("MALE", "FEMALE")[who.sex], *_measures(rhythm, one)))
    write_table(dest / "Diagnostics.csv", DIAGNOSTICS, rows)
    write_text(dest / NOTE, lines([MADE_UP]))
    write_sums(dest)


def _measures(rhythm: str, rng: np.random.Generator) -> list[int]:
    """Draw what a machine would measure: rates, intervals that fit them, axes, and places in samples."""
    rate, qrs = int(rng.integers(*RATES.get(rhythm, (61, 94)))), int(rng.integers(78, 112))
    corrected, onset = int(rng.integers(385, 450)), int(rng.integers(205, 230))
    qt = round(corrected * math.sqrt(60 / rate))
    atrial = 300 if rhythm == "AF" else rate
    axes = [int(angle) for angle in rng.normal((45, 40), 25)]
    return [rate, atrial, qrs, qt, corrected, *axes, round(rate / 6), onset, onset + qrs // 2, onset + qt // 2]
