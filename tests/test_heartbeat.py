"""The Kaggle heartbeat set out of MIT-BIH's recordings, bit for bit."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pqrst import sides
from pqrst.arrays import read
from pqrst.datasets import _kaggle, heartbeat, mitdb
from pqrst.errors import LeakError
from pqrst.params import Split, Window
from pqrst.segmentation import segment

BEATS = Window("beats", samples=187, every=3, tail=0.2, leads="first")
KAGGLE = Split("kaggle", ("train",), ("test",), "beat", 0.2, 42)
PATIENTS = Split("patients", ("DS1",), ("DS2",), "patient", 0.2, 42)
OF_202 = "DS2 of DS1's person"
PATIENTS_202 = replace(PATIENTS, test=("DS2", OF_202), shared=(OF_202,))


def bundle_of(raw, folder, dataset=heartbeat, window=BEATS, synthetic=False):
    facts = {"dataset": "d", "task": "single", "classes": dataset.CLASSES, "provenance": {"synthetic": synthetic}}
    segment(dataset.records(raw, dataset.Params()), window, "stop", facts, folder)
    return read(folder)


@pytest.fixture(scope="module")
def real(recordings, tmp_path_factory):
    """Cut the real recordings, once."""
    return bundle_of(recordings / "mitdb", tmp_path_factory.mktemp("heartbeat") / "windows")


@pytest.fixture(scope="module")
def test_places(real):
    """Give the row number of each beat of Kaggle's test file, in that file's order."""
    table = heartbeat.test_rows()
    places = {key: place for place, key in enumerate(zip(real.rows["record"], real.rows["start"], strict=True))}
    return np.array([places[key] for key in zip(table["record"], table["sample"], strict=True)])


@pytest.mark.real
def test_class_counts_are_those_of_kaggle(real):
    """109,446 beats: N, S, V, F, Q."""
    assert real.class_counts().tolist() == [90_589, 2_779, 7_236, 803, 8_039]
    assert real.x.shape == (109_446, 1, 187)
    assert real.x.dtype == np.float32
    assert np.isfinite(real.x).all()
    assert real.meta.fs == 120.0


@pytest.mark.real
def test_every_beat_has_its_recording_and_patient(real):
    """All 48 recordings and 47 people have beats, and no beat is without either."""
    assert real.rows["record"].nunique() == 48
    assert real.rows["patient"].nunique() == 47
    assert not real.rows[["record", "patient"]].eq("").any(axis=None)


@pytest.mark.real
def test_the_test_file_is_reproduced_bit_for_bit(real, test_places):
    """Written as Kaggle wrote it, the test part has the published size and SHA-256."""
    total, size = hashlib.sha256(), 0
    form = ",".join(["%.18e"] * 188) + "\r\n"
    for place in test_places:
        line = (form % (*real.x[place, 0].tolist(), float(real.y[place]))).encode()
        total.update(line)
        size += len(line)
    assert size == 102_914_292
    assert total.hexdigest() == _kaggle.SHA256[_kaggle.TEST]


@pytest.fixture(scope="module")
def excerpts(recordings):
    """Read the genuine rows of Kaggle's train file: 10 from its head, 100 of each class."""
    files = [recordings / "heartbeat" / f"mitbih_train_{name}.parquet" for name in ("rows0000-0009", "sample500")]
    if not all(file.exists() for file in files):
        pytest.skip(f"no excerpts of Kaggle's train file in {recordings / 'heartbeat'}")
    try:
        return pd.concat(map(pd.read_parquet, files))
    except ImportError:
        pytest.skip("the excerpts are parquet files, and neither pyarrow nor fastparquet is installed")


@pytest.mark.real
def test_excerpts_of_the_train_file_are_among_the_other_beats(real, test_places, excerpts):
    """Each of 510 genuine train rows is one of the 87,554 beats that are not in the test file, bit for bit."""
    train = np.setdiff1d(np.arange(len(real.x)), test_places)
    assert len(train) == 87_554
    known = {(real.x[place, 0].tobytes(), int(real.y[place])) for place in train}
    signals, labels = excerpts.filter(regex=r"^c\d+$").to_numpy(np.float32), excerpts["label"].astype(int)
    assert signals.shape == (510, 187)
    assert all((row.tobytes(), label) in known for row, label in zip(signals, labels, strict=True))


