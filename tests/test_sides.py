"""A split as a folder."""

import importlib.util
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from pqrst import sides, splits
from pqrst.errors import DataError, LeakError, SettingsError
from pqrst.files import digest
from pqrst.params import Split, parts_of
from pqrst.resolved import write
from toys import BEAT, META, OFFICIAL, PATIENT, SHARED, TASKS, WITH_EXTRA, bundle, save_bundle, several

FILES = ["cut", "cut/sides.npy", "cut/split.json"]


def test_what_is_written_is_read_back_the_same_each_time(tmp_path):
    """Sides, counts and the shared patients survive, and two writings are equal byte for byte."""
    told = sides.write(bundle(), "cut", BEAT, tmp_path / "one")
    sides.write(bundle(), "cut", BEAT, tmp_path / "two")
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    made = sides.read(tmp_path / "one")
    assert made.told["rows"] == {"train": 3, "validation": 3, "test": 2}
    assert made.rows("test").tolist() == [6, 7]
    assert "1 of 2 patients on both sides" in told


def test_a_leftover_of_a_killed_stage_does_no_harm(tmp_path):
    """Nothing of a temporary folder that a kill left behind gets into the split."""
    (tmp_path / "cut.partial").mkdir()
    (tmp_path / "cut.partial" / "junk").write_text("x")
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == FILES


def test_a_split_is_written_over_an_old_one(tmp_path):
    """What stood in the folder goes."""
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "junk").write_text("x")
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == FILES


def test_a_split_by_patient_that_is_not_one_is_refused(tmp_path):
    """The gate closes before anything is written."""
    with pytest.raises(LeakError, match=r"the first is q in (train|validation) and test"):
        sides.write(bundle(), "cut", PATIENT, tmp_path / "cut")
    assert list(tmp_path.iterdir()) == []


def test_two_recordings_of_one_person_on_two_sides_are_refused(tmp_path):
    """201 trains, 202 tests, and both are the person 201."""
    people = ["201"] * 4 + ["100"] * 2 + ["201"] * 2
    with pytest.raises(LeakError, match=r"the first is 201 in (train|validation) and test"):
        sides.write(bundle(people), "cut", PATIENT, tmp_path / "cut")


def test_a_split_by_patient_that_is_one_says_so(tmp_path):
    """Three people in train, one in test: nobody is shared."""
    told = sides.write(bundle("ppqqrrss"), "cut", PATIENT, tmp_path / "cut")
    assert told.endswith("no patient on two sides")
    assert sides.read(tmp_path / "cut").told["overlap"] == {}


def test_a_split_by_patient_needs_patients(tmp_path):
    """Rows of nobody in particular cannot be promised apart."""
    with pytest.raises(LeakError, match="2 rows have no patient; split by beat, or build from recordings"):
        sides.write(bundle(["p", "p", "q", "q", "r", "r", "", ""]), "cut", PATIENT, tmp_path / "cut")


LEAK = {
    "by": "beat", "test_chooses": False, "patients": 3, "patients_unknown": 0, "groups_shared": 1,
    "overlap": {"p": ["train", "test"], "q": ["train", "validation"]},
}  # fmt: skip
APART = "no recording or signal on two sides"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "1 of 3 patients on both sides"),
        ({"overlap": {}}, "no patient on two sides"),
        ({"patients_unknown": 2}, "patients unknown"),
        ({"by": "group"}, "1 of 3 patients on both sides"),
        ({"by": "group", "groups_shared": 0}, f"{APART}, no patient of those known"),
        (
            {"by": "group", "groups_shared": 0, "patients_unknown": 2},
            f"{APART}, no patient of those known; 2 rows are of unknown patients",
        ),
        ({"by": "group", "groups_shared": 0, "patients": 0, "patients_unknown": 9}, f"patients unknown, {APART}"),
        ({"test_chooses": True}, "the test rows chose the epoch and the temperature; 1 of 3 patients on both sides"),
    ],
)
def test_the_leak_in_words(more, said):
    """Say whom train and test share, and not more than is known."""
    assert sides.Sides(np.zeros(0, np.int8), LEAK | more).leak == said


def test_people_and_groups_are_counted(tmp_path):
    """Count three named people, three rows of nobody, and the one recording that all rows are of."""
    sides.write(bundle(["p", "p", "q", "q", "", "", "r", ""]), "cut", BEAT, tmp_path / "cut")
    told = sides.read(tmp_path / "cut").told
    assert (told["patients"], told["patients_unknown"], told["groups_shared"]) == (3, 3, 1)


