"""Encode the rows of a Bundle as images, a chunk at a time, stored in full or in fewer bits."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pqrst import catalog, loaders
from pqrst.arrays import Bundle, Meta, Writer
from pqrst.console import track
from pqrst.params import component
from pqrst.resolved import Encode

CHUNK_ROWS, CHUNK_NUMBERS = 256, 2**23  # of pictures at once: whichever is fewer
LEVELS = 255  # steps of a byte


@dataclass(frozen=True)
class Steps:
    """The whole steps that values are stored in, by channel: value = (step − zero) / gain."""

    gain: np.ndarray
    zero: np.ndarray


def encode(bundle: Bundle, given: Encode, folder: Path) -> Meta:
    """Write the images of every row, in the rows' order."""
    name, dtype = given.encoding, given.dtype
    p = component(("encodings", name), given.settings, f"encodings.{name}")
    function = catalog.load("encodings", name).encode
    draw = partial(_images, function, bundle, p)
    shape = draw(slice(0, 1)).shape[1:]
    size = max(1, min(CHUNK_ROWS, CHUNK_NUMBERS // math.prod(shape)))
    parts = [slice(start, start + size) for start in range(0, len(bundle.x), size)]
    steps = _steps(map(draw, parts)) if dtype == "uint8" else None
    with Writer(folder, shape, dtype) as writer:
        for part in track(parts, len(parts), "encode", "chunks"):
            writer.add(
                _in_steps(draw(part), steps),
                bundle.y[part],
                bundle.rows.iloc[part],
                None if bundle.side is None else bundle.side[part],
            )
        return writer.finish(_meta(bundle.meta, name, asdict(p), steps))


def _images(function: Any, bundle: Bundle, p: Any, part: slice) -> np.ndarray:
    signals = torch.from_numpy(bundle.x[part].astype(np.float32))  # (n, leads, T)
    with torch.inference_mode():
        in_units = loaders.standardise(signals, loaders.to_unit(bundle.meta))
        return np.asarray(function(in_units, bundle.meta.fs, p).numpy())


def _steps(pictures: Iterable[np.ndarray]) -> Steps:
    """Spread the range that all pictures have, channel by channel, over a byte; of a flat channel its one value is a step."""
    ends = [(images.min(axis=(0, 2, 3)), images.max(axis=(0, 2, 3))) for images in pictures]
    low, high = np.min([end[0] for end in ends], axis=0), np.max([end[1] for end in ends], axis=0)
    flat = np.where(low == 0, 1, np.abs(low)) * LEVELS
    gain = LEVELS / np.where(high > low, high - low, flat).astype(np.float64)
    return Steps(gain, np.rint(-low * gain))


def _in_steps(images: np.ndarray, steps: Steps | None) -> np.ndarray:
    if steps is None:
        return images
    gain, zero = (values[:, None, None] for values in (steps.gain, steps.zero))
    return np.clip(np.rint(images * gain + zero), 0, LEVELS)


def _meta(windows: Meta, encoding: str, settings: Mapping[str, Any], steps: Steps | None) -> Meta:
    """Keep what the rows were cut by, so that an image can be made again from a recording."""
    made_by = {
        "window": dict(windows.settings),
        "units": windows.units,
        "encoding": encoding,
        "encoding_settings": dict(settings),
    }
    gain, zero = (None, None) if steps is None else (tuple(steps.gain.tolist()), tuple(map(int, steps.zero)))
    return replace(
        windows, axes=("row", "channel", "height", "width"), units="encoded", gain=gain, zero=zero, settings=made_by
    )
