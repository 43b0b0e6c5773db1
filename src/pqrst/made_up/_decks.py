"""Who the made-up patients of twelve leads are: a person of each card's statements, and cards dealt so that a few hold all."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from pqrst.made_up._dipole import Person

RHYTHMS = {"SR", "STACH", "SBRAD", "BRADY", "SARRH", "AFIB", "AFLT", "PACE", "SVARR", "BIGU", "TRIGU", "SVTAC", "PSVT"}
FORMS = {"ABQRS", "VCLVH", "QWAVE", "LVOLT", "HVOLT", "LPR", "PVC", "PAC", "PRC(S)"}
FORMS |= {"STD_", "STE_", "LOWT", "NT_", "INVT", "TAB_"}
# how often the cardiologists of PTB-XL gave a statement no likelihood; always for other rhythms and forms
NO_LIKELIHOOD = {"PACE": 0.02, "PSVT": 0, "AFLT": 0.25, "AFIB": 0.95, "BIGU": 0.7, "PVC": 0.1, "PAC": 0.9, "NST_": 0.25}
SPARE = 10  # of so many recordings that are kept, there is one that a rule leaves out


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


def dealt(classes: Sequence[Any], common: Sequence[Any], count: int, rng: np.random.Generator) -> list[Any]:
    """Deal every class once, and then the common ones over and over, each round shuffled."""
    found = [classes[place] for place in rng.permutation(len(classes))]
    while len(found) < count:
        found += [common[place] for place in rng.permutation(len(common))]
    return found[:count]


def spare(records: int, of: Sequence[Any]) -> list[Any]:
    """Give as many cases that a rule leaves out as go with so many recordings, each kind of them once at least."""
    return [of[number % len(of)] for number in range(max(len(of), records // SPARE))]


def mingled(kept: Sequence[Any], left_out: Sequence[Any]) -> list[Any]:
    """Lay cases that a rule leaves out between the others, evenly."""
    places = [len(kept) * k // len(left_out) for k in range(len(left_out))]
    laid, rest = [], iter(left_out)
    for number, case in enumerate(kept):
        laid += [*islice(rest, places.count(number)), case]
    return laid
