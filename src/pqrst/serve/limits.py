"""What the server takes from a stranger: so many bytes, so long, so many at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pqrst.errors import PqrstError, SettingsError


@dataclass(frozen=True)
class Limits:
    """Bounds of one server; who comes when they are reached waits, and is told to come back where waiting took too long."""

    megabytes: float = 64.0  # of one upload
    seconds: float = 60.0  # from the headers of a request to its answer
    at_once: int = 8  # recordings computed, and bodies larger than `small` taken; others wait
    samples: int = 20_000_000  # of all leads of one recording: two leads for 7.7 h at 360 Hz
    leads: int = 64
    explained: int = 8  # windows of one request whose attention is shown
    connections: int = 512  # open ones, below the thousand files that a system usually grants; one more is sent away
    patience: float = 10.0  # seconds for the headers, for a body beside its bytes, and for an answer that nobody reads
    rate: int = 50_000  # bytes of a body, or of an answer, that come through in a second
    small: int = 262_144  # bytes of a body that is taken whoever else sends

    def __post_init__(self) -> None:
        for name in ("megabytes", "seconds", "at_once", "connections", "patience"):
            if not 0 < getattr(self, name) < 1e9:
                option = f"--{name.replace('_', '-')}"
                raise SettingsError(f"{option} must be larger than 0, got {getattr(self, name):g}")

    @property
    def bytes(self) -> int:
        return int(self.megabytes * 1_000_000)


class RefusalError(PqrstError):
    """A request that is refused by a status and a reason."""

    def __init__(self, status: int, reason: str, **more: Any) -> None:
        super().__init__(reason)
        self.status, self.more = status, more

    def told(self) -> Mapping[str, Any]:
        """Give the body of the answer."""
        return {"error": {"reason": str(self), **self.more}}
