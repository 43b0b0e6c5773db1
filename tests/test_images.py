"""Rows as images, written in chunks."""

import numpy as np
import pandas as pd
import pytest

from pqrst import images
from pqrst.arrays import Bundle, Meta, digest, read

META = Meta(
    "toy", "single", ("a", "b"), 120.0, ("I",), "mV", ("row", "lead", "time"), {"cut": "beats"}, {"synthetic": True}
)
SETTINGS = {
    "encoding": "lead_rows",
    "settings": {"start": 0, "length": 20, "size": 8, "channels": 1, "mean": [0.0], "deviation": [1.0], "scale": 1.0},
}


@pytest.fixture
def windows():
    """Give seven rows of noise."""
    x = np.random.default_rng(0).normal(size=(7, 1, 20)).astype(np.float32)
    rows = pd.DataFrame({"record": [f"r{i}" for i in range(7)], "patient": "", "start": range(7), "quality": ""})
    return Bundle(META, x, np.arange(7) % 2, rows)


def test_images_keep_rows_and_labels_in_order(windows, tmp_path):
    """Row i of the images is row i of the windows."""
    images.encode(windows, SETTINGS, tmp_path / "images")
    made = read(tmp_path / "images")
    assert made.x.shape == (7, 1, 8, 8)
    assert made.y.tolist() == windows.y.tolist()
    assert made.rows["record"].tolist() == windows.rows["record"].tolist()
    assert made.meta.axes == ("row", "channel", "height", "width")
    assert made.meta.settings["encoding"] == "lead_rows"
    assert made.meta.settings["window"] == {"cut": "beats"}
    assert made.meta.fs == 120.0


def test_bytes_do_not_depend_on_the_chunk(windows, tmp_path, monkeypatch):
    """Chunks of 2, 3 and 256 rows give the same files."""
    found = set()
    for rows in (2, 3, 256):
        monkeypatch.setattr(images, "CHUNK_ROWS", rows)
        images.encode(windows, SETTINGS, tmp_path / str(rows))
        found.add(digest(tmp_path / str(rows)))
    assert len(found) == 1
