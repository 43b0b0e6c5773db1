"""Every encoding of the catalogue, and the lead matrix as a picture, step by step."""

import pytest
import torch

from pqrst import catalog
from pqrst.encodings import lead_rows, stacked_leads
from pqrst.errors import SettingsError
from pqrst.parsing import parse

NAMES = catalog.names("encodings")
COUNTING = {"markov"}  # counts have no gradient
SMOOTH = [name for name in NAMES if name not in COUNTING]
LEAD_BY_LEAD = [name for name in NAMES if name != "lead_rows"]  # that one scales all leads together, over a set length
FS = 500.0  # Hz
ROWS = 5
SHAPE = (3, 3000)

PLAIN = {"channels": 1, "mean": (0.0,), "deviation": (1.0,)}  # show the values themselves
RAMP = torch.arange(12 * 2500, dtype=torch.float32).reshape(1, 12, 2500)


def signals(rows=ROWS):
    """Make up signals in mV."""
    return torch.randn(rows, *SHAPE, generator=torch.Generator().manual_seed(0))


def encode(name, x, **settings):
    """Encode with default settings, but for those given."""
    module = catalog.load("encodings", name)
    return module.encode(x, FS, module.Params(**settings))


def picture(x, **settings):
    """Draw lead rows from the first sample on, (leads, T) to (rows, columns)."""
    p = lead_rows.Params(start=0, **PLAIN | settings)
    return lead_rows.encode(torch.as_tensor(x).unsqueeze(0), FS, p)[0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_the_shape_is_known_beforehand(name):
    """Draw finite pictures in single precision, of the shape that was foretold, also from double precision."""
    module = catalog.load("encodings", name)
    for x in (signals(), signals().double()):
        pictures = encode(name, x)
        assert pictures.shape == (ROWS, *module.shape(SHAPE, module.Params()))
        assert pictures.dtype == torch.float32
        assert pictures.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("in_shape", [(1, 187), (2, 240), (12, 5000)])
def test_beats_and_recordings_of_one_lead_or_twelve_are_drawn(name, in_shape):
    """Draw 187 samples of one lead and 5,000 of twelve alike, in the shape that was foretold."""
    module = catalog.load("encodings", name)
    p = module.Params(start=0)
    pictures = module.encode(torch.randn(2, *in_shape, generator=torch.Generator().manual_seed(1)), FS, p)
    assert pictures.shape == (2, *module.shape(in_shape, p))
    assert pictures.isfinite().all()
    assert not torch.equal(pictures[0], pictures[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_sample_counts_as_zero(name):
    """Draw single gaps and a lead that is missing as a whole as 0 would be drawn."""
    x = signals()
    x[0, 0, 600:700], x[1, 2], x[2, 1, 1000] = torch.nan, torch.nan, torch.nan
    assert torch.equal(encode(name, x), encode(name, x.nan_to_num()))


@pytest.mark.parametrize("name", SMOOTH)
def test_a_missing_sample_has_no_gradient(name):
    """Send the gradient past what is missing, and to all else as it would be with 0 there."""
    gaps = signals(1)
    gaps[0, 1, 1000:1100] = torch.nan
    found = []
    for x in (gaps, gaps.nan_to_num()):
        x.requires_grad_()
        encode(name, x).square().mean().backward()
        found.append(x.grad)
    assert not found[0][0, 1, 1000:1100].any()
    found[1][0, 1, 1000:1100] = 0
    assert torch.equal(*found)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_stretch_is_drawn(name):
    """Draw samples 800 to 2299 as if there were no others, and zeros after the end."""
    module, x = catalog.load("encodings", name), signals()
    found = encode(name, x, start=800, length=1500)
    assert torch.equal(found, encode(name, x[..., 800:2300], start=0, length=1500))
    assert found[0].shape == module.shape(SHAPE, module.Params(start=800, length=1500))
    filled = torch.cat([x[..., 800:], torch.zeros(ROWS, 3, 100)], dim=-1)
    assert torch.equal(encode(name, x, start=800, length=2300), encode(name, filled, start=0, length=2300))


@pytest.mark.parametrize("name", LEAD_BY_LEAD)
def test_length_0_is_all_that_follows(name):
    """Draw up to the end where no length is set."""
    x = signals()
    assert torch.equal(encode(name, x, start=1000), encode(name, x, start=1000, length=2000))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_gives_the_same_bytes_in_any_batch(name, threads):
    """Draw a row alone, in a part and in the whole, and bit for bit the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x = signals()
        whole = encode(name, x)
        for size in (1, 2, 3):
            assert torch.equal(torch.cat([encode(name, part) for part in x.split(size)]), whole)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_does_not_depend_on_its_neighbours(name):
    """Draw the same picture of a row when the others change."""
    x = signals()
    other = x.clone()
    other[1:] *= 100
    assert torch.equal(encode(name, x)[0], encode(name, other)[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0.0, -3.0])
def test_a_constant_matrix_stays_finite(name, level):
    """Draw something finite, with a finite gradient, of a record in which nothing happens."""
    x = torch.full((2, *SHAPE), level, requires_grad=True)
    pictures = encode(name, x)
    assert pictures.isfinite().all()
    if name not in COUNTING:
        pictures.sum().backward()
        assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", LEAD_BY_LEAD)
def test_a_flat_lead_is_one_tone(name):
    """Draw a lead that stands still at 0.1 mV, which no binary number equals, without noise from rounding."""
    x = signals()
    x[:, 1] = 0.1
    drawn = encode(name, x)  # (n, leads, size, size), or the leads as rows
    lead = drawn[:, 0, 1] if name == "stacked_leads" else drawn[:, 1]
    assert (lead.amax() - lead.amin()).item() < 1e-6


@pytest.mark.parametrize("name", SMOOTH)
def test_the_gradient_reaches_the_signal(name):
    """Let a learned front end stand before the encoding."""
    x = signals().requires_grad_()
    encode(name, x).square().mean().backward()
    assert x.grad.isfinite().all()
    assert all(row.any() for row in x.grad)


def test_a_ramp_is_drawn_as_the_specification_says():
    """Run from 0 to 255 before normalisation, alike in all three channels (spec 1.11, item 2)."""
    p = lead_rows.Params(start=0)
    drawn = lead_rows.encode(RAMP, FS, p)
    assert drawn.shape == (1, 3, 224, 224)
    mean, deviation = (torch.tensor(numbers).view(3, 1, 1) for numbers in (p.mean, p.deviation))
    values = drawn[0] * deviation + mean
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(values[0], values[2])
    scaled = lead_rows.spread(RAMP) * p.scale
    assert (scaled.min().item(), scaled.max().item()) == (0, 255)
    assert values.min() >= -1e-4
    assert values.max() <= 255 + 1e-4
    assert (values[0].diff(dim=0) >= -1e-4).all()  # later leads lie lower, and are larger
    assert drawn.max().item() == pytest.approx((255 - 0.406) / 0.225, rel=0.01)


def test_two_leads_by_hand():
    """Keep a 2 × 2 matrix as it is; stretch it to 4 × 4 with the corners aligned down the rows, not along the columns."""
    x = [[0.0, 1.0], [2.0, 4.0]]
    assert picture(x, length=2, rows=2, size=2, scale=4.0).tolist() == x
    larger = picture(x, length=2, rows=4, size=4, scale=4.0)
    left, right = torch.tensor([[0, 2 / 3, 4 / 3, 2], [1, 2, 3, 4]])  # thirds of the way from lead to lead
    by_hand = torch.stack([left, 0.75 * left + 0.25 * right, 0.25 * left + 0.75 * right, right], dim=1)
    torch.testing.assert_close(larger, by_hand)


def test_the_gradient_by_hand():
    """Follow one pixel, 4(x − low)/(high − low) at x = 1, low = 0, high = 4, back to each value."""
    x = torch.tensor([[0.0, 1.0], [2.0, 4.0]], requires_grad=True)
    picture(x, length=2, rows=2, size=2, scale=4.0)[0, 1].backward()
    torch.testing.assert_close(x.grad, torch.tensor([[-0.75, 1.0], [0.0, -0.25]]))


def test_only_the_window_is_drawn():
    """Skip what comes before sample 500 and after sample 2999."""
    x = signals().repeat(1, 1, 2)
    other = x.clone()
    other[..., :500] = 7
    other[..., 3000:] = -7
    assert torch.equal(encode("lead_rows", other), encode("lead_rows", x))
    other[..., 2999] = 100
    assert not torch.equal(encode("lead_rows", other), encode("lead_rows", x))


def test_a_short_record_ends_in_zeros():
    """Fill up on the right, before the smallest and the largest value are sought."""
    short = torch.tensor([[2.0, 4.0]])
    assert picture(short, length=4, rows=1, size=4, scale=4.0)[0].tolist() == [2, 4, 0, 0]
    x = signals()
    filled = torch.cat([x[..., :2000], torch.zeros(ROWS, 3, 1000)], dim=-1)
    assert torch.equal(encode("lead_rows", x[..., :2000]), encode("lead_rows", filled))


def test_one_scale_holds_for_all_leads():
    """Keep the ratio between a weak lead and a strong one, whatever gain and offset both have."""
    weak = torch.sin(torch.linspace(0, 20, 50))
    x = torch.stack([weak, 4 * weak])
    drawn = picture(x, length=50, rows=2, size=50)
    spans = drawn[[0, -1]].amax(dim=1) - drawn[[0, -1]].amin(dim=1)
    assert (spans[1] / spans[0]).item() == pytest.approx(4, rel=1e-3)
    torch.testing.assert_close(picture(3 * x + 5, length=50, rows=2, size=50), drawn, atol=1e-3, rtol=0)


def test_shrinking_skips_samples_unless_antialiasing_is_asked_for():
    """Lose a peak between the samples that are looked at, 1 and 2, 5 and 6 of eight."""
    x = torch.tensor([[0.0, 0, 0, 9, 0, 0, 0, 0]])
    assert not picture(x, length=8, rows=1, size=2).any()
    assert picture(x, length=8, rows=1, size=2, antialias=True).any()


def test_rows_of_the_stretched_matrix_can_be_set():
    """Take four rows a lead, or the number that a copy of the original takes."""
    x = RAMP[0, :3].sin()
    assert torch.equal(picture(x, rows=12), picture(x))
    assert not torch.equal(picture(x, rows=36), picture(x))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"channels": 1}, "mean must give one number for each of the 1 channels"),
        ({"deviation": [1.0]}, "deviation must give one number for each of the 3 channels"),
        ({"deviation": [1.0, 0.0, 1.0]}, "deviation must not be zero"),
        ({"rows": 0}, "rows must be int at least 1 or null, got 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(given, says):
    """Name the setting, in one line."""
    with pytest.raises(SettingsError, match=says):
        parse(lead_rows.Params, given, "encodings.lead_rows")


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_that_ends_before_the_window_is_refused(name):
    """Say where the window starts and where the signal ends."""
    with pytest.raises(SettingsError, match=rf"^encodings\.{name}\.start is 500, but .* after 400 samples$"):
        encode(name, torch.zeros(1, 2, 400), start=500)


def test_leads_are_stacked_as_they_are():
    """Give the signal itself, with one channel before it."""
    x = signals()
    assert torch.equal(encode("stacked_leads", x), x.unsqueeze(1))


def test_leads_are_standardised_by_themselves():
    """Bring each lead of each row to deviation 1, and a flat one to 0."""
    x = torch.tensor([[[1.0, 3.0], [0.0, 4.0]], [[5.0, 5.0], [2.0, 6.0]]])
    assert stacked_leads.standardised(x).tolist() == [[[-1, 1], [-1, 1]], [[0, 0], [-1, 1]]]


def test_leads_are_standardised_by_hand():
    """Bring 1, 3 and 5, 9 to −1, 1 each, and a flat lead to 0."""
    x = torch.tensor([[[1.0, 3.0], [5.0, 9.0], [0.1, 0.1]]])
    assert encode("stacked_leads", x, zscore=True).tolist() == [[[[-1, 1], [-1, 1], [0, 0]]]]
    assert not encode("stacked_leads", torch.full((1, 2, 3000), 0.1), zscore=True).any()


def test_stacked_leads_are_resized_by_hand():
    """Average four samples in pairs; put straight lines between two leads, at quarters of the way from one to the other."""
    x = torch.tensor([[[0.0, 2.0, 4.0, 8.0], [8.0, 10.0, 4.0, 0.0]]])
    assert encode("stacked_leads", x, size=2)[0, 0].tolist() == [[1, 6], [9, 2]]
    four = encode("stacked_leads", x, size=4)[0, 0]
    assert four.tolist() == [[0, 2, 4, 8], [2, 4, 4, 6], [6, 8, 4, 2], [8, 10, 4, 0]]
    assert stacked_leads.shape((2, 4), stacked_leads.Params(size=4)) == (1, 4, 4)
