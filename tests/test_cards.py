"""The card of a trained run says in words what its contract says in fields."""

from dataclasses import asdict, replace

import pytest

import toys
from pqrst.cards import DISCLAIMER, SYNTHETIC, card
from pqrst.decisions import Calibration
from pqrst.standardisation import Standardisation

INPUT = replace(
    toys.META.form, shape=(1, 3600), fs=360.0, leads=("first",), lead_names=({"MLII": 45, "V5": 3},),
    window={"cut": "equal", "samples": 3600, "filter": {"low": 0.5, "high": 50.0, "order": 5}},
)  # fmt: skip
CONTRACT = replace(
    toys.CONTRACT, run="attention", seed=17, classes=("Normal", "Abnormal"), parameters=7_400_322, input=INPUT,
    standardise=Standardisation("row"), output="logits; softmax gives probabilities", split="patients", best_epoch=2, epochs=3,
    provenance={"synthetic": False, "dataset": "mitdb", "digest": "0123456789abcdef0"},
    train={"loss": "ce", "optimizer": "adam", "lr": 0.001, "batch_size": 32}, leak="no patient on two sides",
    calibration=Calibration(1.25, "validation", 1440),
)  # fmt: skip
HISTORY = [{"epoch": 1.0, "validation_loss": 0.6}, {"epoch": 2.0, "validation_loss": 0.41}]


@pytest.mark.parametrize(
    "said",
    [
        "# attention, seed 17", DISCLAIMER, "1 x 3600 (lead x time), mV, 360 Hz", "MLII (45), V5 (3)",
        "0.5 to 50 Hz, order 5", "of Normal, Abnormal", "temperature 1.25, fitted on 1440 validation rows",
        "7,400,322 parameters", "split patients, no patient on two sides", "loss ce, adam, learning rate 0.001, batches of 32",
        "epoch 2 of 3: validation loss 0.4100",
    ],
)  # fmt: skip
def test_the_card_says_what_the_contract_says(said):
    """Input, output, training and the plain word that this is no medical device."""
    assert said in card(asdict(CONTRACT), HISTORY)


def test_made_up_recordings_are_told():
    """A run that learned nothing about hearts says so, and no other does."""
    assert SYNTHETIC not in card(asdict(CONTRACT), HISTORY)
    assert SYNTHETIC in card(asdict(replace(CONTRACT, provenance={"synthetic": True})), HISTORY)


def test_an_estimator_has_a_card_too():
    """Without epochs, parameters, calibration and named leads there is less to say, and no gap."""
    bare = replace(
        CONTRACT, parameters=None, train={}, calibration=Calibration(), best_epoch=0, epochs=0, side=("rr", "qrs"), value="0.5",
        input=replace(INPUT, shape=(2, 240), fs=120.0, leads=("a", "b"), lead_names=(), window={}),
    )  # fmt: skip
    text = card(asdict(bare), [])
    assert "# attention at 0.5, seed 17" in text
    assert "2 numbers beside each row: rr, qrs" in text
    assert "not calibrated" in text
    assert "- \n" not in text


def test_pictures_that_were_stored_are_told():
    """Say by what they were drawn, and that the network does not draw them itself; the cut of the recordings stays."""
    stored = replace(INPUT, shape=(1, 8, 8), axes=("row", "channel", "height", "width"), encoding="lead_rows")
    text = card(asdict(replace(CONTRACT, input=replace(stored, encoding_settings={"size": 8}))), HISTORY)
    assert "drawn as an image by lead_rows (size 8), ahead of training" in text
    assert "cut: equal, 3600 samples" in text
