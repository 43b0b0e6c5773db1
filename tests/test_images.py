"""Rows as images, written in chunks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import toys
from pqrst import images, workers
from pqrst.arrays import Bundle, read
from pqrst.encodings import lead_rows
from pqrst.errors import SettingsError
from pqrst.files import digest
from pqrst.loaders import read as read_rows
from pqrst.resolved import Encode

META = replace(toys.META, fs=120.0, window={"cut": "beats"})
SETTINGS = Encode(
    "toy",
    "lead_rows",
    {"start": 0, "length": 20, "size": 8, "channels": 1, "mean": [0.0], "deviation": [1.0], "scale": 1.0},
)


@pytest.fixture
def windows():
    """Give seven rows of noise."""
    x = np.random.default_rng(0).normal(size=(7, 1, 20)).astype(np.float32)
    rows = pd.DataFrame({"record": [f"r{i}" for i in range(7)], "patient": "", "start": range(7), "quality": ""})
    return Bundle(META, x, np.arange(7) % 2, rows)


def encoded(windows, folder, given=SETTINGS, engine="serial"):
    """Store a bundle, and its images beside it; give their meta."""
    return images.encode(toys.save_bundle(folder.with_name(f"{folder.name} of"), windows), given, folder, engine)


def test_images_keep_rows_and_labels_in_order(windows, tmp_path):
    """Row i of the images is row i of the windows."""
    encoded(windows, tmp_path / "images")
    made = read(tmp_path / "images")
    assert made.x.shape == (7, 1, 8, 8)
    assert made.y.tolist() == windows.y.tolist()
    assert made.rows["record"].tolist() == windows.rows["record"].tolist()
    assert made.meta.axes == ("row", "channel", "height", "width")
    assert made.meta.encoding == "lead_rows"
    assert made.meta.window == {"cut": "beats"}
    assert made.meta.fs == 120.0


def test_each_image_is_that_of_its_own_row(windows, tmp_path, monkeypatch):
    """Encoded three at a time, row i equals the encoding of window i alone."""
    monkeypatch.setattr(images, "CHUNK_ROWS", 3)
    encoded(windows, tmp_path / "images")
    made = read(tmp_path / "images").x
    p = lead_rows.Params(**SETTINGS.settings)
    for row, signal in zip(made, windows.x, strict=True):
        assert np.array_equal(row, lead_rows.encode(torch.from_numpy(signal[None]), 120.0, p)[0].numpy())


def test_what_stands_beside_a_row_stays_beside_its_image(windows, tmp_path, monkeypatch):
    """Numbers of rhythm and shape and their names survive, three rows at a time."""
    monkeypatch.setattr(images, "CHUNK_ROWS", 3)
    side = np.arange(14, dtype=np.float32).reshape(7, 2)
    encoded(replace(windows, meta=replace(META, side=("before", "after")), side=side), tmp_path / "images")
    made = read(tmp_path / "images")
    assert made.side.tolist() == side.tolist()
    assert made.meta.side == ("before", "after")


def test_meta_says_what_the_images_were_made_by(windows, tmp_path):
    """Encoding, its settings, and the cut of the windows stand in it; gain and zero, which no longer hold, do not."""
    converted = replace(windows, meta=replace(META, gain=(200.0,), zero=(1024,)))
    meta = encoded(converted, tmp_path / "images")
    assert meta.axes == read(tmp_path / "images").meta.axes
    assert (meta.encoding, meta.encoding_settings["size"], meta.window) == ("lead_rows", 8, {"cut": "beats"})
    assert (meta.units, meta.gain, meta.zero) == ("encoded", None, None)
    assert (meta.dtype, meta.rows, meta.shape) == ("float32", 7, (1, 8, 8))
    assert meta.classes == META.classes
    assert meta.synthetic


def test_a_wrong_setting_is_one_line_before_any_work(tmp_path):
    """An encoding's misspelt setting is refused, and nothing is written."""
    wrong = replace(SETTINGS, settings={"sise": 8})
    with pytest.raises(SettingsError, match=r"encodings\.lead_rows\.sise is not a setting; did you mean size"):
        images.encode(tmp_path / "nowhere", wrong, tmp_path / "images")
    assert list(tmp_path.iterdir()) == []


def test_bytes_do_not_depend_on_the_chunk(windows, tmp_path, monkeypatch):
    """Chunks of 2, 3 and 256 rows give the same files."""
    found = set()
    for rows in (2, 3, 256):
        monkeypatch.setattr(images, "CHUNK_ROWS", rows)
        encoded(windows, tmp_path / str(rows))
        found.add(digest(tmp_path / str(rows)))
    assert len(found) == 1


