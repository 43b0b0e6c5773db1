"""Encode the rows of a Bundle as images, a chunk at a time."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pqrst import catalog
from pqrst.arrays import Bundle, Meta, Writer
from pqrst.console import track
from pqrst.params import component

CHUNK_ROWS = 256


def encode(bundle: Bundle, settings: Mapping[str, Any], folder: Path) -> Meta:
    """Write the images of every row, in the rows' order."""
    name = settings["encoding"]
    p = component(("encodings", name), settings["settings"], f"encodings.{name}")
    function = catalog.load("encodings", name).encode
    starts = range(0, len(bundle.x), CHUNK_ROWS)
    with Writer(folder, _images(function, bundle, slice(0, 1), p).shape[1:], "float32") as writer:
        for start in track(starts, len(starts), "encode", "chunks"):
            part = slice(start, start + CHUNK_ROWS)
            writer.add(
                _images(function, bundle, part, p),
                bundle.y[part],
                bundle.rows.iloc[part],
                None if bundle.side is None else bundle.side[part],
            )
        return writer.finish(_meta(bundle.meta, name, asdict(p)))


def _images(function: Any, bundle: Bundle, part: slice, p: Any) -> np.ndarray:
    signals = torch.from_numpy(bundle.x[part].astype(np.float32))  # (n, leads, T)
    with torch.inference_mode():
        return np.asarray(function(signals, bundle.meta.fs, p).numpy())


def _meta(windows: Meta, encoding: str, settings: Mapping[str, Any]) -> Meta:
    """Keep what the rows were cut by, so that an image can be made again from a recording."""
    made_by = {
        "window": dict(windows.settings),
        "units": windows.units,
        "encoding": encoding,
        "encoding_settings": dict(settings),
    }
    return replace(
        windows, axes=("row", "channel", "height", "width"), units="encoded", gain=None, zero=None, settings=made_by
    )
