"""An ECG drawn on its paper: 25 mm/s and 10 mm/mV, with beats, and what an explanation says about time.

Places are in millimetres of the printed page from its upper left corner, y downwards. Text keeps its share of the page's
width, so that 10 s can still be read on a telephone, 375 pixels wide. Nothing here is a medical device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from pqrst.errors import DataError

SPEED, GAIN = 25.0, 10.0  # mm/s, and mm/mV unless a lead would be taller than the page allows
TALLEST, NARROWEST, WIDEST = 80.0, 75.0, 250.0  # mm of paper: a lead's band at most, a row at least and at most
LEFT, RIGHT, PULSE, STEP = 27.0, 9.0, 10.0, 5.0  # mm: margins, the calibration pulse with its ends, the coarse grid
TITLE, NAME, WORD, SMALL = 22.0, 20.0, 18.0, 16.0  # points, on a page of 10 s
DPI, INCH, LETTER = 110, 25.4, 0.26  # dots an inch of a page of 10 s; mm that a letter is wide, a point of its size
LOWEST_TOP = 1.5  # of an explanation, whose mean is 1
INK, PALE, NOTE, FINE, COARSE = "#111111", "#555555", "#c1440e", "#dd8a7f59", "#d26a5b99"
SHADE = LinearSegmentedColormap.from_list("shade", ["#ffffff", "#9fc3ee", "#4f8fd6"])  # darker in grey print too
MAP = LinearSegmentedColormap.from_list("map", ["#ffffff", "#8fb7e8", "#2f6db8", "#0b2a5b"])


@dataclass(frozen=True)
class Strip:
    """A piece of a recording; a sample that is missing is nan."""

    signal: np.ndarray  # (leads, T)
    fs: float
    leads: Sequence[str]
    beats: Sequence[tuple[int, str]] = ()  # sample and symbol
    unit: str = "mV"
    start: float = 0.0  # seconds into the recording


@dataclass(frozen=True)
class Words:
    """What is written on a page beside its strip."""

    title: str
    note: str = ""  # such as: synthetic recordings
    explanation: str = "attention received"


@dataclass(frozen=True)
class _Page:
    """A sheet and its measures."""

    axes: Axes
    strip: Strip
    values: np.ndarray  # (0, T) no explanation, (1, T), or (1 + heads, T) with the average first
    signal: np.ndarray  # (leads, T) about each lead's median
    gain: float  # mm a unit
    paper: float  # mm, a row of it
    scale: float  # of text and margins, 1 on a page of 10 s

    @property
    def left(self) -> float:
        return LEFT * self.scale

    @property
    def samples(self) -> int:
        """Count the samples of a row."""
        return round(self.paper / SPEED * self.strip.fs)

    def x(self, sample: np.ndarray | float, first: int) -> np.ndarray | float:
        return self.left + (sample - first) / self.strip.fs * SPEED

    def write(self, x: float, y: float, words: str, points: float, *, ha: str = "left", va: str = "center",
              color: str = INK) -> None:  # fmt: skip
        size = points * self.scale
        self.axes.text(x, y, words, fontsize=size, ha=ha, va=va, color=color, parse_math=False, zorder=4)


def window(strip: Strip, words: Words, file: Path, explanation: np.ndarray | None = None) -> None:
    """Draw a strip, and an explanation (T,) of mean 1 as a shade behind it and a curve below it, in rows of 10 s."""
    _save(
        _drawn(strip, words, np.zeros((0, strip.signal.shape[1])) if explanation is None else explanation[None]), file
    )


def heads(strip: Strip, words: Words, received: np.ndarray, file: Path) -> None:
    """Draw a strip, and below it the attention (heads + 1, T) that time receives: the average, last, and each head."""
    _save(_drawn(strip, words, np.concatenate([received[-1:], received[:-1]])), file)


def _save(figure: Figure, file: Path) -> None:
    """Write the same bytes for the same figure, all pages about as many dots wide."""
    file.parent.mkdir(parents=True, exist_ok=True)
    width = (LEFT + WIDEST + RIGHT) / INCH
    figure.savefig(file, dpi=round(DPI * width / figure.get_figwidth()), metadata={"Software": None})


def _drawn(strip: Strip, words: Words, values: np.ndarray) -> Figure:
    """Draw a page from top to bottom, and cut it where the drawing ends."""
    _check(strip, values)
    figure = Figure()
    page = _page(figure.add_axes((0, 0, 1, 1)), strip, values)
    levels = _levels(page)
    y = 3 * page.scale
    for line in wrap(words.title, 62):
        page.write(2 * page.scale, y, line, TITLE, va="top")
        y += 10 * page.scale
    for first in range(0, max(1, strip.signal.shape[1] - 1), page.samples):
        y = _symbols(page, first, levels, y)
        y = _sheet(page, first, y)
        y = _curve(page, first, y)
        y = _maps(page, first, y)
        y = _seconds(page, first, y)
    y = _legend(page, words, y)
    width = page.left + page.paper + RIGHT * page.scale
    figure.set_size_inches(width / INCH, y / INCH)
    page.axes.set_axis_off()
    page.axes.set(xlim=(0, width), ylim=(y, 0))
    return figure


def _check(strip: Strip, values: np.ndarray) -> None:
    leads, samples = strip.signal.shape
    if len(strip.leads) != leads:
        raise DataError(f"a strip of {leads} leads needs as many names, got {len(strip.leads)}")
    if values.shape[1] != samples:
        raise DataError(f"an explanation is one number a sample, {samples} of them, got {values.shape[1]}")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise DataError("an explanation is drawn by its sizes; bring attributions to them with explanations.over_time")


def _page(axes: Axes, strip: Strip, values: np.ndarray) -> _Page:
    """Choose the paper's width, and a gain that keeps the tallest lead on the page."""
    signal = np.where(np.isfinite(strip.signal), strip.signal, np.nan).astype(float)
    missing = np.isnan(signal).all(axis=1)
    signal[~missing] -= np.nanmedian(signal[~missing], axis=1, keepdims=True)
    gain, reach = GAIN, np.nan_to_num(signal)
    tallest = (reach.max(axis=1) - reach.min(axis=1)).max()
    while tallest * gain > TALLEST:
        gain /= 2
    length = STEP * np.ceil(signal.shape[1] / strip.fs * SPEED / STEP)
    paper = float(np.clip(length, NARROWEST, WIDEST))
    return _Page(axes, strip, values, signal, gain, paper, paper / WIDEST)