def test_the_leak_counts_patients_and_not_rows(tmp_path):
    """Two of three people stand in train and in test."""
    told = sides.write(bundle("pqrpqrpq"), "cut", BEAT, tmp_path / "cut")
    assert told.endswith("2 of 3 patients on both sides")


def test_the_folder_says_how_it_was_made(tmp_path):
    """Dataset, settings and kind of recordings stand in split.json."""
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    told = sides.read(tmp_path / "cut").told
    assert (told["dataset"], told["split"], told["by"], told["seed"]) == ("toy", "cut", "beat", 1)
    assert told["validation"] == 0.5
    assert told["synthetic"] is True


def test_unknown_patients_are_said_to_be_unknown(tmp_path):
    """Where rows have no patient, the overlap is not claimed to be none."""
    assert "patients unknown" in sides.write(_nobody(), "cut", BEAT, tmp_path / "cut")


def _nobody():
    given = bundle()
    given.rows["patient"] = ""
    return given


def test_a_missing_membership_is_one_line(tmp_path):
    """The message names the memberships there are."""
    with pytest.raises(DataError, match="no membership 'fold'; known: cut"):
        sides.write(bundle(), "mine", Split("fold", ("a",), ("b",), "beat", 0.5, 1), tmp_path / "x")
    two = bundle()
    two.rows["fold_other"] = "a"
    with pytest.raises(DataError, match=r"no membership 'fold'; known: cut, other$"):
        sides.write(two, "mine", Split("fold", ("a",), ("b",), "beat", 0.5, 1), tmp_path / "x")
    with pytest.raises(DataError, match="holds no split"):
        sides.read(tmp_path / "x")


def test_an_unknown_part_is_one_line(tmp_path):
    """The message names the setting and the parts there are."""
    with pytest.raises(
        SettingsError, match=r"datasets\.toy\.splits\.mine names the part 'b', but the rows only know 'test', 'train'"
    ):
        sides.write(bundle(), "mine", Split("cut", ("train",), ("b",), "beat", 0.5, 1), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["sides.npy", "split.json"])
def test_half_a_split_is_one_line(tmp_path, name):
    """Either file alone is no split."""
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    (tmp_path / "cut" / name).unlink()
    with pytest.raises(DataError, match="holds no split; build it with `dvc repro`"):
        sides.read(tmp_path / "cut")


def test_rows_of_other_classes_are_left_out(tmp_path):
    """Of class b there are two train rows and one test row, all of q; p is not counted among the patients."""
    told = sides.write(bundle(), "cut", replace(BEAT, classes=("b",)), tmp_path / "cut")
    made = sides.read(tmp_path / "cut")
    assert np.flatnonzero(made.sides >= 0).tolist() == [4, 5, 7]
    assert made.told["rows"] == {"train": 1, "validation": 1, "test": 1}
    assert made.told["classes"] == ["b"]
    assert told.endswith("1 of 1 patients on both sides")


def test_classes_of_a_multi_label_task_are_not_chosen(tmp_path):
    """A row of several labels cannot be left out for one of them."""
    several = replace(bundle(), meta=replace(META, task="multi"), y=np.ones((8, 2), int))
    with pytest.raises(SettingsError, match="toy: a split of a multi-label task keeps all classes; remove `classes`"):
        sides.write(several, "cut", replace(BEAT, classes=("b",)), tmp_path / "cut")
    assert list(tmp_path.iterdir()) == []


def test_a_published_leak_passes_the_gate_and_is_told(tmp_path):
    """Person p trains and stands in `extra` too: the split is made, and says that p is on both sides."""
    told = sides.write(bundle("ppqqrrps", WITH_EXTRA), "cut", SHARED, tmp_path / "cut")
    made = sides.read(tmp_path / "cut")
    assert list(made.told["overlap"]) == ["p"]
    assert made.told["overlap"]["p"][-1] == "test"
    assert told.endswith("1 of 4 patients on both sides")
    assert made.rows("test").tolist() == [6, 7]


@pytest.mark.parametrize(
    ("people", "shared", "first"),
    [("ppqqrrpq", ("extra",), "q"), ("ppqqrrps", (), "p"), ("ppqqrrps", ("exrta",), "p")],
    ids=["another person", "nothing named", "misspelt"],
)
def test_only_the_people_of_a_shared_part_pass(tmp_path, people, shared, first):
    """A leak that is not of a part named in `shared` closes the gate."""
    with pytest.raises(LeakError, match=rf"1 patients stand on two sides, the first is {first} in \w+ and test"):
        sides.write(bundle(people, WITH_EXTRA), "cut", replace(SHARED, shared=shared), tmp_path / "cut")
    assert list(tmp_path.iterdir()) == []


