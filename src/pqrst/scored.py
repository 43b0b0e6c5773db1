"""What evaluation told of one network: scores.json, and the same as it is kept in git."""

import json
from pathlib import Path
from typing import Any

from pqrst import schemas
from pqrst.errors import DataError

# 2: what the leak gate found, and null for a score that is no number; 1 carried no schema, and said NaN, which is no JSON
OLDEST, GATED, SCHEMA = 1, 2, 2


def read(file: Path, oldest: int = SCHEMA) -> dict[str, Any]:
    """Read one result; a score that is no number is None, whichever schema says so."""
    anew = "evaluate the run anew with `dvc repro`"
    try:
        given = json.loads(file.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON ({error}); {anew}") from None
    if schemas.check(given, str(file), SCHEMA, oldest, anew, unmarked=1) >= GATED and "gate" not in given:
        raise DataError(f"{file} does not say what the leak gate found; {anew}")
    return dict(given)
