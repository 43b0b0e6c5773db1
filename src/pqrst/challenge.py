"""The 26 classes of the PhysioNet/CinC Challenge 2021, and what the Challenge credits for one taken for another.

The Challenge scores 30 SNOMED CT codes. Four pairs of them mean the same to its scoring, so 26 classes are left, in the
order of its own tables. Those tables and their licence: github.com/physionetchallenges/evaluation-2021, BSD 2-Clause.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from pqrst.errors import DataError

WEIGHTS = Path(__file__).with_name("challenge_weights.csv")

CODES_OF: Mapping[str, str] = MappingProxyType(
    {
        "AF": "164889003",
        "AFL": "164890007",
        "BBB": "6374002",
        "Brady": "426627000",
        "LBBB": "733534002",
        "RBBB": "713427006",
        "IAVB": "270492004",
        "IRBBB": "713426002",
        "LAD": "39732003",
        "LAnFB": "445118002",
        "LPR": "164947007",
        "LQRSV": "251146004",
        "LQT": "111975006",
        "NSIVCB": "698252002",
        "NSR": "426783006",
        "PAC": "284470004",
        "PR": "10370003",
        "PRWP": "365413008",
        "PVC": "427172004",
        "QAb": "164917005",
        "RAD": "47665007",
        "SA": "427393009",
        "SB": "426177001",
        "STach": "427084000",
        "TAb": "164934002",
        "TInv": "59931005",
    }
)
CLASSES: tuple[str, ...] = tuple(CODES_OF)
CODES: tuple[str, ...] = tuple(CODES_OF.values())  # of each class, the code that is kept
NORMAL = "NSR"

# a code that is merged away -> the code that is kept
SAME_AS: Mapping[str, str] = MappingProxyType(
    {
        "59118001": "713427006",  # right bundle branch block -> complete right bundle branch block
        "63593006": "284470004",  # supraventricular premature beats -> premature atrial contraction
        "17338001": "427172004",  # ventricular premature beats -> premature ventricular contractions
        "164909002": "733534002",  # left bundle branch block -> complete left bundle branch block
    }
)


@cache
def weights() -> np.ndarray:
    """Give what each class (row) earns when each class (column) is answered, (26, 26) float64, read-only."""
    lines = WEIGHTS.read_text(encoding="utf-8").splitlines()
    cells = np.array([line.split(",") for line in lines if not line.startswith("#")])
    if not tuple(cells[0, 1:]) == tuple(cells[1:, 0]) == CLASSES:
        raise DataError(f"{WEIGHTS.name} does not name the 26 classes in their order; install the package again")
    table = cells[1:, 1:].astype(np.float64)
    table.flags.writeable = False
    return table
