"""Which epoch of a training is chosen, and how soon it gets somewhere: the first epoch whose validation reaches a score that is named with it.

>>> epochs_to("epochs_to_f1_macro_0.60", {"f1_macro": [0.31, 0.62, 0.58]})
2
"""

import math
import re
from collections.abc import Mapping, Sequence

FOLLOWED = ("accuracy", "f1_macro")  # on validation rows, epoch by epoch
NAMED = re.compile(rf"epochs_to_({'|'.join(FOLLOWED)})_(0\.\d+)")


def names_one(score: str) -> bool:
    """Say whether a score's name asks for an epoch, such as `epochs_to_accuracy_0.9`."""
    return bool(NAMED.fullmatch(score))


def followed(score: str) -> str:
    """Give the score whose course a name asks for."""
    found = NAMED.fullmatch(score)
    if found is None:
        raise ValueError(f"{score} is not epochs_to_<{' or '.join(FOLLOWED)}>_<value below 1>")
    return found[1]


def epochs_to(score: str, course: Mapping[str, Sequence[float]]) -> int | None:
    """Give the first epoch that reaches the value in a score's name; none where no epoch does."""
    least = float(score.rpartition("_")[2])
    reached = (epoch for epoch, value in enumerate(course.get(followed(score), ()), 1) if value >= least)
    return next(reached, None)


def worth(row: Mapping[str, float], select: str, epoch: int) -> float:
    """Give what an epoch is chosen by, the lower the better; a score that no validation row defines is the worst."""
    if select == "last":
        return -float(epoch)
    if select == "loss":
        return row["validation_loss"]
    found = row[f"validation_{select}"]
    return -found if math.isfinite(found) else math.inf


def chosen(history: Sequence[Mapping[str, float]], select: str) -> int:
    """Give the epoch that a training keeps, the first of equals; 0 where there was none."""
    return min(range(1, len(history) + 1), key=lambda epoch: worth(history[epoch - 1], select, epoch), default=0)
