"""Recordings that several tests share: real ones where they lie, made-up ones always."""

import os
from pathlib import Path

import numpy as np
import pytest

from pqrst.datasets import mitdb

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def recordings():
    """Give the folder of real recordings, or skip."""
    folder = Path(os.environ.get("PQRST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "mitdb" / "RECORDS").exists():
        pytest.skip(f"no real recordings in {folder}; set PQRST_DATA to a folder that holds mitdb/")
    return folder


@pytest.fixture(scope="session")
def synthetic_mitbih(tmp_path_factory):
    """Write six made-up recordings of a minute, once."""
    folder = tmp_path_factory.mktemp("synthetic") / "mitdb"
    folder.mkdir()
    mitdb.synthesize(folder, 6, np.random.default_rng(0), 1.0)
    return folder
