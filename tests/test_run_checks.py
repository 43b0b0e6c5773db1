"""Runs held against what there is: what cannot be trained is refused before any work, in one line."""

from dataclasses import replace
from pathlib import Path

import pytest

from pqrst import params, resolver, run_checks
from pqrst.errors import SettingsError
from pqrst.params import Run

SETTINGS = params.load(Path(__file__).parents[1] / "params.yaml")
BEATS = Run("heartbeat", "heartbeat", "heartbeat", "windows/heartbeat", "kaggle", "simple_cnn")
STORED = Run("icwa", "images", "heartbeat", "images/heartbeat_rows", "patients", "efficientnet_b0")
LABELS = Run("incepse", "ptbxl", "ptbxl", "windows/ptbxl", "official", "incepse", set={"part": "super"})
CHALLENGE = Run(
    "mvms", "challenge", "challenge2021", "windows/challenge2021", "challenge", "mvms", set={"part": "random"}
)
TREES = Run("icwa", "images", "chapman", "windows/chapman", "published", "lead_ensemble", set={"part": "clean"})


def resolve(run, **train):
    """Resolve one run, which sets these training settings itself."""
    words = {f"train.{key}": value for key, value in train.items()}
    s = replace(SETTINGS, runs={"r": replace(run, set=run.set | words)}, tables={})
    return resolver.resolve(s)["r"][0]


@pytest.mark.parametrize(
    ("run", "train", "message"),
    [
        (STORED, {"crop": 16}, "images/heartbeat_rows holds images, which have no time to crop or to transform; set crop to 0 "),
        (STORED, {"augment": "transforms"}, "images/heartbeat_rows holds images, which have no time to crop or to transform; "),
        (LABELS, {"class_weight_alpha": 0.5}, "class_weight_alpha and sampler_ratio need one class a row; set both to 0"),
        (LABELS, {"sampler_ratio": 0.5}, "class_weight_alpha and sampler_ratio need one class a row; set both to 0"),
        (LABELS, {"thresholds": "challenge"},
         "thresholds by the Challenge's score are of its 26 labels, and this task has 5; set thresholds to youden or f1"),
    ],
)  # fmt: skip
def test_training_that_the_rows_cannot_take_is_refused(run, train, message):
    """Name the run and the setting when settings are resolved, not after the rows are cut or the network is trained."""
    with pytest.raises(SettingsError) as caught:
        resolve(run, **train)
    assert str(caught.value).startswith(f"runs.r.train: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("run", "train"),
    [
        (STORED, {"augment": "noise"}),
        (BEATS, {"crop": 16, "augment": "transforms", "class_weight_alpha": 0.5, "sampler_ratio": 0.5}),
        (BEATS, {"thresholds": "challenge"}),  # of one label a row none are chosen
        (LABELS, {"thresholds": "youden", "crop": 250}),
        (CHALLENGE, {"thresholds": "challenge"}),
        (TREES, {"class_weight_alpha": 0.5}),  # an estimator takes none of these
    ],
)
def test_training_that_they_can_take_passes(run, train):
    """Refuse no more than that."""
    told = resolve(run, **train).train
    assert {key: getattr(told, key) for key in train} == train


def test_a_classifier_without_a_form_for_the_task_is_refused():
    """Refuse an estimator of one class a row over several labels."""
    with pytest.raises(SettingsError) as caught:
        resolve(replace(LABELS, model="lead_ensemble"))
    assert str(caught.value) == "runs.r.model: lead_ensemble has no multi-label form, and ptbxl is multi-label"
    assert resolve(TREES).kind == "classifiers"


@pytest.mark.parametrize(
    ("loss", "task", "expected"), [("ce", "single", True), ("ce", "multi", True), ("challenge", "single", False)]
)
def test_a_loss_serves_the_tasks_that_it_has_a_form_for(loss, task, expected):
    """Ask the loss itself."""
    assert run_checks.serves(loss, task) == expected


@pytest.mark.parametrize(("run", "drawable"), [(BEATS, True), (LABELS, True), (STORED, False), (TREES, False)])
def test_only_networks_over_signals_are_drawn(run, drawable):
    """Say why a run over stored images, or of an estimator, is not."""
    assert (run_checks.undrawable(SETTINGS, run) == "") == drawable
