"""Why a network decided so: hand-computed maps and attributions, and a check that knows the place a toy decides by."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import toys
from pqrst import catalog, explanations
from pqrst.errors import DataError, SettingsError
from pqrst.estimators import EstimatorPredictor
from pqrst.inference import Crop
from pqrst.models import attention_cnn
from pqrst.predictors import NetworkPredictor
from pqrst.standardisation import Standardisation

pytestmark = pytest.mark.usefixtures("one_thread")

CONTRACT = replace(toys.CONTRACT, run="toy", model="toy", classes=("Normal", "Abnormal"))
TRAIN = Standardisation("train", (1.0, -2.0), (2.0, 0.5))
PLACE = slice(40, 50)  # of 100 samples: what the toy of the removal decides by


class Linear(nn.Module):
    """Give the logits 0 and w · x."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights, dtype=torch.float32))  # (leads, T)

    def forward(self, x):
        second = (x * self.weights).sum((1, 2))
        return torch.stack([torch.zeros_like(second), second], 1)


class Place(nn.Module):
    """Call a row abnormal where one known place of it is high."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, x):
        second = self.scale * (x[:, 0, PLACE].mean(1) - 0.5)
        return torch.stack([-second, second], 1)


class Beside(nn.Module):
    """Add what stands beside a row to its sum, times the row's first sample."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x, side):
        second = self.scale * x[:, 0, 0] * side[:, 0]
        return torch.stack([torch.zeros_like(second), second], 1)


def predictor(network, shape, **told):
    return NetworkPredictor(replace(CONTRACT, input=replace(CONTRACT.input, shape=shape), **told), network.eval())


def curved():
    """Build a smooth network with dropout over two leads and three classes."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.Tanh(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(48, 3))


def rows(n=5, shape=(2, 12)):
    return np.random.default_rng(1).normal(3, 2, (n, *shape)).astype(np.float32)


def bumps(n=30):
    """Make rows of noise with a bump at the place that matters."""
    x = np.random.default_rng(2).normal(0, 0.05, (n, 1, 100)).astype(np.float32)
    x[:, 0, PLACE] += 1
    return x


def shown(n=30):
    """Point at the place that matters."""
    explanation = np.zeros((n, 100))
    explanation[:, PLACE] = 1
    return explanation


def removed(explanation, seed=0, **told):
    x = bumps(len(explanation))
    return explanations.removal(predictor(Place(), (1, 100)), x, explanation, np.random.default_rng(seed), **told)


def log_odds(p, x, targets):
    """Compute ln p/(1 − p) of the targets by the predictor's own logits."""
    logits = p.logits(x).astype(np.float64)
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    own = probability[np.arange(len(x)), targets]
    return np.log(own / (1 - own))


def test_received_attention_is_the_mean_of_the_columns(monkeypatch):
    """Average what each step gets over the steps that look, scale it to mean 1, and put the heads' average last."""
    maps = torch.tensor([[[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.0, 1.0]]]])  # (1, 2 heads, 2, 2)
    monkeypatch.setattr(
        catalog, "load", lambda *_: SimpleNamespace(attention=lambda _, x: maps.expand(len(x), -1, -1, -1))
    )
    found = explanations.received(predictor(Linear([[1.0] * 4]), (1, 4)), np.zeros((3, 1, 4), np.float32))
    assert found.shape == (3, 3, 4)
    assert found[2].tolist() == [[1.5, 1.5, 0.5, 0.5], [0, 0, 2, 2], [0.75, 0.75, 1.25, 1.25]]


def test_few_maps_are_held_at_once(monkeypatch):
    """Ask for the maps of few rows at a time, and of rows that were standardised."""
    asked, maps = [], torch.full((1, 1, 2, 2), 0.5)

    def attention(_, x):
        asked.append(x)
        return maps.expand(len(x), -1, -1, -1)

    monkeypatch.setattr(catalog, "load", lambda *_: SimpleNamespace(attention=attention))
    explanations.received(predictor(Linear([[1.0]]), (1, 4), standardise=Standardisation("row")), rows(5, (1, 4)))
    assert max(map(len, asked)) == explanations.MAPS_AT_ONCE
    assert torch.allclose(torch.cat(asked).mean(2), torch.zeros(5, 1), atol=1e-6)


