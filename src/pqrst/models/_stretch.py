"""The stretch of a row that a network looks at, for those that were published on a part of a recording."""

from typing import Annotated

from pqrst.errors import SettingsError
from pqrst.models._blocks import check_signal
from pqrst.parsing import Between

Length = Annotated[int, Between(0)]


def stretch(model: str, in_shape: tuple[int, ...], start: int, length: int, shortest: int = 1) -> slice:
    """Give the samples from `start` on, so many or for 0 all; below 0 `start` counts from the end, at most the whole row.

    Refuse an input that is no signal (leads, samples), a stretch that a row does not hold, or one below `shortest`.
    """
    check_signal(model, in_shape)
    leads, samples = in_shape
    first = max(samples + start, 0) if start < 0 else start
    end = first + length if length else samples
    if end > samples or first >= samples:
        raise SettingsError(
            f"models.{model}: start {start} and length {length} reach beyond a row of {samples} samples; set them lower"
        )
    check_signal(model, (leads, end - first), shortest)
    return slice(first, end)