def test_a_mixed_split_has_as_many_rows_and_other_patients(tmp_path):
    """After the gate, sides are exchanged within each class, and the folder tells whom they share."""
    given = bundle("ppqqrrss")
    apart = sides.write(given, "one", PATIENT, tmp_path / "one")
    told = sides.write(given, "two", replace(PATIENT, mixed=True), tmp_path / "two")
    one, two = sides.read(tmp_path / "one"), sides.read(tmp_path / "two")
    assert sides.shares(one, given).equals(sides.shares(two, given))
    assert (one.sides != two.sides).any()
    assert (one.told["overlap"], one.told["mixed"], two.told["mixed"]) == ({}, False, True)
    assert "s" in two.told["overlap"]
    assert apart.endswith("no patient on two sides")
    assert told.endswith("of 4 patients on both sides")


def test_a_mixed_split_must_pass_the_gate_first(tmp_path):
    """Mixing is no way around a patient on two sides."""
    with pytest.raises(LeakError, match="the first is q in"):
        sides.write(bundle(), "cut", replace(PATIENT, mixed=True), tmp_path / "cut")


def test_shares_list_every_class_on_every_side(tmp_path):
    """Six lines for two classes and three sides."""
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    table = sides.shares(sides.read(tmp_path / "cut"), bundle())
    assert table.columns.tolist() == ["class", "side", "rows"]
    assert table["rows"].tolist() == [2, 1, 2, 1, 1, 1]


def test_a_published_leak_passes_and_is_told(tmp_path):
    """Let the persons of the named part stand on both sides, and say who they are."""
    given = bundle("ppqqrrqs", ("train",) * 4 + ("test", "test", "again", "test"))
    shared = Split("cut", ("train",), ("test", "again"), "patient", 0.5, 1, shared=("again",))
    told = sides.write(given, "cut", shared, tmp_path / "cut")
    assert told.endswith("1 of 4 patients on both sides")
    assert list(sides.read(tmp_path / "cut").told["overlap"]) == ["q"]
    with pytest.raises(LeakError, match="1 patients stand on two sides, the first is q in train and test"):
        sides.write(given, "cut", replace(shared, shared=()), tmp_path / "cut")


def test_a_split_by_row_draws_all_sides_and_tells_its_leak(tmp_path):
    """No membership is read, rows without a class stay out, and the shared patients are named."""
    drawn = Split(by="row", test_share=0.25, validation=0.5, seed=1, classes=("b",))
    told = sides.write(bundle(), "windows", drawn, tmp_path / "windows")
    made = sides.read(tmp_path / "windows")
    assert sorted(np.concatenate([made.rows(side) for side in ("train", "validation", "test")])) == [4, 5, 7]
    assert told == "{'train': 2, 'validation': 0, 'test': 1}, 1 of 1 patients on both sides"


@pytest.mark.parametrize(
    "given",
    [
        {"by": "row"},
        {"by": "row", "test_share": 0.2, "fold": "cut", "train": ("a",), "test": ("b",)},
        {"by": "beat", "fold": "cut", "train": ("a",)},
        {"by": "patient", "fold": "cut", "train": ("a",), "test": ("b",), "test_share": 0.2},
    ],
)
def test_a_split_says_what_its_kind_needs(given):
    """A split by row draws, the others read a membership; none does both."""
    with pytest.raises(SettingsError, match="a split by"):
        Split(**given)


def test_published_folds_train_choose_and_test(tmp_path):
    """Take the held fold for validation, and draw nothing."""
    told = sides.write(several(), "official", OFFICIAL, tmp_path / "cut")
    assert sides.read(tmp_path / "cut").sides.tolist() == [0, 0, 1, 1, 2, 2]
    assert told.endswith("no patient on two sides")


def test_a_row_without_a_label_of_the_task_is_left_out(tmp_path):
    """Rows 3 and 5 have none of the two classes; a task that keeps them keeps all six rows, and none counts as labelled."""
    sides.write(several(), "official", OFFICIAL, tmp_path / "super", TASKS["super"])
    sides.write(several(), "official", OFFICIAL, tmp_path / "sure", TASKS["sure"])
    dropped, kept = sides.read(tmp_path / "super"), sides.read(tmp_path / "sure")
    assert dropped.sides.tolist() == [0, 0, 1, -1, 2, -1]
    assert kept.sides.tolist() == [0, 0, 1, 1, 2, 2]
    assert dropped.told["rows"] == {"train": 2, "validation": 1, "test": 1}
    assert kept.told["labels"] == {"train": 0, "validation": 1, "test": 1}


