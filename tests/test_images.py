"""Rows as images, written in chunks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from pqrst import images
from pqrst.arrays import Bundle, Meta, digest, read
from pqrst.encodings import lead_rows
from pqrst.errors import SettingsError

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


def test_each_image_is_that_of_its_own_row(windows, tmp_path, monkeypatch):
    """Encoded three at a time, row i equals the encoding of window i alone."""
    monkeypatch.setattr(images, "CHUNK_ROWS", 3)
    images.encode(windows, SETTINGS, tmp_path / "images")
    made = read(tmp_path / "images").x
    p = lead_rows.Params(**SETTINGS["settings"])
    for row, signal in zip(made, windows.x, strict=True):
        assert np.array_equal(row, lead_rows.encode(torch.from_numpy(signal[None]), 120.0, p)[0].numpy())


def test_what_stands_beside_a_row_stays_beside_its_image(windows, tmp_path, monkeypatch):
    """Numbers of rhythm and shape and their names survive, three rows at a time."""
    monkeypatch.setattr(images, "CHUNK_ROWS", 3)
    side = np.arange(14, dtype=np.float32).reshape(7, 2)
    images.encode(
        replace(windows, meta=replace(META, side=("before", "after")), side=side), SETTINGS, tmp_path / "images"
    )
    made = read(tmp_path / "images")
    assert made.side.tolist() == side.tolist()
    assert made.meta.side == ("before", "after")


def test_meta_says_what_the_images_were_made_by(windows, tmp_path):
    """Encoding, its settings, and the cut and unit of the windows stand in it; gain and zero, which no longer hold, do not."""
    converted = replace(windows, meta=replace(META, gain=(200.0,), zero=(1024,)))
    meta = images.encode(converted, SETTINGS, tmp_path / "images")
    assert meta.axes == read(tmp_path / "images").meta.axes
    assert meta.settings["encoding_settings"]["size"] == 8
    assert meta.settings["units"] == "mV"
    assert (meta.units, meta.gain, meta.zero) == ("encoded", None, None)
    assert (meta.dtype, meta.shape) == ("float32", (7, 1, 8, 8))
    assert meta.classes == META.classes
    assert meta.synthetic


def test_a_wrong_setting_is_one_line_before_any_work(windows, tmp_path):
    """An encoding's misspelt setting is refused, and nothing is written."""
    wrong = SETTINGS | {"settings": {"sise": 8}}
    with pytest.raises(SettingsError, match=r"encodings\.lead_rows\.sise is not a setting; did you mean size"):
        images.encode(windows, wrong, tmp_path / "images")
    assert list(tmp_path.iterdir()) == []


def test_bytes_do_not_depend_on_the_chunk(windows, tmp_path, monkeypatch):
    """Chunks of 2, 3 and 256 rows give the same files."""
    found = set()
    for rows in (2, 3, 256):
        monkeypatch.setattr(images, "CHUNK_ROWS", rows)
        images.encode(windows, SETTINGS, tmp_path / str(rows))
        found.add(digest(tmp_path / str(rows)))
    assert len(found) == 1
