"""The mistakes that a user can mend.

PqrstError
├── SettingsError   params.yaml, or a value given by -S
├── DownloadError   a host, a mirror, a checksum, the disk
├── RecordError     one recording or one row of a file
├── DataError       what travels between stages
└── LeakError       a split that breaks its own promise
"""

LONGEST_LINE = 1000  # characters of what is said; it may quote a file


def line(said: str) -> str:
    """Give a text as one line that a terminal and an answer can show, whatever bytes of a file stand in it."""
    cut = said if len(said) <= LONGEST_LINE else f"{said[: LONGEST_LINE // 2]} ... {said[-LONGEST_LINE // 3 :]}"
    return cut if cut.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in cut)


class PqrstError(Exception):
    """Say in one line what is wrong, where, and what to do next."""

    def __init__(self, said: str) -> None:
        super().__init__(line(said))


class SettingsError(PqrstError):
    """A setting that is unknown, of the wrong type, out of range, or taken by no run."""


class DownloadError(PqrstError):
    """A file that could not be fetched whole and verified."""


class RecordError(PqrstError):
    """A recording that cannot be read as its header or its format promises."""

    def __init__(self, record: str, fault: str) -> None:
        super().__init__(f"record {record}: {fault}")
        self.record, self.fault = line(record), line(fault)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.record, self.fault)


class DataError(PqrstError):
    """A folder between two stages that is missing, incomplete, or of another schema."""


class LeakError(PqrstError):
    """A subject on two sides of a split that claims to be by subject."""
