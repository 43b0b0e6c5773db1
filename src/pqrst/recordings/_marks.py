"""The annotations beside a WFDB recording."""

from pathlib import Path

from pqrst.errors import RecordError
from pqrst.recordings._leads import reason


def read(path: Path, ending: str) -> list[tuple[int, str]]:
    """Give sample and symbol of each annotation in the file of that ending, such as atr, in order of time."""
    import wfdb  # noqa: PLC0415 (costs half a second, and only explanations show marks)

    record = path.with_suffix("")
    file = record.with_name(f"{record.name}.{ending}")
    if not ending.isalnum() or not file.is_file():
        raise RecordError(record.name, f"{file.name} is missing; lay it beside the recording, or leave --marks out")
    try:
        found = wfdb.rdann(str(record), ending)
        marks = [(int(sample), str(symbol)) for sample, symbol in zip(found.sample, found.symbol, strict=True)]
    except Exception as error:  # noqa: BLE001 (what the library raises on foreign bytes has no common parent)
        raise RecordError(record.name, f"{file.name} cannot be read ({reason(error)}); copy it again") from None
    return sorted(marks)
