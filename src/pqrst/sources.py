"""Bring a database's recordings: made up in its own format, from its host, or from a mirror."""

from pathlib import Path
from typing import Any

import numpy as np

from pqrst import catalog
from pqrst.files import digest, whole, write_json
from pqrst.params import component
from pqrst.resolved import Download

PROVENANCE = "provenance.json"
HOSTS, SYNTHETIC = "hosts", "synthetic"


def obtain(given: Download, dest: Path, scratch: Path, checkout: Path) -> dict[str, Any]:
    """Bring one database into `dest` and write where it came from; a relative mirror counts from `checkout`."""
    name, source = given.database, given.source
    p = component(("datasets", name), given.settings, f"databases.{name}")
    if source == SYNTHETIC:
        provenance = _made_up(given, dest)
    else:
        base = None if source == HOSTS else _mirror(source, checkout)
        provenance = catalog.load("datasets", name).fetch(base, dest, scratch, p)
    write_json(dest / PROVENANCE, provenance)
    return dict(provenance)


def _mirror(source: str, checkout: Path) -> str:
    """Give a mirror's address without a closing stroke."""
    return source.rstrip("/") if "://" in source else str((checkout / source).resolve())


def _made_up(given: Download, dest: Path) -> dict[str, Any]:
    rng = np.random.default_rng(given.seed)
    with whole(dest) as partial:
        catalog.load("made_up", given.database).write(partial, given.records, rng, given.minutes)
    files = sum(path.is_file() for path in dest.rglob("*"))
    return {"source": SYNTHETIC, "synthetic": True, "verified": True, "files": files, "sha256": digest(dest)}
