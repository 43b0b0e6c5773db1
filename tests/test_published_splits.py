"""Splits as they were published, where test rows choose the epoch, and clean ones of single labels by group."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import toys
from pqrst import artifact, estimators, fitting, loaders, segmentation, sides, splits, training, windows
from pqrst.arrays import Bundle, Record, Writer, read
from pqrst.errors import DataError, SettingsError
from pqrst.files import digest
from pqrst.opened import open_parts
from pqrst.params import Split, Window, parts_of
from pqrst.standardisation import Standardisation, fit_standardisation

CLASSES, SAMPLES = ("a", "b", "c"), 16
META = replace(toys.META, classes=CLASSES)
TRAIN = replace(toys.TRAIN, epochs=3, class_weight_alpha=1.0, select="accuracy")
RUN = replace(toys.RUN, dataset="toy", input="windows/toy", split="cut", train=TRAIN)
FOREST = replace(
    RUN, kind="classifiers", model="deep_feature",
    model_settings={"kernels": 20, "components": 3, "trees": 5, "least_rows": 1}, train=replace(TRAIN, standardise="none"),
)  # fmt: skip
TENTHS = [str(n % 10 + 1) for n in range(120)]
PUBLISHED = Split("tenths", tuple("12345678"), ("10",), "recording", 0.25, 1, test_chooses=True)
DRAWN = replace(PUBLISHED, test_chooses=False)
CLEAN = Split(by="group", test_share=0.2, validation=0.25, seed=3)


def bundle(patients=None, labels=None, rows=120):
    """Give recordings in tenths, of people who have three each, whose class stands high at its own sample."""
    y = np.arange(rows) % 7 % 3 if labels is None else np.asarray(labels)
    people = [f"p{n // 3}" for n in range(rows)] if patients is None else list(patients)
    told = pd.DataFrame({"record": [f"r{n}" for n in range(rows)], "patient": people, "start": 0, "quality": ""})
    told["fold_tenths"] = TENTHS[:rows]
    x = np.random.default_rng(0).normal(0, 0.3, (rows, 1, SAMPLES)).astype(np.float32)
    x[np.arange(rows), 0, np.maximum(y, 0)] += 2
    return Bundle(META, x, y, told)


def made(folder, split, given=None):
    """Write a split and read it."""
    sides.write(bundle() if given is None else given, "cut", split, folder / "cut")
    return sides.read(folder / "cut")


def opened(folder, split, given=None, name="cut"):
    """Write rows and a split, and open both."""
    given = bundle() if given is None else given
    if not (folder / "x").exists():
        with Writer(folder / "x", (1, SAMPLES), "float32") as writer:
            writer.add(given.x, given.y, given.rows)
            writer.finish(META)
    sides.write(given, "cut", split, folder / name)
    return open_parts(folder / "x", folder / name, [""])[""]


def test_a_published_split_is_by_recording_whoever_they_are(tmp_path):
    """Take the tenths as they are, with people on both sides, and say so; ninths that it does not name are left out."""
    found = made(tmp_path, PUBLISHED)
    assert found.rows("train").tolist() == [n for n in range(120) if n % 10 < 8]
    assert found.rows("test").tolist() == list(range(9, 120, 10))
    assert found.told["rows"] == {"train": 96, "validation": 0, "test": 12}
    shared = {n // 3 for n in range(120) if n % 10 < 8} & {n // 3 for n in range(9, 120, 10)}
    assert f"{len(shared)} of 40 patients on both sides" in found.leak


def test_a_split_by_recording_may_draw_its_validation_rows(tmp_path):
    """Without the mistake, take a share of each class of the train rows, and leave the test rows as they were."""
    found, given = made(tmp_path, DRAWN), bundle()
    assert found.rows("test").tolist() == made(tmp_path, PUBLISHED).rows("test").tolist()
    train, validation = found.rows("train"), found.rows("validation")
    assert sorted([*train, *validation]) == [n for n in range(120) if n % 10 < 8]
    for label in range(3):
        count = (given.y[train] == label).sum() + (given.y[validation] == label).sum()
        assert (given.y[validation] == label).sum() == int(count * 0.25)


def test_where_test_rows_choose_there_are_no_validation_rows(tmp_path):
    """Choose by the test rows, none of which train; by the validation rows where there are some."""
    found = made(tmp_path, PUBLISHED)
    assert (found.chooses, found.rows("validation").tolist()) == ("test", [])
    assert found.choosing().tolist() == found.rows("test").tolist() != []
    assert not set(found.rows("train")) & set(found.choosing())
    other = made(tmp_path, DRAWN)
    assert (other.chooses, other.choosing().tolist()) == ("validation", other.rows("validation").tolist())
    assert not set(other.rows("test")) & set(other.rows("validation"))


def test_the_leak_tells_that_test_rows_chose(tmp_path):
    """Say it before whom the sides share, also where nobody is shared, and only where it is so."""
    alone = bundle([f"p{n}" for n in range(120)])
    assert (
        made(tmp_path, PUBLISHED, alone).leak
        == "the test rows chose the epoch and the temperature; no patient on two sides"
    )
    assert made(tmp_path, DRAWN, alone).leak == "no patient on two sides"
    assert (
        made(tmp_path, PUBLISHED, bundle([""] * 120)).leak
        == "the test rows chose the epoch and the temperature; patients unknown"
    )


def test_what_was_learned_takes_in_the_rows_that_chose(tmp_path):
    """Name another training where other test rows chose; where they did not, what is tested on plays no part."""
    ten = opened(tmp_path, PUBLISHED)
    nine = opened(tmp_path, replace(PUBLISHED, test=("9",)), name="nine")
    assert ten.learned != nine.learned
    by_patient = [opened(tmp_path, replace(DRAWN, test=(name,)), name=f"drawn{name}").learned for name in ("9", "10")]
    assert by_patient[0] == by_patient[1] != ten.learned


def test_a_split_of_before_is_told_in_one_line(tmp_path):
    """Ask for a new one where the file does not say who chooses."""
    made(tmp_path, PUBLISHED)
    file = tmp_path / "cut" / "split.json"
    file.write_text(file.read_text().replace('"test_chooses"', '"test_choses"'))
    with pytest.raises(DataError, match=r"cut says nothing of test_chooses; build it anew with `dvc repro`$"):
        sides.read(tmp_path / "cut")


@pytest.mark.parametrize(
    "more",
    [
        {"test": ()},
        {"held": ("9",)},
        {"by": "row", "fold": "", "train": (), "test": (), "test_share": 0.2},
    ],
)
def test_rows_that_choose_need_a_test_side_and_no_held_rows(more):
    """Refuse settings that contradict each other."""
    with pytest.raises(
        SettingsError, match=r"^(test_chooses leaves no room|a split by recording needs fold, train and)"
    ):
        replace(PUBLISHED, **more)


def test_a_split_by_recording_draws_no_test_rows():
    """Name what it needs."""
    with pytest.raises(SettingsError, match="a split by recording needs fold, train and test, and no test_share"):
        replace(PUBLISHED, test_share=0.1)


def test_a_split_may_have_published_parts_and_a_clean_one(tmp_path):
    """Lay each part's settings over the split's, down to the rule itself."""
    whole = Split(
        fold="tenths", by="recording", test_chooses=True, seed=5,
        parts={
            "8-1": {"train": tuple("12345678"), "test": ("10",)},
            "clean": {"fold": "", "by": "group", "test_chooses": False, "test_share": 0.2, "validation": 0.25},
        },
    )  # fmt: skip
    parts = parts_of(whole, "splits.x")
    assert list(parts) == ["8-1", "clean"]
    assert made(tmp_path, parts["8-1"]).leak.startswith("the test rows chose the epoch and the temperature; ")
    clean = made(tmp_path, parts["clean"])
    assert clean.leak == "no recording or signal on two sides, no patient of those known"
    assert len(clean.rows("validation")) > 0


@contextmanager
def silent(_):
    yield lambda _: None


def prepared(data):
    """Give what training would be given, without training."""
    fitted = fit_standardisation("train", loaders.parts(data.bundle.x, data.sides.rows("train")))
    return fitting.Prepared(RUN, data, fitted, fitting.Beside((), np.zeros((0, 0)), Standardisation("none")), "")


def train(folder, data, run):
    """Train into a folder."""
    fitting.train([run], {"": data}, fitting.Places(folder / "out", folder / "scratch"), silent)
    return folder / "out" / "seed-9"


@pytest.mark.usefixtures("own_process")
def test_a_network_is_chosen_by_the_test_rows_where_they_choose(tmp_path):
    """Train, and reckon the validation scores of the history on the test rows."""
    data = opened(tmp_path, PUBLISHED)
    folder = train(tmp_path, data, RUN)
    contract, history = artifact.read_contract(folder), pd.read_csv(folder / "history.csv")
    test = data.sides.rows("test")
    said = artifact.load(folder).logits(data.bundle.x[test]).argmax(axis=1)
    best = history.set_index("epoch")["validation_accuracy"]
    assert best[contract.best_epoch] == best.max() == pytest.approx((said == data.bundle.y[test]).mean())
    assert contract.leak.startswith("the test rows chose the epoch and the temperature; ")
    assert (contract.calibration.rows, contract.calibration.fitted_on) == (len(test), "test")


@pytest.mark.usefixtures("own_process")
def test_test_rows_that_choose_teach_nothing(tmp_path):
    """Train to the same first epoch, and fit standardisation and class weights alike, whatever the test rows are."""
    data = opened(tmp_path, PUBLISHED)
    x, y, test = np.array(data.bundle.x), data.bundle.y.copy(), data.sides.rows("test")
    x[test], y[test] = 77.0, 2
    other = replace(data, bundle=replace(data.bundle, x=x, y=y))
    one, two = (prepared(given) for given in (data, other))
    before, after = (fitting._data(run, training.device("cpu"), 9) for run in (one, two))
    assert one.standardisation == two.standardisation
    assert before.train_x[0].equal(after.train_x[0])
    assert before.class_weights.equal(after.class_weights)
    assert not before.validation_x[0].equal(after.validation_x[0])


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize(("split", "sides_learned"), [(PUBLISHED, ["train"]), (DRAWN, ["train", "validation"])])
def test_an_estimator_never_learns_test_rows(tmp_path, monkeypatch, split, sides_learned):
    """Fit to train and validation rows; where test rows choose the epoch, to the train rows alone."""
    seen, real = [], estimators.beside_rows
    monkeypatch.setattr(estimators, "beside_rows", lambda side, rows: seen.append(rows) or real(side, rows))
    data = opened(tmp_path, split)
    train(tmp_path, data, FOREST)
    expected = np.sort(np.concatenate([data.sides.rows(side) for side in sides_learned]))
    assert len(expected) == 96
    assert np.array_equal(seen[0], data.bundle.x[expected])


GROUPED = Split("tenths", test=("10",), by="group", validation=0.25, seed=3)


def people_of(found, given, side):
    """Name the people of a side."""
    return set(given.rows["patient"][found.rows(side)])


@pytest.mark.parametrize("seed", range(5))
def test_a_group_split_of_single_labels_keeps_people_whole_and_classes_alike(tmp_path, seed):
    """Draw test and validation rows by person, each class on every side in its share, without a published part."""
    given = bundle(labels=np.arange(120) // 3 % 8 % 3)  # of 40 people, 15, 15 and 10 of a class, three rows each
    found = made(tmp_path, replace(CLEAN, seed=seed), given)
    counts = {side: np.bincount(given.y[found.rows(side)], minlength=3) for side in splits.SIDES}
    assert sum(counts.values()).tolist() == [45, 45, 30]
    for side, share in zip(splits.SIDES, (0.6, 0.2, 0.2), strict=True):
        assert counts[side] == pytest.approx(share * np.array([45, 45, 30]), abs=3)
    on = [people_of(found, given, side) for side in splits.SIDES]
    assert not on[0] & on[1] | on[0] & on[2] | on[1] & on[2]
    assert found.told["groups_shared"] == 0


def test_the_one_person_of_a_rare_class_is_not_cut_in_two(tmp_path):
    """Put nine rows of a class that one person alone has on one side."""
    labels = np.where(np.arange(120) < 9, 2, np.arange(120) % 2)
    given = bundle(["one"] * 9 + [f"p{n // 3}" for n in range(111)], labels)
    found = made(tmp_path, CLEAN, given)
    assert sorted((given.y[found.rows(side)] == 2).sum() for side in splits.SIDES) == [0, 0, 9]


def test_rows_without_a_class_are_left_out_of_a_group_split(tmp_path):
    """Deal out none of the rows whose class the split does not name, in the classes that it does."""
    given = bundle()
    found = made(tmp_path, replace(CLEAN, classes=("c", "a")), given)
    assert set(np.flatnonzero(found.sides == splits.UNUSED)) == set(np.flatnonzero(given.y == 1))
    counts = [np.bincount(given.y[found.rows(side)], minlength=3).tolist() for side in splits.SIDES]
    assert all(a > 0 and b == 0 and c > 0 for a, b, c in counts)


def test_a_group_split_of_single_labels_may_leave_a_part_out(tmp_path):
    """Test on the tenth named, train on nobody who is in it, and choose among the rest."""
    found, given = made(tmp_path, GROUPED), bundle()
    assert found.rows("test").tolist() == list(range(9, 120, 10))
    tested = people_of(found, given, "test")
    assert not tested & (people_of(found, given, "train") | people_of(found, given, "validation"))
    assert len(found.rows("validation")) == pytest.approx(0.25 * 84, abs=4)
    assert found.told["rows"]["train"] + found.told["rows"]["validation"] == 120 - 3 * len(tested)


def test_rows_of_unknown_people_are_told(tmp_path):
    """Promise recordings alone where people are not known."""
    given = bundle([""] * 20 + [f"p{n}" for n in range(100)])
    expected = "no recording or signal on two sides, no patient of those known; 20 rows are of unknown patients"
    assert made(tmp_path, CLEAN, given).leak == expected


@pytest.mark.parametrize("split", [CLEAN, GROUPED])
def test_no_row_only_chooses_where_test_rows_do(tmp_path, split):
    """Leave the validation side of a group split empty, and lose no row by it."""
    apart, chosen = made(tmp_path / "a", split), made(tmp_path / "b", replace(split, test_chooses=True))
    assert chosen.told["rows"]["validation"] == 0 < apart.told["rows"]["validation"]
    assert len(chosen.rows("train")) + len(chosen.rows("test")) == sum(apart.told["rows"].values())
    assert chosen.choosing().tolist() == chosen.rows("test").tolist()


def test_a_split_is_the_same_each_time(tmp_path):
    """Write the same bytes from the same seed, and others from another."""
    for name, split in (("a", CLEAN), ("b", CLEAN), ("c", replace(CLEAN, seed=4))):
        made(tmp_path / name, split)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
    seeds = [made(tmp_path / "s", replace(CLEAN, seed=seed)).rows("test").tolist() for seed in (3, 4)]
    assert seeds[0] != seeds[1]


def test_a_group_split_with_test_parts_needs_their_fold():
    """Name what is missing; without parts no fold is needed."""
    assert CLEAN.fold == ""
    with pytest.raises(SettingsError, match="a split by group needs test_share, or fold and test; all else trains"):
        Split(by="group", test=("10",), validation=0.25)


def test_sides_that_need_a_label_alike_take_turns():
    """Deal labels of one unit each by room where the sides want them within a hundredth alike, else to the larger side."""
    units = 200
    labels = np.eye(units, dtype=np.int64)  # every unit has a label of its own
    for seed in range(3):
        dealt = splits.stratified(labels, np.ones(units), (0.5, 0.5), np.random.default_rng(seed))
        assert np.bincount(dealt).tolist() == [units / 2, units / 2]
        nearly = splits.stratified(labels, np.ones(units), (0.501, 0.499), np.random.default_rng(seed))
        assert np.bincount(nearly, minlength=2) == pytest.approx([100, 100], abs=1)
        clearly = splits.stratified(labels, np.ones(units), (0.6, 0.4), np.random.default_rng(seed))
        assert np.bincount(clearly, minlength=2).tolist() == [units, 0]


def recording(samples):
    """Give a recording with a class of its own, of two leads that count its samples."""
    signal = np.stack([np.arange(samples), 100 + np.arange(samples)]).astype(float)
    return Record("r", "p", signal, 100.0, ("I", "II"), label=1)


@pytest.mark.parametrize(("samples", "first", "last"), [(9, 0, 3), (4, 0, 3), (3, 0, 0)])
def test_a_row_may_be_the_beginning_of_its_recording(samples, first, last):
    """Take the first samples of a longer recording, and pad a shorter one as ever."""
    rows = windows.whole(recording(samples), Window("whole", 4, from_start=True))
    assert rows.x.shape == (1, 2, 4)
    assert (rows.x[0, 0, 0], rows.x[0, 0, 3], rows.start.tolist()) == (first, last, [0])
    assert rows.x[0, 1, 0] == 100


def test_a_row_is_the_middle_of_its_recording_otherwise():
    """Show that the test above could fail."""
    rows = windows.whole(recording(10), Window("whole", 4))
    assert (rows.x[0, 0].tolist(), rows.start.tolist()) == ([3, 4, 5, 6], [3])


def test_the_rows_tell_that_they_are_beginnings(tmp_path):
    """Keep the setting with the rows, so that a recording is cut alike when it is predicted."""
    facts = {"dataset": "toy", "task": "single", "classes": ("a", "b"), "provenance": {"synthetic": True}}
    segmentation.segment([recording(9)], Window("whole", 4, from_start=True), "stop", facts, tmp_path / "x")
    found = read(tmp_path / "x")
    assert found.meta.window["from_start"] is True
    assert found.x[0, 0].tolist() == [0, 1, 2, 3]
