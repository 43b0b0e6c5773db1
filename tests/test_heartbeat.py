"""The Kaggle heartbeat set out of MIT-BIH's recordings, bit for bit."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from pqrst import sides
from pqrst.arrays import read
from pqrst.datasets import _kaggle, heartbeat, mitdb
from pqrst.params import Split, Window
from pqrst.windows import segment

BEATS = Window("beats", samples=187, every=3, tail=0.2, leads="first")
KAGGLE = Split("kaggle", ("train",), ("test",), "beat", 0.2, 42)
PATIENTS = Split("patients", ("DS1",), ("DS2",), "patient", 0.2, 42)


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
    assert (real.rows["patient"] != "").all()


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


@pytest.mark.real
@pytest.mark.parametrize("name", ["rows0000-0009", "sample500"])
def test_excerpts_of_the_train_file_are_among_the_other_beats(real, test_places, recordings, name):
    """Every genuine train row at hand is one of the beats that are not in the test file, bit for bit."""
    pytest.importorskip("pyarrow", reason="the excerpts are parquet files")
    excerpt = pd.read_parquet(recordings / "heartbeat" / f"mitbih_train_{name}.parquet")
    train = np.setdiff1d(np.arange(len(real.x)), test_places)
    known = {(real.x[place, 0].tobytes(), int(real.y[place])) for place in train}
    signals = excerpt.filter(regex=r"^c\d+$").to_numpy(np.float32)
    assert all((row.tobytes(), int(label)) in known for row, label in zip(signals, excerpt["label"], strict=True))


@pytest.mark.real
def test_the_shipped_table_is_the_derived_one(recordings):
    """Record and sample of all 21,892 beats, in the file's order."""
    derived = pd.read_csv(recordings / "heartbeat" / "test_rows.csv", dtype={"record": str})
    pd.testing.assert_frame_equal(heartbeat.test_rows(), derived[["record", "sample"]])


@pytest.mark.real
def test_the_published_split_has_the_published_sizes(real, tmp_path):
    """70,045 train, 17,509 validation, 21,892 test beats; all 47 patients stand on both sides."""
    sides.write(real, "kaggle", KAGGLE, tmp_path / "kaggle")
    made = sides.read(tmp_path / "kaggle")
    assert made.told["rows"] == {"train": 70_045, "validation": 17_509, "test": 21_892}
    assert real.class_counts(made.rows("validation")).tolist() == [14_494, 444, 1_157, 128, 1_286]
    assert real.class_counts(made.rows("test")).tolist() == [18_118, 556, 1_448, 162, 1_608]
    assert made.leak == "47 of 47 patients on both sides"


@pytest.mark.real
def test_the_split_by_patient_passes_the_gate(real, tmp_path):
    """No person on two sides, the paced recordings left out."""
    sides.write(real, "patients", PATIENTS, tmp_path / "patients")
    made = sides.read(tmp_path / "patients")
    assert made.leak == "no patient on two sides"
    paced = real.rows["record"].isin(["102", "104", "107", "217"]).to_numpy()
    assert (made.sides[paced] == -1).all()
    assert (made.sides[~paced] >= 0).all()


@pytest.mark.real
def test_windows_of_ten_seconds_have_the_counted_labels(recordings, tmp_path):
    """17,280 windows with half overlap, 12,513 normal, 4,767 abnormal."""
    window = Window("equal", samples=3600, step=1800, leads="first")
    bundle = bundle_of(recordings / "mitdb", tmp_path / "mitdb", mitdb, window)
    assert bundle.x.shape == (17_280, 1, 3_600)
    assert bundle.x.dtype == np.int16
    assert bundle.class_counts().tolist() == [12_513, 4_767]


def test_made_up_recordings_have_a_test_part_of_every_class(synthetic_mitbih, tmp_path):
    """A fifth of each class, rounded down in each recording, stands in for the published membership."""
    bundle = bundle_of(synthetic_mitbih, tmp_path / "windows", synthetic=True)
    test = bundle.rows["fold_kaggle"].to_numpy() == "test"
    assert 0.1 < test.mean() < 0.2
    assert bundle.x.min() == 0.0
    assert bundle.x.max() == 1.0
