"""Who the made-up patients are: statements dealt from decks, so that a small database holds what is common on every side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

import numpy as np

from pqrst.datasets._dipole import Person

# Cards of PTB-XL, the common ones first: the statements about one person
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

# Cards of the Challenge, with some labels that PTB-XL has no statement for; their number is prime, so that each source gets others
CHALLENGE = (
    "SR, AFIB, SBRAD, STACH, SR CRBBB, SR INVT, SR LNGQT, NST_, SBRAD LVH, SR CLBBB, AFIB PVC, SR IRBBB RAD, "
    "AFLT NT_, SBRAD LVOLT RAD, SBRAD 1AVB INVT, SR LPR, SR QWAVE PRWP, PACE LAD, STACH PAC, SR BBB, SR LAD LAFB, "
    "SR NDT, PACE, BRADY, SR PVC, IMI QWAVE SR, SR LVOLT, SR LAD LVH, SR IVCD, STACH 1AVB, STACH NDT, ASMI PRWP, "
    "SARRH, SR PAC, SR 1AVB, SARRH PVC, AFIB CRBBB, SARRH IRBBB, AFLT, SBRAD NT_, ISC_ STD_ SR"
)

RHYTHMS = {"SR", "STACH", "SBRAD", "BRADY", "SARRH", "AFIB", "AFLT", "PACE", "SVARR", "BIGU", "TRIGU", "SVTAC", "PSVT"}
FORMS = {"ABQRS", "VCLVH", "QWAVE", "LVOLT", "HVOLT", "LPR", "PVC", "PAC", "PRC(S)"}
FORMS |= {"STD_", "STE_", "LOWT", "NT_", "INVT", "TAB_"}
# how often the cardiologists of PTB-XL gave a statement no likelihood; always for other rhythms and forms
NO_LIKELIHOOD = {"PACE": 0.02, "PSVT": 0, "AFLT": 0.25, "AFIB": 0.95, "BIGU": 0.7, "PVC": 0.1, "PAC": 0.9, "NST_": 0.25}


@dataclass(frozen=True)
class Case:
    """One recording of PTB-XL to be made."""

    person: Person
    patient: int
    fold: int


def ptbxl_cases(records: int, rng: np.random.Generator) -> list[Case]:
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


HAND = 6  # cards with which a side has the five superclasses and five rhythms


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


def person(card: str, rng: np.random.Generator) -> Person:
    """Draw somebody for a card's statements."""
    codes = card.split()
    age, spread = (50, 17) if "NORM" in codes else (67, 12)
    return Person(
        age=float(np.clip(round(rng.normal(age, spread)), 17, 97)),
        sex=int(rng.integers(2)),
        statements={code: _likelihood(code, rng) for code in codes},
        seed=int(rng.integers(2**63)),
        trouble=_trouble(rng),
    )


def _likelihood(code: str, rng: np.random.Generator) -> float:
    """Draw how sure the cardiologist was, 0 where that was not stated."""
    if rng.random() < NO_LIKELIHOOD.get(code, code in RHYTHMS | FORMS):
        return 0.0
    certain = code in RHYTHMS | FORMS
    return 100.0 if certain else float(rng.choice([100, 80, 50, 35, 15], p=[0.70, 0.08, 0.14, 0.04, 0.04]))


def _trouble(rng: np.random.Generator) -> dict[str, str]:
    """Draw what is wrong with the recording, as PTB-XL's columns say it."""
    shares = {"baseline_drift": 0.07, "static_noise": 0.12, "burst_noise": 0.03, "electrodes_problems": 0.02}
    found = {column: "alles" for column, share in shares.items() if rng.random() < share}
    if "electrodes_problems" in found:
        found["electrodes_problems"] = f"V{rng.integers(1, 7)}"
    return found
