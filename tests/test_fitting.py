"""Every seed of a run: what names its checkpoints, what is fitted to which rows, and what is written."""

import hashlib
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import toys
from pqrst import artifact, fitting, loaders, sides, training
from pqrst.arrays import Bundle, Steps, Writer, read
from pqrst.decisions import by_recording, fit_thresholds
from pqrst.errors import SettingsError
from pqrst.features import beat_features
from pqrst.files import digest
from pqrst.inference import Crop
from pqrst.loaders import Streamed
from pqrst.opened import open_parts
from pqrst.resolved import RunSettings
from pqrst.standardisation import Standardisation, fit_standardisation, standardise
from toys import BEATS, KAGGLE

pytestmark = pytest.mark.usefixtures("own_process")

SAMPLES = 16
TRAIN = replace(toys.TRAIN, epochs=2, seeds=2, batch_size=8, class_weight_alpha=1.0, sampler_ratio=0.5)
RUN = replace(toys.RUN, system="heartbeat", seeds=(9, 10), train=TRAIN)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write 60 beats and their split: class c stands high at sample c."""
    folder = tmp_path_factory.mktemp("data")
    y = np.arange(60) % 7 % 3  # classes of 26, 18 and 16 beats
    x = np.random.default_rng(0).normal(0, 0.3, (60, 1, SAMPLES))
    x[np.arange(60), 0, y] += 2
    told = pd.DataFrame({"record": "r", "patient": "p", "start": range(60), "quality": ""})
    told["fold_kaggle"] = np.where(np.arange(60) < 42, "train", "test")
    with Writer(folder / "x", (1, SAMPLES), "float32") as writer:
        writer.add(x, y, told)
        writer.finish(BEATS)
    sides.write(read(folder / "x"), "kaggle", KAGGLE, folder / "split")
    return folder


@pytest.fixture(scope="module")
def opened(data):
    return open_parts(data / "x", data / "split", [""])[""]


@contextmanager
def silent(_):
    yield lambda _: None


@pytest.fixture
def epochs(monkeypatch):
    """Count the epochs that are really trained, by seed."""
    real, seen = training._epoch, []

    def epoch(learner, data, seed, number):
        seen.append((seed, number))
        return real(learner, data, seed, number)

    monkeypatch.setattr(training, "_epoch", epoch)
    return seen


def fit(folder, opened, run=RUN):
    fitting.train([run], {"": opened}, fitting.Places(folder / "out", folder / "scratch"), silent)
    return folder / "out"


def prepared(opened, run=RUN):
    """Give what training would be given, without training."""
    x, rows = opened.bundle.x, opened.sides.rows("train")
    fitted = fit_standardisation(run.train.standardise, loaders.parts(x, rows, opened.bundle.meta.steps))
    return fitting.Prepared(
        run, opened, fitted, fitting.Beside((), np.zeros((0, 0)), Standardisation("none")), fitting.settings_digest(run)
    )


def scrambled(opened, side):
    """Give other signals and labels to the rows of one side."""
    x, y, rows = np.array(opened.bundle.x), opened.bundle.y.copy(), opened.sides.rows(side)
    x[rows], y[rows] = 77.0, 2
    return replace(opened, bundle=replace(opened.bundle, x=x, y=y))


@pytest.mark.parametrize(
    "other",
    [
        {"run": "x"},
        {"value": "x"},
        {"system": "x"},
        {"family": "x"},
        {"split": "x"},
        {"seeds": (1,)},
        {"train": replace(TRAIN, seeds=5)},
        {"part": "x"},
        {"train": replace(TRAIN, thresholds="f1")},
        {"train": replace(TRAIN, resident_gb=0.5)},
        {"train": replace(TRAIN, processes=2)},
    ],
)
def test_names_and_seeds_are_no_part_of_the_digest(other):
    """Share checkpoints between runs that differ in names, seeds, where rows lie, who shares a batch, or what is fitted afterwards."""
    assert fitting.settings_digest(replace(RUN, **other)) == fitting.settings_digest(RUN)


@pytest.mark.parametrize(
    "other",
    [
        {"train": replace(TRAIN, lr=0.02)},
        {"train": replace(TRAIN, epochs=3)},
        {"train": replace(TRAIN, threads=2)},
        {"model_settings": {"widths": [5], "kernel": 3}},
        {"loss_settings": {"label_smoothing": 0.1}},
        {"code": {"models/simple_cnn.py": "cd"}},
        {"train": replace(TRAIN, augment="noise")},
        {"train": replace(TRAIN, crop=8)},
        {"train": replace(TRAIN, crop_step=4)},
        {"train": replace(TRAIN, select="last")},
        {"train": replace(TRAIN, clip_norm=1.0)},
        {"train": replace(TRAIN, cycle_epochs=1)},
    ],
)
def test_all_that_decides_a_network_is_part_of_the_digest(other):
    """Name another checkpoint where rate, epochs, threads, network, loss, code or augmentation differ."""
    assert fitting.settings_digest(replace(RUN, **other)) != fitting.settings_digest(RUN)


@dataclass(frozen=True)
class Later(RunSettings):
    """What a later version may ask for besides."""

    more: str = ""


def test_a_setting_at_its_default_names_nothing():
    """Keep every checkpoint when a setting joins whose default changes nothing, and name another where it is used."""
    given = {one.name: getattr(RUN, one.name) for one in fields(RUN)}
    assert fitting.settings_digest(Later(**given)) == fitting.settings_digest(RUN)
    assert fitting.settings_digest(Later(**given, more="x")) != fitting.settings_digest(RUN)


def test_every_seed_gets_a_whole_folder(tmp_path, opened):
    """Write weights, history and contract for each seed, and leave nothing half-made."""
    out = fit(tmp_path, opened)
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    files = ("card.md", "contract.json", "contract.sha256", "history.csv", "weights.safetensors")
    assert names == {f"seed-{seed}/{file}" for seed in (9, 10) for file in files}
    assert len(pd.read_csv(out / "seed-9" / "history.csv")) == 2


def test_the_contract_tells_of_run_seed_and_data(tmp_path, opened):
    """Name the run, its seed, the data with its digest, and the number of trained parameters."""
    told = json.loads((fit(tmp_path, opened) / "seed-10" / "contract.json").read_text())
    assert (told["run"], told["seed"], told["classes"]) == ("tiny", 10, list(BEATS.classes))
    assert told["provenance"] == {"synthetic": True, "dataset": "beats", "digest": opened.digest}
    assert told["parameters"] == (1 * 4 * 3 + 4) + (4 * 3 + 3)  # a convolution and a dense layer
    assert told["settings_digest"] == fitting.settings_digest(RUN)
    assert told["output"] == "logits; softmax gives probabilities"


def test_training_twice_gives_the_same_bytes(tmp_path, opened):
    """Write the same folder from two empty scratch folders."""
    assert digest(fit(tmp_path / "a", opened)) == digest(fit(tmp_path / "b", opened))


def test_training_again_takes_the_kept_checkpoints(tmp_path, opened, epochs):
    """Write the same folder once more without an epoch of work, though DVC has emptied it."""
    first = digest(fit(tmp_path, opened))
    epochs.clear()
    (tmp_path / "out").rename(tmp_path / "gone")
    assert digest(fit(tmp_path, opened)) == first
    assert epochs == []


def test_an_added_seed_trains_only_itself(tmp_path, opened, epochs):
    """Train seed 11 alone where 9 and 10 are kept."""
    fit(tmp_path, opened)
    epochs.clear()
    fit(tmp_path, opened, replace(RUN, seeds=(9, 10, 11)))
    assert epochs == [(11, 0), (11, 1)]


def test_more_epochs_are_another_training(tmp_path, opened, epochs):
    """Start anew under another key, since a schedule depends on the number of epochs."""
    one = replace(RUN, seeds=(9,))
    fit(tmp_path, opened, one)
    epochs.clear()
    fit(tmp_path, opened, replace(one, train=replace(TRAIN, epochs=3)))
    assert epochs == [(9, 0), (9, 1), (9, 2)]


def test_other_data_are_another_training(tmp_path, opened, epochs):
    """Start anew where the digest of the data differs."""
    one = replace(RUN, seeds=(9,))
    fit(tmp_path, opened, one)
    epochs.clear()
    fit(tmp_path, replace(opened, learned=hashlib.sha256(b"other").hexdigest()), one)
    assert len(epochs) == 2


@pytest.mark.parametrize("side", ["validation", "test"])
def test_nothing_is_fitted_outside_train(opened, side):
    """Leave standardisation, class weights and sampler as they were when another side is scrambled."""
    first, other = prepared(opened), prepared(scrambled(opened, side))
    before, after = (fitting._data(run, training.device("cpu"), 9) for run in (first, other))
    assert first.standardisation == other.standardisation
    assert before.class_weights.equal(after.class_weights)
    assert before.row_weights.equal(after.row_weights)
    assert before.train_x[0].equal(after.train_x[0])


def test_scrambled_train_rows_change_what_is_fitted(opened):
    """Show that the test above could fail."""
    first, other = prepared(opened), prepared(scrambled(opened, "train"))
    assert first.standardisation != other.standardisation
    before, after = (fitting._data(run, training.device("cpu"), 9) for run in (first, other))
    assert not before.class_weights.equal(after.class_weights)


def test_test_rows_do_not_change_a_single_weight(tmp_path, opened):
    """Train to the same bits when every test row is scrambled."""
    one = replace(RUN, seeds=(9,))
    first, other = fit(tmp_path / "a", opened, one), fit(tmp_path / "b", scrambled(opened, "test"), one)
    assert digest(first) == digest(other)


def test_weights_and_sampler_are_left_out_unless_asked_for(opened):
    """Give training neither where alpha and ratio are zero."""
    run = replace(RUN, train=replace(TRAIN, class_weight_alpha=0.0, sampler_ratio=0.0))
    data = fitting._data(prepared(opened, run), training.device("cpu"), 9)
    assert (data.class_weights, data.row_weights) == (None, None)


def several_labels(opened):
    """Give each row its class as one label of three."""
    bundle: Bundle = opened.bundle
    y = np.eye(3, dtype=np.int16)[bundle.y]
    return replace(opened, bundle=replace(bundle, y=y, meta=replace(bundle.meta, task="multi")))


@pytest.mark.parametrize("setting", ["class_weight_alpha", "sampler_ratio"])
def test_class_weights_of_several_labels_are_refused(tmp_path, opened, setting):
    """Say in one line that both need one class a row."""
    train = replace(TRAIN, **{"class_weight_alpha": 0.0, "sampler_ratio": 0.0, setting: 0.5})
    with pytest.raises(SettingsError, match=r"^run tiny: class_weight_alpha and sampler_ratio need .*; set both to 0$"):
        fit(tmp_path, several_labels(opened), replace(RUN, task="multi", train=train))


def test_several_labels_train_without_them(tmp_path, opened):
    """Train the binary form, and say in the contract that a sigmoid is to be taken."""
    train = replace(TRAIN, class_weight_alpha=0.0, sampler_ratio=0.0)
    out = fit(tmp_path, several_labels(opened), replace(RUN, task="multi", train=train, seeds=(9,)))
    assert artifact.load(out).contract.output == "logits; a sigmoid gives each label's probability"


CPU = torch.device("cpu")
COUPLED = {"widths": [4], "dropout": [0.1], "kernel": 3, "dense_widths": [4], "dense_dropout": 0.1}
PLAIN = replace(TRAIN, class_weight_alpha=0.0, sampler_ratio=0.0)
LABELS = replace(RUN, task="multi", train=PLAIN, seeds=(9,))


@pytest.mark.parametrize("by", ["youden", "f1"])
def test_thresholds_are_fitted_to_validation_rows_and_stored(tmp_path, opened, by):
    """Hold in the contract what is best on the validation rows' calibrated probabilities, and decide by it."""
    given, run = several_labels(opened), replace(LABELS, train=replace(PLAIN, thresholds=by))
    predictor = artifact.load(fit(tmp_path, given, run))
    rows = given.sides.rows("validation")
    probability = predictor.probabilities(given.bundle.x[rows])
    expected = fit_thresholds(probability, given.bundle.y[rows], by)
    assert predictor.contract.thresholds == pytest.approx(expected, abs=1e-6)
    assert predictor.contract.thresholds_by == by
    assert predictor.contract.thresholds != (0.5,) * 3
    decided = predictor.decide(probability)
    assert decided.tolist() == (probability >= np.float32(predictor.contract.thresholds)).astype(int).tolist()


