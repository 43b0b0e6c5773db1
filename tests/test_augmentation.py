"""Random changes of rows: what each kind does, in which unit, and when."""

from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from pqrst import params, transforms
from pqrst.arrays import Steps
from pqrst.augmentation import CHANGES, augment
from pqrst.loaders import resident
from pqrst.standardisation import Standardisation, decoded, standardise

KINDS = get_args(get_type_hints(params.Train)["augment"])
LEVEL = 5.0  # of rows to augment, far from the zeros of a mask
NONE, CPU = Standardisation("none"), torch.device("cpu")


def rows(seed=0, n=12, shape=(2, 5)):
    """Make up rows whose leads have different means and deviations."""
    scale = np.arange(1, shape[0] + 1).reshape(-1, *(1 for _ in shape[1:]))
    return np.random.default_rng(seed).normal(3.0 * scale, scale, (n, *shape)).astype(np.float32)


def level(n=40, samples=187):
    """Give rows of two leads that are LEVEL throughout."""
    return np.full((n, 2, samples), LEVEL, np.float32)


def test_every_kind_of_augmentation_has_a_setting():
    """Offer what the heartbeat original tried, the changes of HeartResearch, and nothing at all."""
    assert (
        set(KINDS)
        == set(CHANGES)
        == {"none", "transforms", "transforms_published"}
        | {f"noise{scale}{mask}" for scale in ("", "_scale") for mask in ("", "_mask", "_mask2")}
    )


def test_no_augmentation_gives_the_rows_back():
    """Leave the numbers alone under `none`."""
    x = rows()
    assert augment(x, "none", np.random.default_rng(0)) is x


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("noise")])
def test_augmented_rows_have_their_noise_their_scale_and_their_masks(kind):
    """Measure 0.01 of noise, a tenth of scale, and stretches of 20 zeros: none, one, or two that may overlap."""
    x = level()
    out = augment(x, kind, np.random.default_rng(0))
    masked = np.abs(out) < LEVEL / 4
    counts = masked.sum(-1)
    assert (out.shape, out.dtype) == (x.shape, np.float32)
    assert (counts >= (20 if "mask" in kind else 0)).all()
    assert (counts <= (40 if "mask2" in kind else 20 if "mask" in kind else 0)).all()
    assert (counts.max() > 20) == ("mask2" in kind)
    expected = np.hypot(0.01, 0.1 * LEVEL) if "scale" in kind else 0.01
    assert out[~masked].mean() == pytest.approx(LEVEL, rel=0.01)
    assert out[~masked].std() == pytest.approx(expected, rel=0.05)
    assert (x == LEVEL).all()


def test_transforms_are_those_of_their_file():
    """Ask for them as they are meant here, and as their original made them."""
    mv = np.random.default_rng(1).normal(0, 0.5, (12, 2, 600)).astype(np.float32)
    for kind, published in (("transforms", False), ("transforms_published", True)):
        found = augment(mv, kind, np.random.default_rng(0))
        assert np.array_equal(found, transforms.transform(mv, np.random.default_rng(0), published=published))
        assert not np.array_equal(found, mv)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_rows_are_changed_in_their_unit_whatever_they_are_stored_in(kind):
    """Alter stored steps to the bit as the same rows in mV are altered."""
    steps = Steps((200.0, 1000.0), (1024, -7))
    stored = np.random.default_rng(1).integers(-800, 800, (12, 2, 600)).astype(np.int16)
    mv = decoded(torch.from_numpy(stored.astype(np.float32)), steps).numpy()
    found, plain = (
        resident(x, np.arange(12), NONE, CPU, steps=how, change=kind, seed=3)
        for x, how in ((stored, steps), (mv, None))
    )
    assert torch.equal(found, plain)
    assert not np.array_equal(found.numpy(), mv)


def test_a_mask_is_one_stretch_anywhere_in_each_row_and_lead():
    """Begin at any of the three places where 20 of 22 samples fit, for each lead by itself."""
    masked = augment(level(samples=22), "noise_mask", np.random.default_rng(0)) < LEVEL / 2
    starts = masked.argmax(-1)
    assert all(masked[i, j, starts[i, j] : starts[i, j] + 20].all() for i, j in np.ndindex(starts.shape))
    assert set(starts.ravel().tolist()) == {0, 1, 2}
    assert (starts[:, 0] != starts[:, 1]).any()


def test_a_row_shorter_than_a_mask_is_masked_whole():
    """Leave only noise of ten samples."""
    assert (augment(level(samples=10), "noise_mask", np.random.default_rng(0)) < 0.1).all()


def test_rows_are_augmented_before_they_are_standardised():
    """Bring integer rows to the device as their augmented copies, each to its own mean and deviation."""
    x, kind, fitted = (100 * rows()).astype(np.int16), "noise_scale_mask", Standardisation("row")
    chosen = np.array([7, 0, 3])
    out = resident(x, chosen, fitted, CPU, change=kind, seed=3)
    augmented = augment(x[chosen].astype(np.float32), kind, np.random.default_rng(3))
    assert torch.equal(out, standardise(torch.from_numpy(augmented), fitted))


def test_augmentation_follows_its_seed():
    """Repeat the same copies from the same seed, and make others from another."""
    first, again, other = (
        resident(rows(), np.arange(12), Standardisation("row"), CPU, change="noise", seed=seed) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_rows_stay_as_they_are_unless_augmentation_is_asked_for():
    """Validation and test rows come without."""
    x = rows()
    assert torch.equal(resident(x, np.arange(12), NONE, CPU), torch.from_numpy(x))