def _levels(page: _Page) -> list[tuple[int, str, int]]:
    """Give each symbol the lowest line above the paper where it touches no other: sample, symbol, line."""
    placed, ends = [], [-np.inf]
    for sample, symbol in sorted(page.strip.beats):
        half = LETTER * NAME * page.scale * max(1, len(symbol)) / 2
        x = sample / page.strip.fs * SPEED
        free = [line for line, end in enumerate(ends) if end <= x - half]
        if not free:
            ends.append(-np.inf)
        line = free[0] if free else len(ends) - 1
        ends[line] = x + half
        placed.append((sample, symbol, line))
    return placed


def _symbols(page: _Page, first: int, levels: Sequence[tuple[int, str, int]], y: float) -> float:
    """Write the beats' symbols above a row, each with a mark at the paper's edge; give the y below them."""
    if not levels:
        return y + 2 * page.scale
    y += 8 * page.scale * (1 + max(line for *_, line in levels))
    last = min(first + page.samples, page.signal.shape[1])
    for sample, symbol, line in levels:
        if first <= sample < last:
            x = float(page.x(sample, first))
            page.write(x, y - 8 * page.scale * (line + 0.5), symbol, NAME, ha="center")
            page.axes.plot([x, x], [y - page.scale, y + page.scale], color=INK, linewidth=page.scale, zorder=4)
    return y + page.scale


def _sheet(page: _Page, first: int, y: float) -> float:
    """Draw one row of paper with its shade, and each lead's trace, name and pulse; give the y below it."""
    top, last = y, min(first + page.samples + 1, page.signal.shape[1])
    edge = page.left - min(PULSE, page.left)
    for name, signal in zip(page.strip.leads, page.signal, strict=True):
        above, below = _band(page, signal)
        middle = y + above
        x = page.x(np.arange(first, last), first)
        page.axes.plot(x, middle - signal[first:last] * page.gain, color=INK, linewidth=1.3 * page.scale, zorder=3)
        _pulse(page, edge, middle)
        room = (LEFT - 2) / LETTER / max(1, len(name))
        page.write(page.scale, middle + page.scale, name, float(np.clip(room, 11, NAME)), va="top")
        y = middle + below
    if len(page.values):
        _shaded(page, page.values[0], first, (top, y), colours=SHADE, top=_top(page.values[:1]))
    right = page.left + page.paper
    for step, colour, width in ((1.0, FINE, 0.5), (STEP, COARSE, 0.8)):
        across = [((x, top), (x, y)) for x in _ruled(edge, right, page.left, step)]
        along = [((edge, line), (right, line)) for line in _ruled(top, y, top, step)]
        page.axes.add_collection(
            LineCollection([*across, *along], colors=colour, linewidths=width * page.scale, zorder=1)
        )
    return y


def _band(page: _Page, signal: np.ndarray) -> tuple[float, float]:
    """Give the millimetres that a lead takes above and below its middle line, in steps of the coarse grid."""
    reach = np.nan_to_num(signal) * page.gain
    above = max(reach.max() + 2, page.gain + 2)
    below = max(2 - reach.min(), 10 * page.scale)  # the name stands there
    return STEP * float(np.ceil(above / STEP)), STEP * float(np.ceil(below / STEP))


def _pulse(page: _Page, edge: float, middle: float) -> None:
    """Draw one unit for 0.2 s before the trace."""
    rest = (page.left - edge - 0.2 * SPEED) / 2
    x = np.array([edge, edge + rest, edge + rest, page.left - rest, page.left - rest, page.left])
    y = middle - page.gain * np.array([0, 0, 1, 1, 0, 0])
    page.axes.plot(x, y, color=INK, linewidth=1.3 * page.scale, zorder=3)


