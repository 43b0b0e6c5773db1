"""A trained run held against the rows that it may have learned from: an honest one passes, each leak is refused in one line."""

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import toys
from pqrst import artifact, audit, fitting, loaders, scoring, sides
from pqrst.arrays import Writer, read
from pqrst.decisions import Calibration
from pqrst.errors import LeakError
from pqrst.leaks import mark
from pqrst.opened import open_parts
from pqrst.params import Split
from pqrst.standardisation import fit_standardisation

pytestmark = pytest.mark.usefixtures("own_process")

SAMPLES, ROWS, LABELS = 16, 90, ("AF", "MI")
FOLDS = Split("cut", ("train",), ("test",), "recording", held=("validation",))
SINGLE = replace(toys.RUN, train=replace(toys.TRAIN, epochs=3, class_weight_alpha=1.0))
SEVERAL = replace(SINGLE, task="multi", train=replace(toys.TRAIN, epochs=3, thresholds="f1", select="auroc_macro"))
FOREST = replace(SINGLE, kind="classifiers", model="deep_feature", model_settings={"trees": 3})


@contextmanager
def silent(_):
    yield lambda _: None


def opened(folder, labels, *, chooses=False):
    """Write ninety recordings, a third of them on each side, class c with a wave of its own, and open them with their split."""
    rng, y = np.random.default_rng(0), np.arange(ROWS) % 7 % 3
    x = rng.normal(0, 0.5, (ROWS, 1, SAMPLES)) + np.arange(ROWS)[:, None, None] / ROWS  # the sides differ in mean
    x[np.arange(ROWS), 0, y] += 1
    several = np.stack([y > 0, rng.random(ROWS) < 0.5], axis=1).astype(np.int16)
    told = pd.DataFrame({"record": [f"r{n}" for n in range(ROWS)], "patient": "", "start": 0})
    told["fold_cut"] = np.repeat(["train", "validation", "test"], ROWS // 3)
    meta = toys.BEATS if labels == "single" else replace(toys.META, task="multi", classes=LABELS)
    with Writer(folder / "x", (1, SAMPLES), "float32") as writer:
        writer.add(x, y if labels == "single" else several, told)
        writer.finish(replace(meta, window={"cut": "whole", "samples": SAMPLES}))
    split = replace(FOLDS, held=(), test_chooses=True) if chooses else FOLDS
    sides.write(read(folder / "x"), "cut", split, folder / "split")
    return open_parts(folder / "x", folder / "split", [""])[""]


def trained(folder, given, run):
    """Train a run of one network, and give its folder."""
    fitting.train([run], {"": given}, fitting.Places(folder / "out", folder / "scratch"), silent)
    return folder / "out" / "seed-9"


def judged(folder, given, history=None, **more):
    """Audit a run, its contract and history changed as told."""
    predictor = artifact.load(folder)
    predictor = replace(predictor, contract=replace(predictor.contract, **more))
    history = scoring._history(folder) if history is None else history
    return audit.check(predictor, given, history, audit.Fits({"": given}), "tiny/seed-9")


def refusal(folder, given, history=None, **more):
    with pytest.raises(LeakError) as error:
        judged(folder, given, history, **more)
    said = str(error.value)
    assert said.startswith("run tiny/seed-9: ")
    assert said.endswith("; train it anew with `dvc repro`")
    return said.removeprefix("run tiny/seed-9: ").partition(";")[0]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Train a network of one label and one of two."""
    found = {}
    for name, run in (("single", SINGLE), ("multi", SEVERAL)):
        folder = tmp_path_factory.mktemp(name)
        given = opened(folder, name)
        found[name] = (trained(folder, given, run), given)
    return found


@pytest.fixture
def single(trainings):
    return trainings["single"]


@pytest.fixture
def multi(trainings):
    return trainings["multi"]


@pytest.mark.parametrize("task", ["single", "multi"])
def test_an_honest_run_passes(trainings, task):
    """Say on which rows it was fitted and chosen, and give the answers of the rows that chose."""
    folder, given = trainings[task]
    found = judged(folder, given)
    assert found.verdict == "fitted on train rows; epoch, temperature and thresholds by validation rows"
    predictor = artifact.load(folder)
    assert np.array_equal(found.chosen, predictor.logits(np.array(given.bundle.x[given.sides.rows("validation")])))


def test_a_run_whose_test_rows_choose_says_so(tmp_path):
    """Name the published exception."""
    given = opened(tmp_path, "single", chooses=True)
    found = judged(trained(tmp_path, given, SINGLE), given)
    assert found.verdict == "fitted on train rows; epoch, temperature and thresholds by test rows, as published"


def test_altered_validation_rows_are_named_and_not_answered_again(tmp_path):
    """Follow the original that altered validation rows by mistake: its history cannot be found again."""
    given = opened(tmp_path, "single")
    run = replace(SINGLE, train=replace(SINGLE.train, augment="noise", augment_side="validation"))
    found = judged(trained(tmp_path, given, run), given)
    assert found.verdict.endswith("by validation rows; which were altered, as published")


def test_first_weights_and_stored_steps_are_named(single):
    """Say what the gate cannot see."""
    folder, given = single
    assert judged(folder, given, weights="abcdef0123").verdict.endswith(
        "begun from weights of a file (abcdef01) whose rows are not known"
    )
    meta = replace(given.bundle.meta, encoding="lead_rows", gain=(1.0,), zero=(0,))
    contract = artifact.load(folder).contract
    stored = replace(given, bundle=replace(given.bundle, meta=meta))
    assert audit._verdict(contract, stored).endswith("stored in steps laid over the pictures of all sides")


def test_a_run_that_learned_other_data_is_refused(single):
    """Score no run on rows that it did not come from: what it says of sides would be of others."""
    folder, given = single
    assert "another split of them" in refusal(folder, replace(given, digest="other"))


def test_a_run_that_does_not_say_its_rows_is_refused(single):
    """Refuse a contract of a schema that told none."""
    told = replace(artifact.load(single[0]).contract.fitted, learned="")
    assert (
        refusal(*single, fitted=told)
        == "its weights were fitted on rows that it does not name, not on the 30 rows that train"
    )


@pytest.mark.parametrize(
    ("side", "named"), [("test", "test rows"), ("validation", "validation rows"), (None, "rows of no side (60)")]
)
def test_weights_fitted_on_other_rows_are_refused(single, side, named):
    """Name the side that trained, or how many rows of several did."""
    folder, given = single
    rows = np.union1d(given.sides.rows("train"), given.sides.rows("test")) if side is None else given.sides.rows(side)
    told = replace(artifact.load(folder).contract.fitted, learned=mark(rows))
    assert refusal(folder, given, fitted=told) == f"its weights were fitted on {named}, not on the 30 rows that train"


def test_an_epoch_chosen_on_test_rows_is_refused(single):
    """Name the side that chose."""
    folder, given = single
    told = replace(artifact.load(folder).contract.fitted, chose=mark(given.sides.rows("test")))
    said = refusal(folder, given, fitted=told)
    assert said == "its epoch and thresholds were chosen on test rows, not on validation rows"


def test_class_counts_of_more_than_train_rows_are_refused(single):
    """Count again what the loss was given."""
    folder, given = single
    told = replace(artifact.load(folder).contract.fitted, class_counts=tuple(given.bundle.class_counts().tolist()))
    assert "class counts" in refusal(folder, given, fitted=told)


@pytest.mark.parametrize("kind", ["train", "train_all"])
def test_a_standardisation_of_more_than_train_rows_is_refused(single, kind):
    """Fit again; a single foreign row is enough."""
    folder, given = single
    x, rows = given.bundle.x, given.sides.rows("train")
    judged(folder, given, standardise=fit_standardisation(kind, loaders.parts(x, rows)))
    more = fit_standardisation(kind, loaders.parts(x, np.append(rows, given.sides.rows("test")[:1])))
    assert (
        refusal(folder, given, standardise=more) == "it is standardised by numbers that are not those of the train rows"
    )


def test_numbers_beside_rows_standardised_by_all_rows_are_refused(single):
    """Fit those again too."""
    folder, given = single
    contract = artifact.load(folder).contract
    side = np.random.default_rng(1).normal(size=(ROWS, 2)).astype(np.float32)
    bundle = replace(given.bundle, side=side, meta=replace(given.bundle.meta, side=("age", "rate")))
    beside, fits = replace(given, bundle=bundle), audit.Fits({"": given})
    for rows, same in ((given.sides.rows("train"), True), (np.arange(ROWS), False)):
        fitted = fit_standardisation("train", loaders.parts(side[:, 1:], rows))
        told = replace(contract, side=("rate",), standardise_side=fitted)
        assert (audit._standardised(told, beside, fits) == "") is same


def test_another_epoch_than_validation_chose_is_refused(single):
    """Find the epoch again by its rule, and refuse a history of more or fewer epochs."""
    folder, given = single
    best = artifact.load(folder).contract.best_epoch
    said = refusal(folder, given, best_epoch=best % 3 + 1)
    assert said == f"its epoch is {best % 3 + 1}, by loss it would be {best}"
    assert refusal(folder, given, epochs=4) == "its history has 3 epochs, its contract 4"
    assert "no history" in refusal(folder, given, pd.DataFrame(), epochs=0)


def test_a_test_column_in_a_history_is_refused(single):
    """Let nothing of test rows stand where epochs are chosen."""
    folder, given = single
    history = scoring._history(folder).assign(test_accuracy=0.5)
    assert refusal(folder, given, history) == "its history has a column test_accuracy, which no epoch may be chosen by"


def test_a_history_of_other_rows_is_refused(single):
    """Answer the validation rows again by the weights that were kept."""
    folder, given = single
    history = scoring._history(folder)
    history["validation_accuracy"] = 1 - history["validation_accuracy"]
    assert "in its history" in refusal(folder, given, history)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Calibration(7.5, "validation", 30), "its temperature is 7.5, by validation rows it would be "),
        (Calibration(1.0, "test", 30), "its temperature was fitted on 30 test rows, not on 30 validation rows"),
        (
            Calibration(1.0, "validation", 60),
            "its temperature was fitted on 60 validation rows, not on 30 validation rows",
        ),
    ],
)
def test_a_temperature_of_other_rows_is_refused(single, found, said):
    """Fit it again."""
    assert refusal(*single, calibration=found).startswith(said)


def test_thresholds_of_other_rows_are_refused(multi, single):
    """Choose them again; and take none where none are asked for."""
    assert (
        refusal(*multi, thresholds=(0.999, 0.999)) == "its thresholds are not those that f1 chooses on validation rows"
    )
    assert refusal(*single, thresholds=(0.5,)) == "it has thresholds that none of its settings asks for"


def test_a_split_that_tells_less_than_it_shares_is_refused(single):
    """Count subjects and recordings again, whatever the split's file says."""
    folder, given = single
    rows = given.bundle.rows.assign(record="r")
    divided = replace(given, bundle=replace(given.bundle, rows=rows))
    assert refusal(folder, divided) == "1 recordings stand on two sides of its split, which tells of 0"


@pytest.mark.parametrize("what", ["rows", "chosen"])
def test_a_training_that_takes_other_rows_is_refused(tmp_path, monkeypatch, what):
    """Train in earnest on all rows, or choose on test rows, and see the run refused: the contract tells what was taken."""
    given = opened(tmp_path, "single")
    other = np.arange(ROWS) if what == "rows" else given.sides.rows("test")
    monkeypatch.setattr(fitting.Prepared, what, property(lambda _: other))
    folder = trained(tmp_path, given, SINGLE)
    assert refusal(folder, given).startswith({"rows": "its weights were", "chosen": "its epoch and"}[what])


def test_a_training_that_lies_about_the_rows_that_choose_is_refused(tmp_path, monkeypatch):
    """Choose on test rows and tell of validation rows: the answers tell otherwise."""
    given = opened(tmp_path, "single")
    honest = fitting.Prepared.fitted.fget
    monkeypatch.setattr(fitting.Prepared, "chosen", property(lambda _: given.sides.rows("test")))
    monkeypatch.setattr(fitting.Prepared, "fitted", property(lambda self: replace(
        honest(self), chose=mark(given.sides.rows("validation")))))  # fmt: skip
    folder = trained(tmp_path, given, SINGLE)
    assert refusal(folder, given).startswith(
        ("its accuracy on validation rows is", "its temperature is", "its thresholds")
    )


def test_a_training_standardised_by_all_rows_is_refused(tmp_path, monkeypatch):
    """Fit the standardisation in earnest to every row."""
    given = opened(tmp_path, "single")
    real = fitting.fit_standardisation
    everything = lambda kind, _: real(kind, loaders.parts(given.bundle.x, np.arange(ROWS)))  # noqa: E731
    monkeypatch.setattr(fitting, "fit_standardisation", everything)
    assert "standardised by numbers" in refusal(trained(tmp_path, given, SINGLE), given)


def test_a_classifier_learns_train_and_validation_rows_and_no_others(tmp_path, monkeypatch):
    """Let an estimator, for which nothing is chosen, learn both, and refuse one that learned test rows as well."""
    given = opened(tmp_path, "single")
    folder = trained(tmp_path, given, FOREST)
    assert judged(folder, given).verdict == "fitted on train and validation rows, nothing chosen"
    monkeypatch.setattr(fitting.Prepared, "rows", property(lambda _: np.arange(ROWS)))
    leaky = trained(tmp_path / "leaky", given, FOREST)
    assert refusal(leaky, given) == "its weights were fitted on rows of no side (90), not on the 60 rows that train"


def test_evaluation_refuses_what_the_audit_refuses(tmp_path, single):
    """Write no scores of a run whose contract was touched."""
    folder, given = single
    artifact_folder = tmp_path / "tiny" / "seed-9"
    contract = replace(artifact.read_contract(folder), best_epoch=7)
    weights = artifact.load(folder).model.state_dict()
    artifact.save(artifact_folder, contract, artifact.of_network(weights), scoring._history(folder).to_dict("records"))
    to = scoring.Places(tmp_path / "scores", tmp_path / "plots", tmp_path / "headline.json")
    with pytest.raises(LeakError, match=r"^run tiny/seed-9: its epoch is 7, by loss it would be"):
        scoring.evaluate(tmp_path / "tiny", {"": given}, ("f1_macro",), to)
    assert not list(tmp_path.rglob("scores.json"))


def test_the_standardisation_of_a_part_is_fitted_once(single, monkeypatch):
    """Read the train rows once for all networks of a part."""
    calls = []
    monkeypatch.setattr(audit, "fit_standardisation", lambda *given: calls.append(given) or SimpleNamespace())
    fits = audit.Fits({"": single[1]})
    assert fits.fit("", "train") is fits.fit("", "train")
    assert len(calls) == 1
