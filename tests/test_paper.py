"""An ECG on its paper: true to scale, nothing clipped or overlapping, readable when small, stable bytes."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from pqrst import paper
from pqrst.errors import DataError
from pqrst.paper import Strip, Words

FS = 100.0
WORDS = Words("Record 100, from 5:00", "synthetic recordings")
TELEPHONE = 375  # pixels


def beats(seconds=10.0, leads=("MLII", "V5"), **told):
    """Make a spike of 1 mV each second over a wandering line, marked N."""
    time = np.arange(round(seconds * FS)) / FS
    line = 0.2 * np.sin(time) + (np.arange(len(time)) % 100 == 50)
    marks = tuple((at, "N") for at in range(50, len(time), 100))
    return Strip(np.stack([line] * len(leads)), FS, leads, told.pop("beats", marks), **told)


def peak(strip):
    """Make an explanation of mean about 1 with one peak."""
    values = np.full(strip.signal.shape[1], 0.9)
    values[100:120] = 5
    return values


def maps(strip, heads=8):
    return np.random.default_rng(0).gamma(2, 0.5, (heads + 1, strip.signal.shape[1]))


@pytest.fixture
def drawn(monkeypatch):
    """Keep every figure that is saved."""
    real, kept = paper._save, []

    def save(figure, file):
        kept.append(figure)
        real(figure, file)

    monkeypatch.setattr(paper, "_save", save)
    return kept


def boxes(figure):
    """Give the places of all words in pixels, by what they say."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    return [(text.get_text(), text.get_window_extent(renderer)) for text in figure.axes[0].texts]


DRAWINGS = {
    "plain": lambda file: paper.window(beats(), WORDS, file),
    "explained": lambda file: paper.window(beats(), WORDS, file, peak(beats())),
    "even": lambda file: paper.heads(beats(), WORDS, np.ones((9, 1000)), file),
    "long": lambda file: paper.window(beats(25), WORDS, file, peak(beats(25))),
    "short": lambda file: paper.window(beats(1.5, ("MLII",)), WORDS, file, peak(beats(1.5))),
    "late": lambda file: paper.window(beats(start=86000.25), Words("A long title " * 9, "and a long note " * 9), file),
    "heads": lambda file: paper.heads(beats(), WORDS, maps(beats()), file),
    "crowded": lambda file: paper.window(beats(beats=[(at, "VT") for at in range(1, 999, 9)]), WORDS, file),
    "twelve": lambda file: paper.window(beats(leads=[f"V{n}" for n in range(12)]), WORDS, file, peak(beats())),
}


@pytest.mark.parametrize("kind", ["explained", "heads"])
def test_equal_input_gives_equal_bytes(tmp_path, kind):
    """Write the same PNG file twice, into a folder that did not exist, without a word on when."""
    files = [tmp_path / name / f"{kind}.png" for name in ("a", "b")]
    for file in files:
        DRAWINGS[kind](file)
    content = files[0].read_bytes()
    assert content == files[1].read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert not any(word in content for word in (b"tEXt", b"iTXt", b"tIME"))


@pytest.mark.parametrize("kind", DRAWINGS)
def test_no_word_leaves_the_picture_or_covers_another(tmp_path, drawn, kind):
    """Keep all words inside the page and apart, for short, long, late, crowded and many-lead strips."""
    DRAWINGS[kind](tmp_path / "ecg.png")
    page, places = drawn[0].bbox, boxes(drawn[0])
    for words, box in places:
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, words
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, words
    assert [(one, two) for n, (two, b) in enumerate(places) for one, a in places[:n] if a.overlaps(b)] == []


@pytest.mark.parametrize("kind", ["explained", "short", "heads"])
def test_words_can_be_read_on_a_telephone(tmp_path, drawn, kind):
    """Keep capitals at least five pixels tall where the page is 375 pixels wide."""
    DRAWINGS[kind](tmp_path / "ecg.png")
    width = drawn[0].get_figwidth()
    sizes = {text.get_fontsize() / 72 / width * TELEPHONE * 0.73 for text in drawn[0].axes[0].texts}
    assert min(sizes) > 5