def test_temperature_and_thresholds_are_fitted_to_whole_recordings(tmp_path, opened):
    """Average the calibrated probabilities of a recording's pieces, as evaluation does, before thresholds are chosen."""
    given = several_labels(opened)
    meta = replace(given.bundle.meta, window={"cut": "whole", "samples": SAMPLES})
    record = np.char.add("r", (np.arange(60) // 20).astype(str)) + np.array(["a", "b"])[given.bundle.y[:, 0]]
    given = replace(given, bundle=replace(given.bundle, meta=meta, rows=given.bundle.rows.assign(record=record)))
    predictor = artifact.load(fit(tmp_path, given, replace(LABELS, train=replace(PLAIN, thresholds="f1"))))
    which, first = given.recordings(given.sides.rows("validation"))
    assert predictor.contract.calibration.rows == len(first) < len(which)
    probability = by_recording(predictor.probabilities(given.bundle.x[given.sides.rows("validation")]), which)
    expected = fit_thresholds(probability, given.bundle.y[first], "f1")
    assert predictor.contract.thresholds == pytest.approx(expected, abs=1e-6)


def test_no_thresholds_are_stored_unless_asked_for(tmp_path, opened):
    """Keep one half for several labels without, and for one class a row with them."""
    several = artifact.load(fit(tmp_path / "a", several_labels(opened), LABELS)).contract
    one = artifact.load(
        fit(tmp_path / "b", opened, replace(RUN, seeds=(9,), train=replace(TRAIN, thresholds="f1")))
    ).contract
    assert (several.thresholds, several.thresholds_by) == ((), "none")
    assert (one.thresholds, one.thresholds_by) == ((), "")


def test_other_thresholds_take_the_kept_training(tmp_path, opened, epochs):
    """Fit them anew without an epoch of work."""
    fit(tmp_path, several_labels(opened), LABELS)
    epochs.clear()
    out = fit(tmp_path, several_labels(opened), replace(LABELS, train=replace(PLAIN, thresholds="f1")))
    assert epochs == []
    assert len(artifact.load(out).contract.thresholds) == 3


def test_thresholds_by_the_challenge_need_its_labels(tmp_path, opened):
    """Refuse three labels in one line."""
    run = replace(LABELS, train=replace(PLAIN, thresholds="challenge"))
    with pytest.raises(
        SettingsError, match=r"of its 26 labels, and this task has 3; set train\.thresholds to youden or f1$"
    ):
        fit(tmp_path, several_labels(opened), run)


def test_each_part_of_a_split_is_learned_from_its_own_rows(tmp_path, opened):
    """Hand every variant the data of its part, name the part in its contract, and keep their checkpoints apart."""
    parts = {"a": opened, "b": replace(several_labels(opened), learned="other", digest="of b")}
    runs = [replace(LABELS, value=part, part=part, task=parts[part].bundle.meta.task) for part in ("a", "b")]
    fitting.train(runs, parts, fitting.Places(tmp_path / "out", tmp_path / "scratch"), silent)
    found = {part: artifact.read_contract(tmp_path / "out" / part / "seed-9") for part in ("a", "b")}
    assert {name: one.part for name, one in found.items()} == {"a": "a", "b": "b"}
    assert {name: one.provenance["digest"] for name, one in found.items()} == {"a": opened.digest, "b": "of b"}
    assert len(list((tmp_path / "scratch" / "train").iterdir())) == 2


ON_DISK = replace(RUN, seeds=(9,), train=replace(TRAIN, resident_gb=0.0))


@pytest.mark.parametrize("standardise", ["train", "row", "train_all", "none"])
def test_rows_that_stay_on_disk_give_the_same_weights(tmp_path, opened, standardise):
    """Train to the same bits and history whether rows lie in memory or on disk."""
    near, far = (replace(run, train=replace(run.train, standardise=standardise)) for run in (RUN, ON_DISK))
    one = fit(tmp_path / "near", opened, replace(near, seeds=(9,))) / "seed-9"
    other = fit(tmp_path / "far", opened, far) / "seed-9"
    for name in (artifact.WEIGHTS, artifact.HISTORY):
        assert (one / name).read_bytes() == (other / name).read_bytes()


@pytest.mark.parametrize("resident_gb", [0.0, 1.0])
def test_rows_at_an_address_give_the_same_run(tmp_path, data, opened, resident_gb):
    """Open the same digests, and write the same run to the byte, whether rows are held or asked for batch by batch."""
    far = open_parts(f"file://{data / 'x'}", data / "split", [""], tmp_path)[""]
    assert (far.digest, far.learned) == (opened.digest, opened.learned)
    run = replace(ON_DISK, train=replace(ON_DISK.train, resident_gb=resident_gb))
    one, other = (fit(tmp_path / name, rows, run) for name, rows in (("near", opened), ("far", far)))
    assert digest(one) == digest(other)


def test_weighted_draws_and_shards_are_refused(tmp_path, opened):
    """Say in one line which of two settings must go."""
    run = replace(ON_DISK, train=replace(ON_DISK.train, shard_rows=4))
    with pytest.raises(
        SettingsError, match=r"^run tiny: sampler_ratio draws rows from anywhere; set it to 0, or shard_rows to 1$"
    ):
        fit(tmp_path, opened, run)


@pytest.mark.parametrize(("more", "kind"), [(1, torch.Tensor), (-1, Streamed)])
def test_rows_stay_on_disk_where_they_take_more_than_their_room(opened, more, kind):
    """Hold the train rows in a byte more than they need, and not in one less, where the fewer validation rows still fit."""
    needed = len(opened.sides.rows("train")) * SAMPLES * 4
    run = replace(RUN, train=replace(TRAIN, resident_gb=(needed + more) / 1e9))
    data = fitting._data(prepared(opened, run), CPU, 9)
    assert type(data.train_x[0]) is kind
    assert type(data.validation_x[0]) is torch.Tensor


def test_augmented_rows_must_fit(tmp_path, opened):
    """Say in one line what to raise."""
    run = replace(ON_DISK, train=replace(ON_DISK.train, augment="noise"))
    with pytest.raises(
        SettingsError, match=r"^run tiny: augmented rows must fit into train\.resident_gb \(0\); raise it$"
    ):
        fit(tmp_path, opened, run)


@pytest.mark.parametrize("standardise", ["none", "row", "train", "train_all"])
def test_rows_go_back_to_their_unit(tmp_path, opened, standardise):
    """Learn and answer to the same bits from steps as from the numbers that they stand for; the contract tells the steps."""
    whole = np.rint(np.array(opened.bundle.x) * 200 + 24).astype(np.int16)
    steps = replace(opened.bundle, x=whole, meta=replace(opened.bundle.meta, gain=(200.0,), zero=(24,)))
    plain = replace(opened.bundle, x=(whole.astype(np.float32) - 24) / np.float32(200))
    run = replace(RUN, seeds=(9,), train=replace(TRAIN, standardise=standardise))
    outs = [fit(tmp_path / str(n), replace(opened, bundle=given), run) for n, given in enumerate((steps, plain))]
    assert len({(out / "seed-9" / artifact.WEIGHTS).read_bytes() for out in outs}) == 1
    told, same = (artifact.load(out) for out in outs)
    assert (told.contract.input.steps, same.contract.input.steps) == (Steps((200.0,), (24,)), None)
    assert told.contract.standardise == same.contract.standardise
    assert np.array_equal(told.logits(steps.x), same.logits(plain.x))


def test_a_loss_may_ask_for_the_number_of_train_rows(opened):
    """Weigh present labels by absent over present train rows, and hand other losses the counts alone."""
    run = replace(LABELS, loss="weighted_ce", loss_settings={"power": 1.0})
    given = several_labels(opened)
    rows = given.sides.rows("train")
    counts = given.bundle.class_counts(rows)
    assert fitting._lesson(prepared(given, run), CPU).loss.positive.tolist() == pytest.approx(
        (len(rows) - counts) / counts
    )
    assert not hasattr(fitting._lesson(prepared(given, LABELS), CPU).loss, "positive")


def test_a_network_over_crops_is_built_loaded_and_asked_by_crops(tmp_path, opened):
    """Size the network for a crop of eight, and give the mean over those at 0, 4 and 8 from the saved folder too."""
    crop = {"crop": 8, "crop_step": 4, "crop_pool": "mean"}
    run = replace(RUN, model="coupled_cnn", model_settings=COUPLED, seeds=(9,), train=replace(TRAIN, **crop))
    predictor = artifact.load(fit(tmp_path, opened, run))
    assert predictor.contract.crop == Crop(8, 4, "mean")
    x = torch.from_numpy(np.array(opened.bundle.x[:5]))
    scaled = standardise(x, predictor.contract.standardise)
    with torch.inference_mode():
        expected = torch.stack([predictor.model(scaled[..., start : start + 8]) for start in (0, 4, 8)]).mean(0)
    assert predictor.logits(opened.bundle.x[:5]) == pytest.approx(expected.numpy(), abs=1e-6)


def test_each_value_of_a_run_gets_its_folder(tmp_path, opened):
    """Lay the networks of each value below the value's name, and say the value in the contract."""
    runs = [replace(RUN, seeds=(9,), value=str(rate), train=replace(TRAIN, lr=rate)) for rate in (0.01, 0.1)]
    fitting.train(runs, {"": opened}, fitting.Places(tmp_path / "out", tmp_path / "scratch"), silent)
    folders = artifact.members(tmp_path / "out")
    assert [folder.relative_to(tmp_path / "out").as_posix() for folder in folders] == ["0.01/seed-9", "0.1/seed-9"]
    assert [artifact.read_contract(folder).value for folder in folders] == ["0.01", "0.1"]
    assert [artifact.read_contract(folder).train["lr"] for folder in folders] == [0.01, 0.1]


def test_runs_that_differ_only_in_their_test_rows_share_a_training(tmp_path, opened, epochs):
    """Take the finished network where the test side is another: it had no part in the training."""
    one = replace(RUN, seeds=(9,))
    fit(tmp_path, opened, one)
    epochs.clear()
    fit(tmp_path, replace(opened, digest="other"), replace(one, run="again", split="wider"))
    assert epochs == []


SIDE_BY_SIDE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_fitting as t
from pqrst import fitting
from pqrst.opened import open_parts
opened = open_parts(Path({data!r}) / "x", Path({data!r}) / "split", [""])[""]
fitting.train([t.RUN], {{'': opened}}, fitting.Places(Path({out!r}), Path({out!r} + "-scratch")), t.silent, int(sys.argv[1]))
"""


def test_side_by_side_gives_the_same_networks(tmp_path, data):
    """Train two seeds in two processes to the same bytes as one after the other."""
    for workers in ("1", "2"):
        code = SIDE_BY_SIDE.format(tests=str(Path(__file__).parent), data=str(data), out=str(tmp_path / workers))
        subprocess.run([sys.executable, "-c", code, workers], check=True, timeout=120)
    assert len(artifact.members(tmp_path / "2")) == 2
    assert digest(tmp_path / "1") == digest(tmp_path / "2")


@pytest.mark.parametrize(("where", "workers"), [("cpu", 3), ("cuda", 1)])
def test_trainings_stand_side_by_side_on_a_cpu_only(tmp_path, opened, monkeypatch, where, workers):
    """Hand out one job a value and seed, to as many workers as asked for, but to one on a GPU."""
    given = []
    monkeypatch.setattr(fitting, "side_by_side", lambda jobs, n: given.append((len(jobs), n)))
    monkeypatch.setattr(training, "device", lambda _: torch.device(where))
    runs = [replace(RUN, value=value) for value in "abc"]
    fitting.train(runs, {"": opened}, fitting.Places(tmp_path / "out", tmp_path / "scratch"), silent, 3)
    assert given == [(3 * len(RUN.seeds), workers)]


def test_the_log_is_told_of_each_member_and_epoch(tmp_path, opened):
    """Open a log by the member's name, and call it after each epoch with that epoch's numbers."""
    told = []

    @contextmanager
    def logger(member):
        yield lambda row: told.append((member, row["epoch"]))

    places = fitting.Places(tmp_path / "out", tmp_path / "scratch")
    fitting.train([replace(RUN, value="0.5")], {"": opened}, places, logger)
    assert told == [(f"0.5/seed-{seed}", epoch) for seed in (9, 10) for epoch in (1, 2)]


COLUMNS = beat_features(np.zeros((2, 10)), np.array([5]), np.array([True]))[1]
CASCADE = replace(
    RUN, kind="classifiers", model="beat_cascade", seeds=(9,),
    model_settings={"fits": 1, "iterations": 3, "every": 1, "least_rows": 2},
)  # fmt: skip


@pytest.fixture
def with_numbers(opened):
    """Put made-up numbers beside the beats."""
    meta = replace(opened.bundle.meta, side=COLUMNS)
    side = np.random.default_rng(3).normal(0, 1, (60, len(COLUMNS))).astype(np.float32)
    return replace(opened, bundle=replace(opened.bundle, meta=meta, side=side))


def test_an_estimator_is_saved_with_its_contract(tmp_path, with_numbers):
    """Write estimator and contract, with neither epochs nor parameters nor a history."""
    out = fit(tmp_path, with_numbers, CASCADE)
    assert sorted(path.name for path in (out / "seed-9").iterdir()) == [
        "card.md",
        "contract.json",
        "contract.sha256",
        "estimator.skops",
    ]
    contract = artifact.read_contract(out / "seed-9")
    assert (contract.kind, contract.parameters, contract.epochs, contract.train) == ("classifiers", None, 0, {})
    assert (contract.side, contract.standardise_side.kind) == (COLUMNS, "none")


@pytest.mark.parametrize(("side", "same"), [("train", False), ("validation", False), ("test", True)])
def test_an_estimator_learns_from_train_and_validation_rows(tmp_path, with_numbers, side, same):
    """Predict otherwise where rows of these two sides are others, and the same where test rows are."""
    rows, bundle = with_numbers.sides.rows(side), with_numbers.bundle
    numbers, y = bundle.side.copy(), bundle.y.copy()
    numbers[rows], y[rows] = 0.0, 2
    other = replace(with_numbers, bundle=replace(bundle, side=numbers, y=y))
    found = [
        artifact.load(fit(tmp_path / name, given, CASCADE)).logits(bundle.x, bundle.side)
        for name, given in (("a", with_numbers), ("b", other))
    ]
    assert np.array_equal(*found) == same


def test_an_estimator_without_numbers_beside_the_rows_is_refused(tmp_path, opened):
    """Name what it needs."""
    with pytest.raises(
        SettingsError, match=r"^classifiers\.beat_cascade needs \w+ and 11 more columns beside the rows$"
    ):
        fit(tmp_path, opened, CASCADE)
