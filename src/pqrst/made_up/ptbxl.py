"""A made-up PTB-XL: recordings of 10 s at both rates, and patients dealt so that a small one holds what is common on every side."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from pqrst import catalog
from pqrst.files import write_text
from pqrst.filters import resampled
from pqrst.made_up import _wfdb
from pqrst.made_up._decks import person
from pqrst.made_up._dipole import FS, LEADS, Person, signal
from pqrst.made_up._files import MADE_UP, lines, write_sums, write_table

STATEMENTS = catalog.PACKAGE / "datasets" / "ptbxl_statements.csv"
OLD, OLDER = 89, 300  # years; PTB-XL calls those who are older than OLD OLDER
LOW_FS = 100.0  # Hz, of PTB-XL's smaller files
COLUMNS: tuple[str, ...] = ("ecg_id", "patient_id", "age", "sex", "site", "device", "scp_codes")
COLUMNS += ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems", "extra_beats", "pacemaker")
COLUMNS += ("strat_fold", "filename_lr", "filename_hr")
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

# Cards, the common ones first: the statements about one person
NORMAL = "NORM, NORM, NORM LVOLT, NORM, NORM PVC, NORM ABQRS, NORM, NORM PAC, NORM NT_, NORM LPR"
INFARCTION = (
    "IMI ABQRS, ASMI, IMI QWAVE, ASMI INVT, ILMI ABQRS, AMI, IMI LAFB, ALMI ABQRS, ASMI IMI, IMI 1AVB, LMI, "
    "ASMI LAFB ABQRS, INJAS STD_, IMI, ASMI CRBBB, INJAL, IPLMI, IPMI, PMI, INJIN, INJLA, INJIL"
)
CHANGE = (
    "NDT, ISC_ STD_, ISCAL, NST_, NDT NT_, ISC_ INVT, ISCIN, NDT LOWT, ISCAL STD_, DIG STD_, ISCAS, LNGQT, "
    "NST_ STD_, ISCIL, ISCLA, EL, ANEUR STE_, NDT TAB_, ISCAN"
)
CONDUCTION = (
    "LAFB, CLBBB, CRBBB, IRBBB, 1AVB, CLBBB 1AVB, IVCD, LAFB CRBBB, IRBBB PVC, LAFB 1AVB, LPFB, WPW, ILBBB, "
    "CLBBB PRC(S), 3AVB, 2AVB"
)
HYPERTROPHY = (
    "LVH VCLVH, LVH ISC_, LVH, LAO/LAE, LVH STD_, RVH RAO/RAE, LVH LAO/LAE, LVH VCLVH HVOLT, RVH, SEHYP, RAO/RAE, "
    "LVH ISC_ 1AVB"
)
RHYTHM = "NORM SARRH, NST_ AFIB, SVARR, AFLT, BIGU PVC, STACH PVC, SVTAC, PSVT, TRIGU PVC, BIGU PAC"
# what goes on in the atria leaves no room for fibrillation
ATRIAL = {"1AVB", "2AVB", "3AVB", "LAO/LAE", "RAO/RAE", "WPW", "LPR", "PAC"}
DEGREES = {"2AVB", "3AVB"}  # these set the rate by themselves
HAND = 6  # cards with which a side has the five superclasses and five rhythms


@dataclass(frozen=True)
class Case:
    """One recording of PTB-XL to be made."""

    person: Person
    patient: int
    fold: int


def write(dest: Path, records: int, rng: np.random.Generator, _minutes: float) -> None:
    """Write recordings of made-up patients as PTB-XL; of four or more, the last two are of one patient."""
    cases = deal(records, rng)
    seeds = rng.integers(2**63, size=records)
    rows = []
    for number, (case, seed) in enumerate(zip(cases, seeds, strict=True), 1):
        high = signal(case.person, np.random.default_rng(seed))
        folder = f"{number // 1000 * 1000:05d}"
        low_name, high_name = f"records100/{folder}/{number:05d}_lr", f"records500/{folder}/{number:05d}_hr"
        _write_wfdb(dest / low_name, resampled(high, FS, LOW_FS), LOW_FS)
        _write_wfdb(dest / high_name, high, FS)
        rows.append(_row(number, case, low_name, high_name))
    write_table(dest / "ptbxl_database.csv", COLUMNS, rows)
    write_table(dest / "scp_statements.csv", ("", *STATEMENT_COLUMNS), _statements())
    names = [row[column] for column in ("filename_lr", "filename_hr") for row in rows]
    write_text(dest / "RECORDS", lines(names))
    write_sums(dest)


def _write_wfdb(path: Path, millivolts: np.ndarray, fs: float) -> None:
    """Write one recording in format 16, a header and its samples."""
    steps = _wfdb.steps(millivolts, 1000, 0)
    leads = [lead.replace("a", "A") for lead in LEADS]
    first = f"{path.name} {len(leads)} {fs:g} {steps.shape[1]}"
    described = _wfdb.lead_lines(f"{path.name}.dat 16 1000.0(0)/mV", steps, leads, 0)
    write_text(path.with_suffix(".hea"), lines([first, *described, f"# {MADE_UP}"]))
    path.with_suffix(".dat").write_bytes(steps.T.tobytes())


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


def deal(records: int, rng: np.random.Generator) -> list[Case]:
    """Deal the recordings of a small PTB-XL; of four or more, the last two are of one patient."""
    again = max(1, records // 9) if records > 3 else 0
    patients = records - again
    folds = _folds(patients)
    persons = [person(card, rng) for card in _cards(folds, rng)]
    if patients > 20:  # a small database too has an age unknown, and someone whose age the table hides
        persons[-7], persons[-3] = replace(persons[-7], age=93.0), replace(persons[-3], age=np.nan)
    # no more than two recordings of a patient: the last patient's stand at the end
    others = np.arange(patients - 1 if again else patients)
    twice = rng.choice(others, max(0, again - 1), replace=False)
    order = [*rng.permutation(np.concatenate([others, twice])), *[patients - 1] * (2 * bool(again))]
    numbers = 101 + rng.permutation(9 * patients + 9)[:patients]
    return [Case(persons[one], int(numbers[one]), folds[one]) for one in order]


def _folds(patients: int) -> list[int]:
    """Give every fold somebody, and the folds 9 and 10 a tenth each, but a whole hand of the deck where there are enough."""
    if patients < 10:
        return [1, 9, 10, 2, 3, 4, 5, 6, 7][:patients]
    held = min(max(HAND, round(patients / 10)), (patients - 8) // 2)
    return [9] * held + [10] * held + list(islice(cycle(range(1, 9)), patients - 2 * held))


def _cards(folds: Sequence[int], rng: np.random.Generator) -> list[str]:
    """Deal from one deck for each of the folds 9 and 10, and for the rest; a few patients share a deck."""
    sides = [fold if fold > 8 and len(folds) > 2 * HAND else 1 for fold in folds]
    decks = {side: _deck(rng) for side in sorted(set(sides))}
    return [next(decks[side]) for side in sides]


def _deck(rng: np.random.Generator) -> Iterator[str]:
    """Deal hand after hand: first a card of each superclass and rhythm, then some of what is common, and something rare."""
    decks = (NORMAL, INFARCTION, CHANGE, CONDUCTION, HYPERTROPHY, RHYTHM)
    normal, infarction, change, conduction, hypertrophy, rare = (cycle(deck.split(", ")) for deck in decks)
    sinus = cycle(["SR", "SBRAD", "SR", "SARRH", "STACH"])
    while True:
        diseases = [next(infarction), next(change), next(conduction), next(hypertrophy)]
        yield f"{next(normal)} SR"
        yield from _with_rhythms(diseases, ["SBRAD", "STACH", "AFIB", "SR"], rng)
        yield "PACE"
        yield f"{next(normal)} SR"
        yield from (f"{next(cards)} {next(sinus)}" for cards in (normal, infarction, change, hypertrophy))
        yield _with_rhythms([next(conduction)], ["SR"], rng)[0]
        yield next(rare)


def _with_rhythms(cards: Sequence[str], rhythms: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Give each card a rhythm of its own that it can have."""
    while True:
        dealt = list(zip(cards, rng.permutation(list(rhythms)).tolist(), strict=True))
        if not any(_clash(set(card.split()), rhythm) for card, rhythm in dealt):
            return [f"{card} {rhythm}" for card, rhythm in dealt]


def _clash(codes: set[str], rhythm: str) -> bool:
    return (rhythm == "AFIB" and bool(codes & ATRIAL)) or (rhythm != "SR" and bool(codes & DEGREES))
