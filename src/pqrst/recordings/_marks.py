"""The annotations beside a WFDB recording."""

from pathlib import Path

from pqrst import annotations
from pqrst.errors import RecordError
from pqrst.recordings._leads import reason


def read(path: Path, ending: str) -> list[tuple[int, str]]:
    """Give sample and symbol of each annotation in the file of that ending, such as atr, in order of time."""
    record = path.with_suffix("")
    file = record.with_name(f"{record.name}.{ending}")
    if not ending.isalnum() or not file.is_file():
        raise RecordError(record.name, f"{file.name} is missing; lay it beside the recording, or leave --marks out")
    try:
        found = annotations.read(file.read_bytes())
        marks = list(zip(found.samples.tolist(), found.symbols(), strict=True))
    except ValueError as error:
        raise RecordError(record.name, f"{file.name} {error}; copy it again") from None
    except OSError as error:
        raise RecordError(record.name, f"{file.name} cannot be read ({reason(error)}); check its rights") from None
    if any(sample < 0 for sample, _ in marks):
        raise RecordError(record.name, f"{file.name} has marks before its first sample; copy it again")
    return sorted(marks)
