"""A made-up MIT-BIH Arrhythmia Database."""

from pqrst.made_up._two_leads import write

__all__ = ["write"]
