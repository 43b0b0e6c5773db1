"""What the server takes from a stranger: so many bytes, so long, so many at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pqrst.errors import PqrstError


@dataclass(frozen=True)
class Limits:
    """Bounds of one server."""

    megabytes: float = 64.0  # of one upload
    seconds: float = 60.0  # from the first byte of a request to its answer
    at_once: int = 8  # requests that are read or computed; more are sent away
    samples: int = 20_000_000  # of all leads of one recording: two leads for 7.7 h at 360 Hz
    leads: int = 64
    explained: int = 8  # windows of one request whose attention is shown

    @property
    def bytes(self) -> int:
        return int(self.megabytes * 1_000_000)


class RefusalError(PqrstError):
    """A request that is answered with a 4xx or 503 and a reason."""

    def __init__(self, status: int, reason: str, **more: Any) -> None:
        super().__init__(reason)
        self.status, self.more = status, more

    def told(self) -> Mapping[str, Any]:
        """Give the body of the answer."""
        return {"error": {"reason": str(self), **self.more}}