def _ruled(low: float, high: float, origin: float, step: float) -> np.ndarray:
    """Give the places of grid lines from low to high, one of them at the origin."""
    first, last = np.ceil((low - origin) / step - 1e-6), np.floor((high - origin) / step + 1e-6)
    return origin + step * np.arange(first, last + 1)


def _shaded(
    page: _Page,
    values: np.ndarray,
    first: int,
    span: tuple[float, float],
    *,
    colours: LinearSegmentedColormap,
    top: float,
) -> None:
    """Fill a span of y with colours by value over time; up to the mean it stays white."""
    part = values[None, first : first + page.samples]
    extent = (page.left, float(page.x(first + part.shape[1], first)), span[1], span[0])
    page.axes.imshow(part, cmap=colours, vmin=1, vmax=top, aspect="auto", extent=extent, zorder=0)


def _top(values: np.ndarray) -> float:
    """Give the value of the darkest colour, so much above the mean that an even explanation stays pale."""
    return max(LOWEST_TOP, float(values.max()))


def _many(values: np.ndarray) -> float:
    """Give the value of the darkest colour of several heads: a single peak of one leaves the others their colours."""
    return max(LOWEST_TOP, float(np.quantile(values, 0.995)))


def _curve(page: _Page, first: int, y: float) -> float:
    """Draw the explanation as a filled curve below the paper, with lines at its mean and its highest value."""
    if not len(page.values):
        return y
    top, height = _top(page.values[:1]), 18 * page.scale
    bottom = y + 4 * page.scale + height
    part = page.values[0, first : first + page.samples + 1]
    x = page.x(np.arange(first, first + len(part)), first)
    page.axes.fill_between(x, bottom, bottom - part / top * height, color="#4f8fd6", linewidth=0, step="post", zorder=2)
    for value, dash in ((0.0, "-"), (1.0, ":"), (top, ":")):
        level = bottom - value / top * height
        page.axes.plot(
            [page.left, page.left + page.paper], [level, level], dash, color=PALE, linewidth=0.8 * page.scale, zorder=3
        )
        if value:
            words = f"{value:.2g}×"
            page.write(page.left - page.scale, level, words, SMALL, ha="right")
    return bottom


def _maps(page: _Page, first: int, y: float) -> float:
    """Draw what each head attends to, one line a head."""
    if len(page.values) < 2:
        return y
    y += 3 * page.scale
    for number, values in enumerate(page.values[1:], 1):
        below = y + 7.5 * page.scale
        _shaded(page, values, first, (y, below - 0.7 * page.scale), colours=MAP, top=_many(page.values[1:]))
        page.axes.plot([page.left, page.left + page.paper], [below, below], color=PALE, linewidth=0.5 * page.scale)
        page.write(page.left - page.scale, (y + below) / 2, f"head {number}", SMALL, ha="right")
        y = below
    return y


def _seconds(page: _Page, first: int, y: float) -> float:
    """Write the seconds below a row; give the y below them."""
    start = page.strip.start + first / page.strip.fs
    for second in _ruled(start, start + page.paper / SPEED, 0.0, 1.0):
        x = page.left + (second - start) * SPEED
        page.axes.plot([x, x], [y, y + 1.5 * page.scale], color=PALE, linewidth=0.8 * page.scale)
        unit = " s" if second - start < 1 else ""
        page.write(x, y + 2 * page.scale, f"{second:.0f}{unit}", SMALL, ha="center", va="top")
    return y + 10 * page.scale


def _legend(page: _Page, words: Words, y: float) -> float:
    """Write the scales, what the shade is, and the note; give the page's height."""
    middle, low = y + 4 * page.scale, 2 * page.scale
    if len(page.values):
        for line in wrap(f"blue: {words.explanation}, where above its mean (1×)", 78):
            page.write(low, middle, line, WORD)
            middle += 9 * page.scale
    if len(page.values) > 1:
        _bar(page, middle)
        middle += 9 * page.scale
    page.write(low, middle, f"{SPEED:g} mm/s, {page.gain:.3g} mm/{page.strip.unit}", WORD)
    for line in wrap(words.note, 48):
        page.write(page.left + page.paper, middle, line, WORD, ha="right", color=NOTE)
        middle += 9 * page.scale
    return middle + (0 if words.note else 9 * page.scale) - 3 * page.scale


def _bar(page: _Page, middle: float) -> None:
    """Draw the colours of the heads with the values at their ends."""
    low, high = 40 * page.scale, 110 * page.scale
    extent = (low, high, middle + 3 * page.scale, middle - 3 * page.scale)
    page.axes.imshow(np.linspace(0, 1, 256)[None], cmap=MAP, aspect="auto", extent=extent)
    page.write(2 * page.scale, middle, "heads: 1×", WORD)
    page.write(high + 2 * page.scale, middle, f"{_many(page.values[1:]):.2g}× and more", WORD)