@pytest.mark.parametrize("seconds", [1.5, 10.0, 25.0])
def test_the_page_is_true_to_scale(tmp_path, drawn, seconds):
    """Print a second on 25 mm and a millivolt on 10 mm."""
    paper.window(beats(seconds, ("II",)), WORDS, tmp_path / "ecg.png")
    figure, axes = drawn[0], drawn[0].axes[0]
    trace, pulse = (line for line in axes.lines if len(line.get_xdata()) > 100), axes.lines
    x, y = next(trace).get_data()
    assert np.allclose(np.diff(x), 25 / FS)
    assert np.ptp(y) == pytest.approx(10 * np.ptp(beats(seconds).signal[0][: len(x)]))
    assert any(len(line.get_xdata()) == 6 and np.ptp(line.get_ydata()) == 10 for line in pulse)
    assert np.ptp(axes.get_xlim()) / 25.4 == pytest.approx(figure.get_figwidth())
    assert np.ptp(axes.get_ylim()) / 25.4 == pytest.approx(figure.get_figheight())
    assert "25 mm/s, 10 mm/mV" in [words for words, _ in boxes(figure)]


def test_a_long_strip_goes_on_in_rows_of_ten_seconds(tmp_path, drawn):
    """Draw 25 s in three rows that join without a gap, and write each row's seconds."""
    paper.window(beats(25, ("II",)), WORDS, tmp_path / "ecg.png")
    rows = [line.get_data() for line in drawn[0].axes[0].lines if len(line.get_xdata()) > 100]
    assert [len(x) for x, _ in rows] == [1001, 1001, 500]
    middles = [y[0] for _, y in rows]
    assert middles == sorted(middles)
    words = [words for words, _ in boxes(drawn[0])]
    assert words.count("II") == 3
    assert {"0 s", "10 s", "20 s", "5", "25"} <= set(words)
    assert words.count("N") == 25


def test_a_tall_lead_gets_a_smaller_gain(tmp_path, drawn):
    """Halve the gain until the tallest lead fits its band, and say so; nothing is clipped."""
    strip = beats()
    strip.signal[1, 300] = 25
    paper.window(strip, WORDS, tmp_path / "ecg.png")
    axes = drawn[0].axes[0]
    assert "25 mm/s, 2.5 mm/mV" in [words for words, _ in boxes(drawn[0])]
    low, high = sorted(axes.get_ylim())
    lines = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) > 100]
    assert all(low < y.min() <= y.max() < high for y in lines)
    assert lines[0].max() < lines[1].min() + 80


def test_traces_stay_in_their_own_bands(tmp_path, drawn):
    """Let no lead run over the next, or over the paper's edge."""
    strip = beats()
    strip.signal[0, 200:240], strip.signal[1, 200:240] = -3, 3
    paper.window(strip, WORDS, tmp_path / "ecg.png")
    first, second = (line.get_ydata() for line in drawn[0].axes[0].lines if len(line.get_xdata()) > 100)
    assert first.max() < second.min()


def test_what_is_missing_is_a_gap(tmp_path, drawn):
    """Draw nothing where a sample is missing or endless, and a lead without any as an empty band."""
    strip = beats()
    strip.signal[0, 100:200], strip.signal[1] = np.inf, np.nan
    paper.window(strip, WORDS, tmp_path / "ecg.png")
    first, second = (line.get_ydata() for line in drawn[0].axes[0].lines if len(line.get_xdata()) > 100)
    assert np.isnan(first).sum() == 100
    assert np.isnan(second).all()


def test_beats_stand_above_their_samples(tmp_path, drawn):
    """Write each symbol over its sample, also one that would start a formula, and none that lies outside."""
    paper.window(beats(beats=[(0, "$"), (500, "V"), (999, "N"), (1000, "X"), (-3, "Y")]), WORDS, tmp_path / "ecg.png")
    found = {text.get_text(): text.get_position()[0] for text in drawn[0].axes[0].texts}
    assert found["V"] - found["$"] == pytest.approx(125)
    assert found["N"] - found["$"] == pytest.approx(249.75)
    assert not {"X", "Y"} & set(found)


def test_the_shade_and_the_curve_show_the_same_values(tmp_path, drawn):
    """Shade from white at the mean to the darkest at the peak, and write the peak beside the curve."""
    paper.window(beats(), WORDS, tmp_path / "ecg.png", peak(beats()))
    (shade,) = drawn[0].axes[0].images
    assert np.array_equal(shade.get_array()[0], peak(beats()))
    assert shade.get_clim() == (1, 5)
    left, right, *_ = shade.get_extent()
    assert right - left == pytest.approx(250)
    words = [words for words, _ in boxes(drawn[0])]
    assert {"1×", "5×"} <= set(words)
    assert "blue: attention received, where above its mean (1×)" in words


