"""Made-up recordings for the heartbeat set: those of MIT-BIH, out of which it is cut."""

from pqrst.made_up._two_leads import write

__all__ = ["write"]
