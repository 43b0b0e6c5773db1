"""Encode the rows of a Bundle as images, a chunk at a time, stored in full or in fewer bits."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pqrst import catalog, loaders
from pqrst.arrays import Bundle, Meta, Steps, Writer
from pqrst.console import track
from pqrst.params import component
from pqrst.resolved import Encode

CHUNK_ROWS, CHUNK_NUMBERS = 256, 2**21  # of pictures at once, 8 MB near the processor: whichever is fewer
LEVELS = 255  # steps of a byte


def encode(bundle: Bundle, given: Encode, folder: Path) -> Meta:
    """Write the images of every row, in the rows' order."""
    name, dtype = given.encoding, given.dtype
    p = component(("encodings", name), given.settings, f"encodings.{name}")
    function = catalog.load("encodings", name).encode
    draw = partial(_images, function, bundle, p)
    shape = draw(np.arange(1)).shape[1:]
    size = chunk(shape)
    parts = np.split(np.arange(len(bundle.x)), range(size, len(bundle.x), size))
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


def chunk(shape: tuple[int, ...]) -> int:
    """Say how many pictures of a shape are drawn at once."""
    return max(1, min(CHUNK_ROWS, CHUNK_NUMBERS // math.prod(shape)))


def _images(function: Any, bundle: Bundle, p: Any, part: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        signals = loaders.read(bundle.x, part, bundle.meta.steps)  # (n, leads, T)
        return np.asarray(function(signals, bundle.meta.fs, p).numpy())


def _steps(pictures: Iterable[np.ndarray]) -> Steps:
    """Spread the range that all pictures have, channel by channel, over a byte; of a flat channel its one value is a step."""
    ends = [(images.min(axis=(0, 2, 3)), images.max(axis=(0, 2, 3))) for images in pictures]
    low, high = np.min([end[0] for end in ends], axis=0), np.max([end[1] for end in ends], axis=0)
    flat = np.where(low == 0, 1, np.abs(low)) * LEVELS
    gain = LEVELS / np.where(high > low, high - low, flat).astype(np.float64)
    return Steps(tuple(gain.tolist()), tuple(np.rint(-low * gain).astype(int).tolist()))


def _in_steps(images: np.ndarray, steps: Steps | None) -> np.ndarray:
    if steps is None:
        return images
    gain, zero = (np.array(values)[:, None, None] for values in (steps.gain, steps.zero))
    return np.clip(np.rint(images * gain + zero), 0, LEVELS)


def _meta(windows: Meta, encoding: str, settings: Mapping[str, Any], steps: Steps | None) -> Meta:
    return replace(
        windows, axes=("row", "channel", "height", "width"), units="encoded", encoding=encoding,
        encoding_settings=dict(settings), gain=None if steps is None else steps.gain,
        zero=None if steps is None else steps.zero,
    )  # fmt: skip
