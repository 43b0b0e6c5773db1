"""Encode the rows of a Bundle as images, a chunk at a time, stored in full or in fewer bits."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pqrst import catalog, engines, loaders
from pqrst.arrays import Bundle, Meta, Steps, Writer, read
from pqrst.console import track
from pqrst.params import component
from pqrst.resolved import Encode

CHUNK_ROWS, CHUNK_NUMBERS = 256, 2**21  # of pictures at once, 8 MB near the processor: whichever is fewer
LEVELS = 255  # steps of a byte
Chunk = tuple[Bundle, np.ndarray]  # and the numbers of some of its rows
Draw = Callable[[Chunk], np.ndarray]
Ends = tuple[np.ndarray, np.ndarray]  # the lowest and the highest value of each channel


def encode(windows: Path, given: Encode, folder: Path, engine: str = engines.LOCAL) -> Meta:
    """Write the images of every row of a Bundle, in the rows' order."""
    name, dtype = given.encoding, given.dtype
    p = component(("encodings", name), given.settings, f"encodings.{name}")
    draw: Draw = partial(_images, catalog.load("encodings", name).encode, p)
    bundle = read(windows)
    shape = draw((bundle, np.arange(1))).shape[1:]
    chunks = partial(_chunks, windows, chunk(shape))
    steps = None
    if dtype == "uint8":
        with closing(engines.in_order(engine, chunks, partial(_ends, draw))) as ends:
            steps = _steps(ends)
    parts = _parts(len(bundle.x), chunk(shape))
    drawn = engines.in_order(engine, chunks, partial(_stored, draw, dtype, steps))
    # closed, so that no worker outlives a fault
    with closing(drawn), Writer(folder, shape, dtype) as writer:
        for part, images in zip(parts, track(drawn, len(parts), "encode", "chunks"), strict=True):
            side = None if bundle.side is None else bundle.side[part]
            writer.add(images, bundle.y[part], bundle.rows.iloc[part], side)
        return writer.finish(_meta(bundle.meta, name, asdict(p), steps))


def chunk(shape: tuple[int, ...]) -> int:
    """Say how many pictures of a shape are drawn at once."""
    return max(1, min(CHUNK_ROWS, CHUNK_NUMBERS // math.prod(shape)))


def _parts(rows: int, size: int) -> list[np.ndarray]:
    return np.split(np.arange(rows), range(size, rows, size))


def _chunks(windows: Path, size: int) -> Iterator[Chunk]:
    """List the rows of a Bundle, so many at a time."""
    bundle = read(windows)
    return ((bundle, part) for part in _parts(len(bundle.x), size))


def _images(function: Any, p: Any, one: Chunk) -> np.ndarray:
    bundle, part = one
    torch.set_num_threads(1)  # chunks are drawn side by side, and numbers do not hang on how many cores there are
    with torch.inference_mode():
        signals = loaders.read(bundle.x, part, bundle.meta.steps)  # (n, leads, T)
        return np.asarray(function(signals, bundle.meta.fs, p).numpy())


def _stored(draw: Draw, dtype: str, steps: Steps | None, one: Chunk) -> np.ndarray:
    return _in_steps(draw(one), steps).astype(dtype, copy=False)


def _ends(draw: Draw, one: Chunk) -> Ends:
    images = draw(one)
    return images.min(axis=(0, 2, 3)), images.max(axis=(0, 2, 3))


def _steps(found: Iterable[Ends]) -> Steps:
    """Spread the range that all pictures have, channel by channel, over a byte; of a flat channel its one value is a step."""
    ends = list(found)
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