def test_the_shipped_table_names_every_beat_once():
    """21,892 beats of all 48 recordings."""
    table = heartbeat.test_rows()
    assert len(table) == 21_892
    assert not table.duplicated().any()
    assert table["record"].nunique() == 48


@pytest.mark.real
def test_the_shipped_table_is_the_derived_one(recordings, real, test_places):
    """Record, sample and label of every test beat, in the file's order."""
    file = recordings / "heartbeat" / "test_rows.csv"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    derived = pd.read_csv(file, dtype={"record": str})
    pd.testing.assert_frame_equal(heartbeat.test_rows(), derived[["record", "sample"]])
    assert real.y[test_places].tolist() == derived["label"].tolist()


@pytest.mark.real
def test_the_published_split_has_the_published_sizes(real, tmp_path):
    """70,045 train, 17,509 validation, 21,892 test beats, and in each class what was published."""
    sides.write(real, "kaggle", KAGGLE, tmp_path / "kaggle")
    made = sides.read(tmp_path / "kaggle")
    assert made.told["rows"] == {"train": 70_045, "validation": 17_509, "test": 21_892}
    assert real.class_counts(made.rows("train")).tolist() == [57_977, 1_779, 4_631, 513, 5_145]
    assert real.class_counts(made.rows("validation")).tolist() == [14_494, 444, 1_157, 128, 1_286]
    assert real.class_counts(made.rows("test")).tolist() == [18_118, 556, 1_448, 162, 1_608]


@pytest.mark.real
def test_the_published_split_shares_every_patient(real, tmp_path):
    """All 47 people stand in train and in test."""
    told = sides.write(real, "kaggle", KAGGLE, tmp_path / "kaggle")
    made = sides.read(tmp_path / "kaggle")
    assert made.leak == "47 of 47 patients on both sides"
    assert made.leak in told
    assert sum({"train", "test"} <= set(where) for where in made.told["overlap"].values()) == 47


@pytest.mark.real
def test_the_split_by_patient_passes_the_gate(real, tmp_path):
    """No person on two sides, the paced recordings left out."""
    sides.write(real, "patients", PATIENTS, tmp_path / "patients")
    made = sides.read(tmp_path / "patients")
    assert made.leak == "no patient on two sides"
    paced = real.rows["record"].isin(["102", "104", "107", "217"]).to_numpy()
    assert (made.sides[paced] == -1).all()
    shared = (real.rows["record"] == "202").to_numpy()
    assert (made.sides[~paced & ~shared] >= 0).all()
    assert (made.sides[shared] == -1).all()
    assert made.told["patients"] == 43
    assert len(made.rows("validation")) > 0
    assert made.told["overlap"] == {}


@pytest.mark.real
def test_the_published_division_shares_one_person(real, tmp_path):
    """With record 202 in test, person 201 stands on both sides, and the split says so."""
    sides.write(real, "patients_202", PATIENTS_202, tmp_path / "patients_202")
    made = sides.read(tmp_path / "patients_202")
    assert made.told["overlap"] == {"201": ["train", "test"]}
    assert made.leak == "1 of 43 patients on both sides"


@pytest.mark.real
def test_record_202_in_test_needs_its_leak_named(real, tmp_path):
    """Without `shared` the gate closes over 201."""
    with pytest.raises(LeakError, match="1 patients stand on two sides, the first is 201 in train and test"):
        sides.write(real, "patients_202", replace(PATIENTS_202, shared=()), tmp_path / "patients_202")


@pytest.mark.real
def test_record_202_adds_its_own_beats_to_the_test_part_and_changes_nothing_else(real, tmp_path):
    """Of N, S, V and F: 49,683 test beats with 202 and 47,548 without; a beat of class Q is in neither."""
    for name, split in (("without", PATIENTS), ("with", PATIENTS_202)):
        sides.write(real, name, replace(split, classes=("N", "S", "V", "F")), tmp_path / name)
    without, made = sides.read(tmp_path / "without"), sides.read(tmp_path / "with")
    of_202 = (real.rows["record"] == "202").to_numpy() & (real.y != heartbeat.CLASSES.index("Q"))
    assert ((made.sides != without.sides) == of_202).all()
    assert real.class_counts(of_202).tolist() == [2_060, 55, 19, 1, 0]
    assert real.class_counts(without.rows("test")).tolist() == [42_178, 1_781, 3_202, 387, 0]
    assert real.class_counts(made.rows("test")).tolist() == [44_238, 1_836, 3_221, 388, 0]