@pytest.mark.parametrize("samples", [48, 50])
def test_the_attention_of_the_real_network_has_mean_one(samples):
    """Give each head and the average the mean 1 over a window, also where its steps do not fill the window."""
    torch.manual_seed(0)
    p = attention_cnn.Params(widths=(4, 8), heads=2, hidden=4)
    network = predictor(attention_cnn.build((1, samples), 2, p), (1, samples), model="attention_cnn")
    found = explanations.received(network, rows(3, (1, samples)))
    assert found.shape == (3, 3, samples)
    assert explanations.received_by_step(network, rows(3, (1, samples))).shape == (3, 3, 12)
    assert np.allclose(found.mean(2), 1, atol=1e-5)


@pytest.mark.parametrize("samples", [6, 7, 8, 3601])
def test_stretching_keeps_the_mean(samples):
    """Repeat steps over samples without changing the mean, in the order of time."""
    values = np.random.default_rng(0).random((2, 3))
    found = explanations.stretch(values, samples)
    assert found.shape == (2, samples)
    assert np.allclose(found.mean(1), values.mean(1))
    assert np.allclose(found[:, [0, -1]] / found[:, :1], values[:, [0, -1]] / values[:, :1])


def test_a_model_without_attention_is_refused():
    """Name the model and what explains it instead, in one line."""
    with pytest.raises(DataError, match="simple_cnn has no attention") as caught:
        explanations.received(predictor(curved(), (2, 12), model="simple_cnn"), rows())
    assert "integrated_gradients or occlusion" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_attention_of_crops_is_not_shown():
    """Say in one line that each crop has a map of its own, where the row is longer than a crop."""
    torch.manual_seed(0)
    p = attention_cnn.Params(widths=(4, 8), heads=2, hidden=4)
    told = predictor(attention_cnn.build((1, 24), 2, p), (1, 48), model="attention_cnn", crop=Crop(24, 12))
    with pytest.raises(DataError, match="decides by crops of 24 samples") as caught:
        explanations.received(told, rows(3, (1, 48)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("crop", "expected"),
    [
        (Crop(2, 1, "mean"), [-1, -2, 2 / 3, 5 / 3]),  # the middle samples lie in two of three crops, the others in one
        (Crop(2, 2, "max"), [0, 0, 1, 5]),  # the second half decides
        (Crop(2, 0), [0, -3, 1, 0]),
    ],
)
def test_a_row_is_explained_through_its_crops(crop, expected):
    """Give each sample its distance from the mean, 3, times the share of crops of two samples that it decides."""
    p = predictor(Linear([[1.0, 1.0]]), (1, 4), crop=crop)
    found = explanations.integrated_gradients(p, np.array([[[0.0, 0.0, 4.0, 8.0]]], np.float32), np.array([1]), steps=8)
    assert np.allclose(found, [[expected]], atol=1e-4)


def test_what_is_no_network_over_signals_is_refused():
    """Refuse an estimator, images, and rows of another shape, each in one line."""
    with pytest.raises(DataError, match="beat_cascade is no network"):
        explanations.received(EstimatorPredictor(replace(CONTRACT, model="beat_cascade"), None), rows())
    with pytest.raises(DataError, match="sees images"):
        explanations.occlusion(predictor(curved(), (1, 8, 8)), rows(2, (1, 8, 8)), np.zeros(2, int), 2)
    with pytest.raises(DataError, match=r"takes rows of shape \(2, 12\), got \(1, 12\)"):
        explanations.integrated_gradients(predictor(curved(), (2, 12)), rows(2, (1, 12)), np.zeros(2, int))


@pytest.mark.parametrize("targets", [np.zeros(4, int), np.full(5, 3), np.full(5, -1)])
def test_wrong_targets_are_refused(targets):
    """Want one class index a row, of a class that exists."""
    told = predictor(curved(), (2, 12), classes=("N", "S", "V"))
    with pytest.raises(DataError, match="one class index a row, from 0 to 2"):
        explanations.integrated_gradients(told, rows(), targets)


def test_integrated_gradients_of_a_linear_network_are_its_products():
    """Give each sample its weight times its distance from the lead's mean, in standardised steps."""
    weights = np.random.default_rng(3).normal(size=(2, 6)).astype(np.float32)
    p, x = predictor(Linear(weights), (2, 6), standardise=TRAIN), rows(3, (2, 6))
    found = explanations.integrated_gradients(p, x, np.array([1, 1, 0]), steps=3)
    expected = weights * (x - x.mean(2, keepdims=True)) / np.array([2, 0.5])[:, None]
    assert np.allclose(found, expected * np.array([1, 1, -1])[:, None, None], atol=1e-5)


@pytest.mark.parametrize(
    "standardisation", [Standardisation("none"), Standardisation("row"), TRAIN], ids=lambda s: s.kind
)
def test_integrated_gradients_add_up_to_the_change_of_the_log_odds(standardisation):
    """Share out exactly what a row gains over its flat line, as the whole predictor answers to both."""
    p, x = predictor(curved(), (2, 12), standardise=standardisation, classes=("N", "S", "V")), rows(6)
    targets = np.array([0, 1, 2, 0, 1, 2])
    flat = np.zeros_like(x) if standardisation.kind == "row" else np.broadcast_to(x.mean(2, keepdims=True), x.shape)
    found = explanations.integrated_gradients(p, x, targets, steps=64)
    gained = log_odds(p, x, targets) - log_odds(p, flat, targets)
    assert np.abs(gained).min() > 0.01
    assert np.allclose(found.sum((1, 2)), gained, atol=1e-4)


def test_a_label_of_several_is_explained_by_its_own_logit():
    """Leave the other labels of a multi-label task out of it."""
    p, x = predictor(curved(), (2, 12), task="multi", classes=("A", "B", "C")), rows(2)
    flat = np.broadcast_to(x.mean(2, keepdims=True), x.shape)
    found = explanations.integrated_gradients(p, x, np.array([2, 2]), steps=64).sum((1, 2))
    assert np.allclose(found, (p.logits(x) - p.logits(flat))[:, 2], atol=1e-4)


def test_occlusion_gives_a_sample_the_mean_of_its_windows():
    """Flatten samples 0 and 1, 1 and 2, 2 and 3 in turn, and average what is lost."""
    p = predictor(Linear([[1.0, 10.0, 100.0, 1000.0]]), (1, 4))
    found = explanations.occlusion(p, np.array([[[1.0, 2.0, 3.0, 6.0]]]), np.array([1]), 2)
    assert np.allclose(found, [[[-12, -11, 1495, 3000]]], atol=1e-2)


def test_occlusion_by_lead_tells_leads_apart():
    """Give each lead its own loss, or all leads the same, and refuse a window that does not fit."""
    p, x = predictor(Linear([[1.0] * 4, [0.0] * 4]), (2, 4)), rows(3, (2, 4))
    together = explanations.occlusion(p, x, np.ones(3, int), 2)
    apart = explanations.occlusion(p, x, np.ones(3, int), 2, by_lead=True)
    assert np.array_equal(together[:, 0], together[:, 1])
    assert np.allclose(apart[:, 0], together[:, 0], atol=1e-5)
    assert not apart[:, 1].any()
    for window in (0, 5):
        with pytest.raises(SettingsError, match=f"from 1 to the 4 samples of a row, got {window}"):
            explanations.occlusion(p, x, np.ones(3, int), window)


def test_the_numbers_beside_a_row_stay_as_they_are():
    """Choose, standardise and hold what stands beside the rows, in both attributions."""
    p = predictor(Beside(), (1, 4), side=("b",), standardise_side=Standardisation("train", (1.0,), (2.0,)))
    p = replace(p, contract=replace(p.contract, input=replace(p.contract.input, side=("a", "b"))))
    x, side = np.array([[[4.0, 0, 0, 0]], [[8.0, 0, 0, 0]]], np.float32), np.array([[9.0, 5.0], [9.0, 3.0]])
    for method in (explanations.integrated_gradients, explanations.occlusion):
        options = {"window_samples": 1} if method is explanations.occlusion else {}
        found = method(p, x, np.array([1, 1]), side=side, **options)
        assert np.allclose(found[:, 0, 0], [(4 - 1) * 2, (8 - 2) * 1], atol=1e-4)
        assert not found[:, 0, 1:].any()


@pytest.mark.parametrize("rows_at_once", [1, 2, 100])
def test_the_number_of_rows_at_once_changes_nothing(monkeypatch, rows_at_once):
    """Give the same attributions whether rows are explained one by one or all together."""
    p, targets = predictor(curved(), (2, 12), classes=("N", "S", "V")), np.arange(5) % 3
    ways = [
        lambda: explanations.integrated_gradients(p, rows(), targets),
        lambda: explanations.occlusion(p, rows(), targets, 3),
    ]
    before = [way() for way in ways]
    monkeypatch.setattr(explanations, "ROWS_AT_ONCE", rows_at_once)
    assert all(np.allclose(way(), found, atol=1e-5) for way, found in zip(ways, before, strict=True))


def test_a_network_is_left_as_it_was_found():
    """Explain in evaluation mode, and put modes, gradient flags and gradients back."""
    torch.manual_seed(0)
    settings = attention_cnn.Params(widths=(4, 8), heads=2, hidden=4)
    p = predictor(attention_cnn.build((1, 48), 2, settings), (1, 48), model="attention_cnn")
    x, targets = rows(2, (1, 48)), np.zeros(2, int)
    ways = [lambda: explanations.received(p, x), lambda: explanations.integrated_gradients(p, x, targets, 4),
            lambda: explanations.occlusion(p, x, targets, 12)]  # fmt: skip
    calm = [way() for way in ways]
    p.model.train()
    p.model.head[0].eval()
    p.model.head[0].weight.requires_grad_(False)
    modes = [part.training for part in p.model.modules()]
    flags = [w.requires_grad for w in p.model.parameters()]
    for way, found in zip(ways, calm, strict=True):
        assert np.array_equal(way(), found)  # dropout would change it
        assert [part.training for part in p.model.modules()] == modes
    assert [w.requires_grad for w in p.model.parameters()] == flags
    assert all(w.grad is None for w in p.model.parameters())


def test_sizes_over_time_are_added_smoothed_and_scaled():
    """Add sizes over leads, average neighbours, and bring the mean to 1; a row of zeros stays so."""
    given = np.array([[[1.0, -1, 0, 0], [0, 1, 0, 0]], np.zeros((2, 4))])
    assert np.allclose(explanations.over_time(given), [[4 / 3, 8 / 3, 0, 0], [0] * 4])
    assert np.allclose(explanations.over_time(given, 2)[0], np.array([1, 1.5, 1, 0]) / 0.875)


def test_removing_what_decides_hurts_and_random_time_does_not():
    """Change every decision by the place that the toy decides by, and few by others."""
    found = removed(shown())
    assert found.most_changed == 1
    assert found.most_drop > 0.9
    assert found.random_drop < 0.3 * found.most_drop
    assert found.least_drop == pytest.approx(0, abs=0.2)
    assert found.difference == pytest.approx(found.most_drop - found.random_drop)
    assert 0 < found.low < found.difference < found.high
    assert (found.rows, found.groups, found.share, found.segment_samples) == (30, 30, 0.1, 10)


def test_an_explanation_that_points_elsewhere_fails():
    """Find no more harm than at random where the map is noise, and the harm among the least where it is upside down."""
    noise, wrong = removed(np.random.default_rng(5).random((30, 100))), removed(1 - shown())
    assert noise.low < 0 < noise.high
    assert wrong.least_changed == 1
    assert wrong.high < 0


def test_an_even_explanation_prefers_no_place():
    """Replace stretches all over the row where all values are equal."""
    rng = np.random.default_rng(0)
    masks = np.stack([explanations._masks(np.ones(100), 100, 0.1, rng) for _ in range(400)])
    covered = masks[:, :2].mean((0, 1))
    assert covered.min() > 0.03
    assert covered.max() < 0.2


def test_the_same_seed_gives_the_same_plain_numbers():
    """Draw places and patients by the generator that is given, and hold nothing but floats and whole numbers."""
    assert removed(shown(), seed=3) == removed(shown(), seed=3)
    assert removed(shown(), seed=3).random_drop != removed(shown(), seed=4).random_drop
    assert {type(value) for value in asdict(removed(shown())).values()} == {float, int}


def test_patients_are_drawn_as_wholes():
    """Widen the interval where the rows of a patient are alike, and give none for a single patient."""
    values, patients = np.repeat([0.0, 1.0, 0.5], 20), np.repeat(["a", "b", "c"], 20)
    by_row = explanations._interval(values, np.arange(60), np.random.default_rng(0))
    by_patient = explanations._interval(values, patients, np.random.default_rng(0))
    assert by_patient[1] - by_patient[0] > 3 * (by_row[1] - by_row[0])
    assert explanations._interval(np.full(60, 0.25), patients, np.random.default_rng(0)) == (0.25, 0.25)
    one = removed(shown(), groups=np.zeros(30, int))
    assert one.groups == 1
    assert np.isnan([one.low, one.high]).all()


def segments(mask):
    """List the lengths of the stretches of a mask."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask, [0]]).astype(int)))
    return sorted((edges[1::2] - edges[::2]).tolist())


def test_random_segments_are_as_long_as_the_chosen():
    """Place the same lengths elsewhere, apart from each other, inside the part that holds signal."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = np.repeat(rng.random(20), rng.integers(1, 6, 20))
        end = len(values)
        most, least, *drawn = explanations._masks(np.append(values, [9.0] * 7), end, 0.3, rng)
        assert most.sum() == least.sum() == round(0.3 * end)
        assert not (most & least).any()
        assert values[most[:end]].min() >= values[~most[:end]].max()
        assert values[least[:end]].max() <= values[~least[:end]].min()
        assert len(drawn) == explanations.DRAWS
        assert all(segments(mask) == segments(most) for mask in drawn)
        assert not any(mask[end:].any() for mask in (most, least, *drawn))


def test_segments_are_drawn_all_over_the_row():
    """Cover each sample about as often as the others by segments at random."""
    values, rng = np.zeros(60), np.random.default_rng(0)
    values[[3, 4, 5, 30]] = 1
    covered = np.mean([explanations._masks(values, 60, 4 / 60, rng)[2:].mean(0) for _ in range(500)], axis=0)
    assert np.allclose(covered[3:-3], 4 / 60, atol=0.03)


def test_a_segment_becomes_a_straight_line():
    """Join the samples beside it, and hold the nearest at the ends of a row."""
    row, mask = np.array([[0, 5, 9, 3, 4], [2, 0, 0, 8, 1]], np.int16), np.array([False, True, True, False, False])
    assert explanations._bridged(row, mask).tolist() == [[0, 1, 2, 3, 4], [2, 4, 6, 8, 1]]
    assert explanations._bridged(row, np.array([True, True, False, False, True])).tolist()[0] == [9, 9, 9, 3, 3]


def test_padding_is_never_replaced():
    """Judge only the part of a row that holds signal."""
    beyond = shown()
    beyond[:, 90:] = 9
    found = removed(beyond, share=1 / 6, lengths=np.full(30, 60))
    assert found.segment_samples == 10
    assert found.most_changed == 1
    with pytest.raises(DataError, match="at least two samples"):
        removed(shown(), lengths=np.full(30, 1))


def test_what_cannot_be_judged_is_refused():
    """Refuse an explanation of another shape or with holes, and a share that leaves nothing or all."""
    with pytest.raises(DataError, match=r"one number a row and sample, \(30, 100\)"):
        explanations.removal(predictor(Place(), (1, 100)), bumps(), shown()[:, :-1], np.random.default_rng(0))
    with pytest.raises(DataError, match="one number a row and sample"):
        removed(np.full((30, 100), np.nan))
    for share in (0.0, 1.0):
        with pytest.raises(SettingsError, match="share must lie between 0 and 1"):
            removed(shown(), share=share)


def test_several_labels_are_judged_by_the_likeliest():
    """Count a decision as changed where any label of a multi-label task flips."""
    told = predictor(Place(), (1, 100), task="multi", thresholds=(0.5, 0.5))
    found = explanations.removal(told, bumps(), shown(), np.random.default_rng(0))
    assert found.most_changed == 1
    assert found.most_drop > 0.9