def test_an_even_explanation_stays_white(tmp_path, drawn):
    """Shade nothing where nothing stands out, and little where little does."""
    paper.window(beats(), WORDS, tmp_path / "ecg.png", np.where(np.arange(1000) < 100, 1.09, 0.99))
    assert drawn[0].axes[0].images[0].get_clim() == (1, 1.5)


@pytest.mark.parametrize("colours", [paper.SHADE, paper.MAP])
def test_more_is_darker_in_grey_print(colours):
    """Let brightness fall from the least to the most."""
    grey = colours(np.linspace(0, 1, 20))[:, :3] @ [0.299, 0.587, 0.114]
    assert all(one > two for one, two in pairwise(grey))


def test_the_trace_stands_out_from_the_darkest_shade():
    """Keep a contrast of 4.5 between ink and shade."""

    def light(colour):
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    assert (light(np.array(paper.SHADE(1.0)[:3])) + 0.05) / (light(np.full(3, 0x11 / 255)) + 0.05) > 4.5


def test_each_head_has_a_line_and_the_average_stands_under_the_trace(tmp_path, drawn):
    """Shade by the average, which comes last, and draw the heads in their order on one scale."""
    values = maps(beats(), 3)
    values[0, 7] = 90  # one peak leaves the other heads their colours
    paper.heads(beats(), WORDS, values, tmp_path / "ecg.png")
    images = drawn[0].axes[0].images
    assert [
        np.array_equal(image.get_array()[0], row) for image, row in zip(images, values[[3, 0, 1, 2]], strict=False)
    ] == [True] * 4
    assert len({image.get_clim() for image in images[1:4]}) == 1
    assert images[1].get_clim()[1] < 10
    tops = [image.get_extent()[3] for image in images[:4]]
    assert tops == sorted(tops)
    words = [words for words, _ in boxes(drawn[0])]
    assert [word for word in words if word.startswith("head ")] == ["head 1", "head 2", "head 3"]
    assert any(word.endswith("and more") for word in words)


def test_made_up_recordings_are_marked_in_the_picture(tmp_path, drawn):
    """Print the note on the page."""
    paper.window(beats(), WORDS, tmp_path / "ecg.png")
    assert WORDS.note in [words for words, _ in boxes(drawn[0])]


def test_pages_of_any_width_have_about_as_many_dots(tmp_path):
    """Save a single beat as finely as ten seconds."""
    for kind in ("short", "plain"):
        DRAWINGS[kind](tmp_path / f"{kind}.png")
    widths = [imread(tmp_path / f"{kind}.png").shape[1] for kind in ("short", "plain")]
    assert abs(widths[0] - widths[1]) < 10


def test_what_does_not_fit_the_strip_is_refused(tmp_path):
    """Refuse another length, names for other leads, and attributions that still have signs."""
    with pytest.raises(DataError, match="one number a sample, 1000 of them, got 999"):
        paper.window(beats(), WORDS, tmp_path / "ecg.png", np.ones(999))
    with pytest.raises(DataError, match="2 leads needs as many names, got 1"):
        paper.window(Strip(beats().signal, FS, ["II"]), WORDS, tmp_path / "ecg.png")
    with pytest.raises(DataError, match="over_time"):
        paper.window(beats(), WORDS, tmp_path / "ecg.png", -np.ones(1000))


def test_real_recordings_are_drawn(tmp_path, drawn, recordings):
    """Draw ten seconds of record 208 with its beats, a change of signal quality beside a beat among them."""
    import wfdb

    file = str(recordings / "mitdb" / "208")
    record, marks = wfdb.rdrecord(file, sampfrom=432000, sampto=435600), wfdb.rdann(file, "atr", 432000, 435600)
    symbols = list(zip((marks.sample - 432000).tolist(), marks.symbol, strict=True))
    strip = Strip(record.p_signal.T, float(record.fs), record.sig_name, symbols, start=1200.0)
    paper.window(strip, WORDS, tmp_path / "ecg.png")
    places = boxes(drawn[0])
    assert "~" in [words for words, _ in places]
    assert not any(a.overlaps(b) for n, (_, b) in enumerate(places) for _, a in places[:n])
