"""The mistakes that a user can mend.

PqrstError
├── SettingsError   params.yaml, or a value given by -S
├── DownloadError   a host, a mirror, a checksum, the disk
├── RecordError     one recording or one row of a file
├── DataError       what travels between stages
└── LeakError       a split that breaks its own promise
"""


class PqrstError(Exception):
    """Say in one line what is wrong, where, and what to do next."""


class SettingsError(PqrstError):
    """A setting that is unknown, of the wrong type, out of range, or taken by no run."""


class DownloadError(PqrstError):
    """A file that could not be fetched whole and verified."""


class RecordError(PqrstError):
    """A recording that cannot be read as its header or its format promises."""

    def __init__(self, record: str, fault: str) -> None:
        super().__init__(f"record {record}: {fault}")
        self.record, self.fault = record, fault

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.record, self.fault)


class DataError(PqrstError):
    """A folder between two stages that is missing, incomplete, or of another schema."""


class LeakError(PqrstError):
    """A subject on two sides of a split that claims to be by subject."""