def stored(windows, folder, dtype, **changes):
    """Store images in a kind of numbers; give them as stored, and as they are read in their unit."""
    encoded(windows, folder, replace(SETTINGS, dtype=dtype, **changes))
    made = read(folder)
    return made, read_rows(made.x, np.arange(len(made.x)), made.meta.steps).numpy()


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_fewer_bits_hold_the_same_images(windows, tmp_path, dtype):
    """Store in the kind asked for, with gain and zero by channel for bytes alone, and read the same images again."""
    _, whole = stored(windows, tmp_path / "whole", "float32")
    made, told = stored(windows, tmp_path / "made", dtype)
    assert (made.x.dtype, made.meta.dtype) == (dtype, dtype)
    assert (made.meta.gain is None) == (made.meta.zero is None) == (dtype != "uint8")
    step = {"float32": 0.0, "float16": 2.0**-11 * np.abs(whole).max(), "uint8": np.ptp(whole) / 255}[dtype]
    assert np.abs(told - whole).max() <= 1.01 * step
    assert (made.y.tolist(), made.rows["record"].tolist()) == (windows.y.tolist(), [f"r{n}" for n in range(7)])


def test_bytes_span_the_range_of_all_images(windows, tmp_path, monkeypatch):
    """Use the whole byte over all chunks, so that no image is cut off, whatever the chunk."""
    louder = replace(windows, x=windows.x * np.arange(1, 8, dtype=np.float32)[:, None, None])
    found = set()
    for rows in (2, 256):
        monkeypatch.setattr(images, "CHUNK_ROWS", rows)
        made, _ = stored(louder, tmp_path / str(rows), "uint8")
        assert (made.x.min(), made.x.max()) == (0, 255)
        found.add(digest(tmp_path / str(rows)))
    assert len(found) == 1


def test_channels_have_steps_of_their_own():
    """Spread 0 to 1 and -100 to 155 over a byte each: by hand, 255 and 1 steps a unit."""
    pictures = np.zeros((2, 2, 1, 2), np.float32)
    pictures[:, 0, 0], pictures[:, 1, 0] = [[0, 0.5], [1, 0.25]], [[-100, 0], [155, 20]]
    steps = images._steps(images._ends(np.asarray, part) for part in (pictures[:1], pictures[1:]))
    assert steps.gain == (255, 1)
    assert steps.zero == (0, 100)
    assert images._in_steps(pictures, steps)[:, 1, 0].tolist() == [[0, 100], [255, 120]]
    assert images._in_steps(pictures, steps)[:, 0, 0].tolist() == [[0, 128], [255, 64]]


@pytest.mark.parametrize("value", [0.0, 0.3, -0.3, 1.0, 1000.0, -2.5e-4])
def test_a_flat_channel_keeps_its_value_in_bytes(value):
    """Neither divide by nothing nor round the one value away, beside a channel that is not flat."""
    pictures = np.stack(
        [np.full((3, 2, 2), value, np.float32), np.arange(12, dtype=np.float32).reshape(3, 2, 2)], axis=1
    )
    steps = images._steps([images._ends(np.asarray, pictures)])
    kept = images._in_steps(pictures, steps)
    assert np.isfinite(steps.gain).all()
    assert (kept.min(), kept.max()) == (0, 255)
    gain, zero = (np.array(values)[:, None, None] for values in (steps.gain, steps.zero))
    told = (kept - zero) / gain
    assert told[:, 0] == pytest.approx(np.full((3, 2, 2), value), rel=1e-6)
    assert told[:, 1] == pytest.approx(pictures[:, 1], abs=11 / 255)


def test_flat_pictures_are_stored_in_bytes(windows, tmp_path):
    """Store recordings without a signal, and read what was drawn of them."""
    flat = replace(windows, x=np.zeros_like(windows.x))
    settings = SETTINGS.settings | {"mean": [0.3]}
    made, told = stored(flat, tmp_path / "made", "uint8", settings=settings)
    _, whole = stored(flat, tmp_path / "whole", "float32", settings=settings)
    assert np.ptp(whole) == 0 != whole.max()
    assert told == pytest.approx(whole, rel=1e-6)
    assert len(np.unique(made.x)) == 1


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_forked_workers_draw_the_same_bytes(windows, tmp_path, monkeypatch, dtype):
    """Draw in this process, or chunk by chunk in three others."""
    monkeypatch.setattr(images, "CHUNK_ROWS", 2)
    monkeypatch.setattr(workers, "ALONE", 0.0)
    monkeypatch.setattr(workers, "available", lambda _threads: 3)
    for engine in ("serial", "local"):
        encoded(windows, tmp_path / engine, replace(SETTINGS, dtype=dtype), engine)
    assert digest(tmp_path / "serial") == digest(tmp_path / "local")