@pytest.mark.parametrize("by", ["patient", "beat"])
def test_validation_rows_of_several_labels_are_not_drawn_by_patient_or_beat(tmp_path, by):
    """Refuse in one line what would need one class a row."""
    with pytest.raises(
        SettingsError, match=r"^datasets\.toy\.splits\.x: validation rows of several labels are drawn by group"
    ):
        sides.write(several(), "x", replace(OFFICIAL, held=(), by=by), tmp_path / "cut")
    assert list(tmp_path.iterdir()) == []


def stage(name, monkeypatch):
    """Import the script of a stage."""
    folder = Path(__file__).resolve().parents[1] / "stages"
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    spec = importlib.util.spec_from_file_location(f"stage_{name}", folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stage_writes_each_part_into_its_own_folder(tmp_path, monkeypatch):
    """Lay two parts under their split's name and a plain split beside it, each with its own task."""
    parts = replace(
        OFFICIAL, parts={"super": {"task": "super"}, "sure": {"task": "sure", "held": ["8"], "test": ["9", "10"]}}
    )
    told = {
        "dataset": "toy",
        "splits": {"official": asdict(parts), "plain": asdict(OFFICIAL)},
        "tasks": {k: asdict(t) for k, t in TASKS.items()},
    }
    write(tmp_path / "split.yaml", told)
    save_bundle(tmp_path / "x", several(fold_official=["1", "1", "8", "9", "9", "10"]))
    stage("split", monkeypatch).main(settings=tmp_path / "split.yaml", windows=tmp_path / "x", out=tmp_path / "out")
    found = sorted(
        file.parent.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("split.json")
    )
    assert found == ["official/super", "official/sure", "plain"]
    made = {name: sides.read(tmp_path / "out" / name) for name in found}
    assert made["official/sure"].told["split"] == "official/sure"
    assert made["official/sure"].rows("test").tolist() == [3, 4, 5]
    assert made["plain"].told["task_of"] is None
    assert made["official/super"].told["task_of"] == {
        "members": {"NORM": ["NORM"], "MI": ["IMI", "AMI"]}, "least": 1, "drop_empty": True,
    }  # fmt: skip


def sources(n=40, seed=0):
    """Give recordings of four sources, some of whose people recur, and some of whose signals lie in two sources."""
    rng = np.random.default_rng(seed)
    fold = np.repeat(["a", "b", "extra", "few"], n)
    patient = np.where(fold == "b", [f"p{place // 2}" for place in range(4 * n)], "")
    signal = np.array([f"s{place}" for place in range(4 * n)])
    signal[n : n + 4] = signal[:4]  # the first of b are in a too
    signal[2 * n : 2 * n + 2] = signal[3 * n : 3 * n + 2]  # and those of extra among the few
    return several(rng.integers(0, 2, (4 * n, 4)), fold_source=fold, patient=patient, about_signal=signal)


GROUP = Split("source", test=("b",), by="group", validation=0.25, seed=3, whole=("few",))
DRAWN = replace(GROUP, test=(), test_share=0.25)


def sides_of(made, given):
    """Count the rows of each source on each side, and those that are left out."""
    fold = given.rows["fold_source"].to_numpy()
    return {name: [int((made.sides[fold == name] == side).sum()) for side in (0, 1, 2, -1)] for name in np.unique(fold)}


def test_a_source_is_left_out_and_its_doubles_do_not_train(tmp_path):
    """Test on all of b, train and choose by the others, and leave out the rows of a that b holds too."""
    given = sources()
    told = sides.write(given, "b", GROUP, tmp_path / "cut")
    made, fold = sides.read(tmp_path / "cut"), given.rows["fold_source"].to_numpy()
    assert sides_of(made, given)["b"] == [0, 0, 40, 0]
    assert (made.sides[:4] == splits.UNUSED).all()
    assert sides_of(made, given)["few"] == [40, 0, 0, 0]
    assert set(fold[made.rows("validation")]) == {"a", "extra"}
    assert [abs(sides_of(made, given)["a"][1] - 9) <= 1, sides_of(made, given)["a"][3]] == [True, 4]
    assert told.endswith(
        "no recording or signal on two sides, no patient of those known; 120 rows are of unknown patients"
    )


def test_the_parts_that_must_stay_whole_may_be_left_out(tmp_path):
    """Test on the whole of it, and not on its doubles elsewhere."""
    given = sources()
    sides.write(given, "few", replace(GROUP, test=("few",)), tmp_path / "cut")
    found = sides_of(sides.read(tmp_path / "cut"), given)
    assert found["few"] == [0, 0, 40, 0]
    assert found["extra"][3] == 2


def test_nothing_is_drawn_where_all_that_trains_must_stay_whole(tmp_path):
    """Leave every row of a in train and every row of b in test."""
    given = several(np.ones((8, 4), int), fold_source=["a"] * 4 + ["b"] * 4)
    sides.write(given, "b", replace(GROUP, test=("b",), whole=("a",)), tmp_path / "cut")
    assert sides_of(sides.read(tmp_path / "cut"), given) == {"a": [4, 0, 0, 0], "b": [0, 0, 4, 0]}


def test_test_rows_are_drawn_within_each_source_but_of_those_that_stay_whole(tmp_path):
    """Draw a quarter of each source, a quarter of the rest to choose by, and let the few train with their doubles."""
    given = sources(400)
    sides.write(given, "random", DRAWN, tmp_path / "cut")
    made = sides.read(tmp_path / "cut")
    found = sides_of(made, given)
    assert found["few"] == [400, 0, 0, 0]
    assert (made.sides[800:802] == splits.TRAIN).all()  # the rows of extra that the few hold too
    for name in ("a", "b", "extra"):
        train, validation, test, out = found[name]
        assert abs(test - 100) <= 8
        assert abs(validation - 75) <= 8
        assert (train + validation + test, out) == (400, 0)
    assert made.told["groups_shared"] == 0


@pytest.mark.parametrize("seed", range(8))
def test_no_group_stands_on_two_sides_whatever_is_drawn(tmp_path, seed):
    """Keep people, and signals that lie in several sources, on one side, and lose none of them."""
    given = sources(seed=seed)
    sides.write(given, "random", replace(DRAWN, seed=seed), tmp_path / "cut")
    made = sides.read(tmp_path / "cut").sides
    for column in ("patient", "about_signal"):
        assert splits.overlap(made, given.rows[column].to_numpy(str)) == {}
    signal = given.rows["about_signal"].to_numpy(str)
    doubles = [made[signal == name] for name in np.unique(signal) if (signal == name).sum() == 2]
    assert len(doubles) == 6
    assert all(pair.min() >= 0 for pair in doubles)


def test_pieces_of_one_recording_stay_together(tmp_path):
    """Never divide the rows of a recording that was cut into several."""
    given = several(np.tile([[1, 0, 0, 1], [0, 1, 0, 0]], (60, 1)), fold_source="a", patient="",
                    record=[f"r{place // 4}" for place in range(120)])  # fmt: skip
    sides.write(given, "random", replace(DRAWN, whole=()), tmp_path / "cut")
    assert splits.overlap(sides.read(tmp_path / "cut").sides, given.rows["record"].to_numpy(str)) == {}


def test_a_source_all_of_whose_signals_are_tested_elsewhere_is_left_out(tmp_path):
    """Deal nothing out where every row is a double of a test row."""
    signal = [f"s{place % 8}" for place in range(16)] + [f"t{place}" for place in range(8)]
    fold = ["a"] * 8 + ["b"] * 8 + ["c"] * 8
    given = several(np.ones((24, 4), int), fold_source=fold, patient="", about_signal=signal)
    sides.write(given, "b", replace(GROUP, whole=()), tmp_path / "cut")
    assert sides_of(sides.read(tmp_path / "cut"), given)["a"] == [0, 0, 0, 8]


def test_a_split_by_group_is_the_same_each_time(tmp_path):
    """Write the same bytes from the same seed, and other sides from another."""
    for name, seed in (("one", 1), ("two", 1), ("other", 2)):
        sides.write(sources(), "random", replace(DRAWN, seed=seed), tmp_path / name)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    assert (sides.read(tmp_path / "one").sides != sides.read(tmp_path / "other").sides).any()


@pytest.mark.parametrize(
    "given",
    [{"test": ("a",), "test_share": 0.2}, {}, {"test": ("a",), "train": ("b",)}, {"test": ("a",), "fold": ""}],
)
def test_a_split_by_group_says_what_it_needs(given):
    """It reads one membership, and either leaves parts out or draws."""
    with pytest.raises(SettingsError, match="a split by group needs test_share, or fold and test; all else trains"):
        Split(**({"fold": "source", "by": "group"} | given))


def test_parts_differ_from_their_split_in_what_they_say():
    """Complete each part by what it shares, and give a split without parts as its own."""
    parts = {"random": {"test_share": 0.25}, "b": {"test": ["b"], "seed": 4}}
    split = Split("source", by="group", validation=0.25, seed=3, whole=("few",), parts=parts)
    assert parts_of(split, "splits.x") == {"random": DRAWN, "b": replace(GROUP, seed=4)}
    assert parts_of(DRAWN, "splits.x") == {"": DRAWN}