@pytest.mark.real
def test_the_mixed_split_has_as_many_beats_and_every_patient_on_both_sides(real, tmp_path):
    """Each side keeps its count of each class, and all 43 people are shared."""
    for name, split in (("apart", PATIENTS), ("mixed", replace(PATIENTS, mixed=True))):
        sides.write(real, name, split, tmp_path / name)
    apart, mixed = sides.read(tmp_path / "apart"), sides.read(tmp_path / "mixed")
    assert sides.shares(mixed, real).equals(sides.shares(apart, real))
    assert mixed.leak == "43 of 43 patients on both sides"


@pytest.mark.real
def test_windows_of_ten_seconds_have_the_counted_labels(recordings, tmp_path):
    """17,280 windows with half overlap, 12,513 normal, 4,767 abnormal."""
    window = Window("equal", samples=3600, step=1800, leads="first")
    bundle = bundle_of(recordings / "mitdb", tmp_path / "mitdb", mitdb, window)
    assert bundle.x.shape == (17_280, 1, 3_600)
    assert bundle.x.dtype == np.int16
    assert bundle.class_counts().tolist() == [12_513, 4_767]


@pytest.fixture(scope="module")
def made_up(synthetic_mitbih, tmp_path_factory):
    """Cut the made-up recordings, once."""
    return bundle_of(synthetic_mitbih, tmp_path_factory.mktemp("made_up") / "windows", synthetic=True)


def test_made_up_recordings_can_be_split_as_published(made_up, tmp_path):
    """The last recording stands in for 202: left out of one split, and told as shared in the other."""
    sides.write(made_up, "patients", PATIENTS, tmp_path / "patients")
    sides.write(made_up, "patients_202", PATIENTS_202, tmp_path / "patients_202")
    without, made = sides.read(tmp_path / "patients"), sides.read(tmp_path / "patients_202")
    last = (made_up.rows["record"] == "s06").to_numpy()
    assert without.told["overlap"] == {}
    assert (without.sides[last] == -1).all()
    assert list(made.told["overlap"]) == made_up.rows["patient"][last].unique().tolist()
    assert len(made.rows("test")) == len(without.rows("test")) + last.sum()
    assert (made.sides[last] == 2).all()


def test_every_fifth_made_up_beat_of_a_class_is_a_test_beat():
    """Of seven N and three V in turn, the fifth N alone; marks of no class are counted apart."""
    labels = np.array([0, 0, -1, 2, 0, 2, 0, -1, 2, 0, 2, 0, 0])
    assert np.flatnonzero(heartbeat._every_fifth(labels) & (labels >= 0)).tolist() == [9]


def test_made_up_test_parts_are_a_fifth_rounded_down(synthetic_mitbih):
    """In each recording and class a fifth of the beats stands in for the published membership."""
    for record in heartbeat.records(synthetic_mitbih, heartbeat.Params()):
        labels, test = record.marks.labels, record.marks.folds["kaggle"] == "test"
        assert not test[labels < 0].any()
        for label in range(len(heartbeat.CLASSES)):
            assert test[labels == label].sum() == (labels == label).sum() // 5


def test_made_up_recordings_have_every_class_on_both_sides(made_up):
    """About a fifth of all beats tests, and each class has train and test beats."""
    test = made_up.rows["fold_kaggle"].to_numpy() == "test"
    assert 0.15 < test.mean() < 0.2
    assert (made_up.class_counts(test) > 0).all()
    assert (made_up.class_counts(~test) > made_up.class_counts(test)).all()


def test_made_up_beats_are_scaled_from_0_to_1(made_up):
    """Each row spans 0 to 1 before its padding."""
    assert (made_up.x.min(axis=(1, 2)) == 0.0).all()
    assert made_up.x.max() == 1.0
