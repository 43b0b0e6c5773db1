"""One line of the table of benchmarks, which every file here yields."""

import statistics
from typing import NamedTuple


class Row(NamedTuple):
    """A subject held against a peer, in interleaved rounds."""

    subject: str
    peer: str  # with its version
    pairs: list[tuple[float, float]]  # (peer's, ours) of each round; none where it could not be measured
    floor: float | None = None  # the ratio that must be reached, and
    goal: float | None = None  # the one that is wished for
    share: str = ""  # of a physical limit measured in the same run
    unit: str = "s"  # of both numbers of a pair

    @property
    def ratios(self) -> list[float]:
        """Give the peer's time over ours, round by round."""
        return [theirs / ours for theirs, ours in self.pairs]

    @property
    def ratio(self) -> float:
        """Give the median of the rounds' ratios."""
        return statistics.median(self.ratios)
