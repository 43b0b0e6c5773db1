"""Whom a recording is of: age and sex as databases write them, in words and in numbers."""

import math

OVER_89, TOLD = 300, ">89"  # what PTB-XL, and others after it, say of people older than 89
OVER_89_YEARS = 90.0  # what a network is told of them
OLDEST = 130  # years


def person(age: str, sex: str) -> tuple[dict[str, str], dict[str, float]]:
    """Give what is told of a person, and the same as numbers, in years and 1 for a man."""
    said = {"age": _age(age), "sex": _sex(sex)}
    years = OVER_89_YEARS if said["age"] == TOLD else float(said["age"] or "nan")
    return said, {"age": years, "male": {"male": 1.0, "female": 0.0}.get(said["sex"], math.nan)}


def _age(text: str) -> str:
    """Give an age in years; nothing where it is not known or cannot be."""
    try:
        years = float(text)
    except ValueError:
        return ""
    if years == OVER_89:
        return TOLD
    return f"{years:g}" if 0 <= years <= OLDEST else ""


def _sex(text: str) -> str:
    """Give male or female, of which any spelling begins with m or f; nothing where it is neither."""
    return {"m": "male", "f": "female"}.get(text.strip().lower()[:1], "")
