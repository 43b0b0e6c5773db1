"""Recordings cut into the rows of a Bundle."""

import json
from pathlib import Path

import _stage
from pqrst import catalog, windows
from pqrst.console import log
from pqrst.params import Window, component
from pqrst.parsing import parse
from pqrst.resolved import read_resolved
from pqrst.sources import PROVENANCE


def main(*, settings: Path, raw: Path, out: Path) -> None:
    """Cut one database."""
    given = read_resolved(settings)
    dataset = catalog.load("datasets", given["database"])
    facts = {
        "dataset": given["dataset"], "task": dataset.TASK, "classes": dataset.CLASSES,
        "provenance": json.loads((raw / PROVENANCE).read_text()) | {"database": given["database"]},
    }  # fmt: skip
    found = dataset.records(raw, component(("datasets", given["database"]), given["settings"], "settings"))
    meta = windows.segment(found, parse(Window, given["window"], "window"), given["on_bad_record"], facts, out)
    log.info(
        "%s: %s rows of shape %s, %s recordings skipped", out.name, meta.shape[0], meta.shape[1:], len(meta.skipped)
    )


if __name__ == "__main__":
    _stage.run(main)
