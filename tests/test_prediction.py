"""A recording that nobody has seen: prepared as in training, refused in one line where it does not fit."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import toys
from pqrst import prediction, predictors, segmentation
from pqrst.arrays import Marks, Record, read
from pqrst.datasets import _mitbih
from pqrst.decisions import Calibration
from pqrst.errors import DataError, RecordError
from pqrst.models import attention_cnn
from pqrst.params import BandPass, Window
from pqrst.standardisation import Standardisation

FS = 360.0
WINDOW = Window("equal", samples=720, step=360, leads="first", filter=BandPass(0.5, 50.0))
SETTINGS = {key: value for key, value in asdict(WINDOW).items() if value is not None}
SMALL = attention_cnn.Params(widths=(4, 8), heads=2, hidden=8)
META = replace(
    toys.META, dataset="mitdb", classes=("Normal", "Abnormal"), fs=FS, leads=("first",), window=SETTINGS,
    lead_names=({"MLII": 45, "V5": 3},), shape=(1, 720),
)  # fmt: skip
CONTRACT = replace(
    toys.CONTRACT, run="attention", seed=17, classes=META.classes, model="attention_cnn", model_settings=asdict(SMALL),
    input=META.form, standardise=Standardisation("row"), split="patients", provenance={"synthetic": True},
    calibration=Calibration(2.0, "validation", 9),
)  # fmt: skip


@pytest.fixture(scope="module")
def predictor():
    """Build an untrained network with its contract."""
    torch.manual_seed(0)
    return predictors.NetworkPredictor(CONTRACT, attention_cnn.build((1, 720), 2, SMALL).eval())


def recording(leads=("MLII", "V1"), fs=FS, seconds=6.0, **changes):
    """Make up a recording in mV whose first lead is one wave and whose second is another."""
    time = np.arange(round(seconds * fs)) / fs
    waves = [np.sin(2 * np.pi * (3 + place) * time) for place in range(len(leads))]
    return replace(Record("r1", "", np.array(waves, np.float32), fs, tuple(leads)), **changes)


def refused(record, renamed=None, contract=CONTRACT):
    """Give the one line with which a recording is refused."""
    with pytest.raises((RecordError, DataError)) as caught:
        prediction.prepare(record, contract, renamed or {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_are_those_of_training(predictor, tmp_path):
    """Windows, labels apart, are to the bit those that segment cuts from the same recording."""
    marks = Marks(np.array([10, 400]), np.array([0, 1]))
    steps = np.rint(recording().signal * 200 + 1024).astype(np.int16)
    record = recording(signal=steps, gain=(200.0, 200.0), zero=(1024, 1024), marks=marks)
    facts = {"dataset": "mitdb", "task": "single", "classes": META.classes, "provenance": {"synthetic": True}}
    segmentation.segment([record], WINDOW, "stop", facts, tmp_path / "mitdb")
    bundle, found = read(tmp_path / "mitdb"), prediction.prepare(record, CONTRACT, {})
    assert np.array_equal(found.rows, bundle.x)
    assert found.start.tolist() == bundle.rows["start"].tolist() == [0, 360, 720, 1080, 1440]
    assert bundle.meta.lead_names == ({"MLII": 1},)
    assert np.array_equal(predictor.probabilities(found.rows), predictor.probabilities(bundle.x))


def test_the_answer_of_a_recording_is_the_mean_of_its_windows(predictor):
    """Each window has its probabilities, tempered by the calibration; the whole has their mean."""
    found = prediction.answer(predictor, recording())
    logits = predictor.logits(found.prepared.rows)
    expected = torch.softmax(torch.from_numpy(logits) / 2.0, dim=1).numpy()
    assert found.probabilities == pytest.approx(expected, abs=1e-6)
    assert found.overall == pytest.approx(expected.mean(axis=0), abs=1e-6)
    assert found.names(found.overall_decided) == [META.classes[int(expected.mean(axis=0).argmax())]]
    assert prediction.of_window(found.prepared, 1) == (1.0, 3.0)


def test_a_lead_is_found_by_its_name_not_by_its_place():
    """The second lead is taken where it bears the name, however it is spelled."""
    found = prediction.prepare(recording(leads=("V1", "ECG ml-II")), CONTRACT, {})
    assert found.leads == {"MLII": "ECG ml-II"}
    assert found.notes == ("lead ECG ml-II stands for MLII",)
    first = prediction.prepare(recording(leads=("MLII",)), CONTRACT, {})
    assert not np.allclose(found.rows, first.rows, atol=0.1)


def test_a_name_that_was_rare_in_training_is_not_taken_unasked():
    """V5 stood first in 3 of 48 recordings: it is refused, and taken when it is told."""
    record = recording(leads=("I", "V5"))
    assert refused(record) == (
        "record r1: lead MLII is missing, it has I, V5; give another in its place with --lead MLII=NAME"
    )
    assert prediction.prepare(record, CONTRACT, {"MLII": "V5"}).leads == {"MLII": "V5"}
    assert "lead V6 is missing" in refused(record, {"MLII": "V6"})
    assert refused(record, {"aVR": "I"}) == "run attention has no lead aVR; it takes MLII"


def test_another_rate_is_resampled():
    """A wave of 3 Hz at 500 Hz is, but for the ends, the same wave at 360 Hz."""
    there = prediction.prepare(recording(fs=500.0, seconds=20), CONTRACT, {})
    here = prediction.prepare(recording(seconds=20), CONTRACT, {})
    assert there.notes == ("resampled from 500 to 360 Hz",)
    assert there.rows.shape == here.rows.shape
    assert np.abs(there.rows - here.rows)[5:-5].max() < 0.01


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (lambda x: np.where(np.arange(x.shape[1]) == 720, np.nan, x), "lead MLII has 1 missing samples, the first at 2.00 s"),
        (lambda x: np.where(np.arange(x.shape[1]) == 3, np.inf, x), "lead MLII has 1 missing samples"),
        (lambda x: 0 * x, "lead MLII is flat"),
        (lambda x: x * 1000, "lead MLII spans 2e+03 mV"),
        (lambda x: x / 1000, "lead MLII spans 0.002 mV"),
        (lambda x: x[:, :700], "it lasts 1.9 s, a window 2 s"),
    ],
)  # fmt: skip
def test_what_is_no_signal_is_one_line(samples, said):
    """Missing samples, a flat lead, another unit and too short a recording are told with the lead."""
    record = recording(leads=("MLII",))
    assert said in refused(replace(record, signal=samples(record.signal).astype(np.float32)))


def test_a_fault_of_a_lead_that_is_not_used_does_no_harm():
    """V1 is flat, and the run takes MLII."""
    record = recording()
    record.signal[1] = 0
    assert len(prediction.prepare(record, CONTRACT, {}).rows) == 5


def test_a_run_over_beats_is_refused_with_what_to_ask():
    """Marks are needed to cut beats; a recording off the street has none."""
    beats = replace(
        CONTRACT, run="simple_cnn", input=replace(CONTRACT.input, window=SETTINGS | {"cut": "beats", "step": 1})
    )
    assert refused(recording(), contract=beats).startswith("run simple_cnn answers single beats cut at annotated marks")


def test_a_run_over_images_is_refused():
    """A picture has no lead and no time."""
    pictures = replace(CONTRACT, input=replace(CONTRACT.input, axes=("row", "channel", "height", "width")))
    assert "takes more than a signal (images)" in refused(recording(), contract=pictures)


def test_a_whole_recording_is_padded_to_one_row_or_covered_by_several():
    """A run over whole recordings gets zeros after the end of a short one, and pieces that leave nothing of a long one out."""
    whole = replace(CONTRACT, input=replace(CONTRACT.input, window={"cut": "whole", "samples": 720}))
    short, long = (prediction.prepare(recording(seconds=s), whole, {}) for s in (1.5, 5.0))
    assert (short.rows.shape, short.start.tolist()) == ((1, 1, 720), [0])
    assert not short.rows[0, 0, 540:].any()
    assert np.array_equal(short.rows[0, 0, :540], long.rows[0, 0, :540])
    assert long.start.tolist() == [0, 540, 1080]  # 1800 samples
    assert np.array_equal(long.rows[2, 0], long.signal[0, 1080:])
    assert [prediction.of_window(long, place) for place in (0, 2)] == [(0.0, 2.0), (3.0, 5.0)]


LEADS = ("I", "II")
FULL = Window("whole", samples=500, zscore=True, filter=BandPass(1.0, 40.0, 4), rate=100.0, pieces=3, steps=1000)
TWELVE = {"dataset": "toy", "task": "multi", "classes": ("a", "b"), "provenance": {"synthetic": True}}


def stored(seconds, fs=257.0, **changes):
    """Make up a recording as a twelve-lead database holds it, in converter steps."""
    time = np.arange(round(seconds * fs)) / fs
    waves = [np.sin(2 * np.pi * 3 * time) + 0.3 * time, 0.2 * np.sin(2 * np.pi * 7 * time) + np.sin(time)]
    steps = np.rint(np.array(waves) * 1000 - 7).astype(np.int16)
    usual = {"gain": (1000.0,) * 2, "zero": (-7,) * 2, "label": (1, 0)}
    return replace(Record("r1", "p", steps, fs, LEADS, **usual), **changes)


def as_evaluated(record, window, folder):
    """Cut a recording as a stage does; give its rows and a contract of a run over them."""
    segmentation.segment([record], window, "stop", TWELVE, folder)
    bundle = read(folder)
    return bundle, replace(CONTRACT, task="multi", classes=("a", "b"), input=bundle.meta.form)


@pytest.mark.parametrize(
    ("window", "seconds"),
    [(FULL, 3.0), (FULL, 5.0), (FULL, 14.9), (replace(FULL, filter=None), 14.9), (replace(FULL, zscore=False), 14.9),
     (replace(FULL, steps=0), 14.9), (Window("whole", samples=1285), 5.0), (Window("whole", samples=500, rate=100.0), 5.0)],
)  # fmt: skip
def test_an_unseen_recording_gives_the_rows_that_evaluation_saw(tmp_path, window, seconds):
    """Scaled, filtered, resampled, cut into pieces and rounded alike, they are the same to the bit."""
    record = stored(seconds)
    bundle, contract = as_evaluated(record, window, tmp_path / "toy")
    found = prediction.prepare(record, contract, {})
    assert found.start.tolist() == bundle.rows["start"].tolist()
    assert np.array_equal(found.rows, bundle.x)
    assert found.fs == bundle.meta.fs


def test_what_was_held_at_the_edge_of_its_steps_is_held_there_again(tmp_path):
    """A spike of 50 deviations is 32.767 in rows of thousandths, in training and ever after."""
    signal = np.zeros((2, 4000), np.int16)
    signal[:, ::2], signal[:, 1000] = 40, 30_000
    window = Window("whole", samples=4000, zscore=True, steps=1000)
    bundle, contract = as_evaluated(stored(1, signal=signal), window, tmp_path / "toy")
    found = prediction.prepare(stored(1, signal=signal), contract, {})
    assert bundle.x.max() == found.rows.max() == 32767
    assert np.array_equal(found.rows, bundle.x)


def test_a_recording_longer_than_training_took_is_still_covered(tmp_path):
    """Training took three pieces at most of the 20 s; an answer is over the four that cover them."""
    record = stored(20.0)
    bundle, contract = as_evaluated(record, FULL, tmp_path / "toy")
    found = prediction.prepare(record, contract, {})
    assert bundle.rows["start"].tolist() == [0, 750, 1500]
    assert found.start.tolist() == [0, 500, 1000, 1500]
    assert found.rows.shape == (4, 2, 500)


def test_another_rate_comes_after_the_filter_where_training_had_it_so(tmp_path):
    """A run that brought its recordings to 100 Hz takes one of 500 Hz as its stage would have."""
    record = stored(8.0, fs=500.0)
    _, contract = as_evaluated(stored(8.0), FULL, tmp_path / "toy")
    again, _ = as_evaluated(record, FULL, tmp_path / "again")
    found = prediction.prepare(record, contract, {})
    assert found.notes == ("resampled from 500 to 100 Hz",)
    assert np.array_equal(found.rows, again.x)


def whole_from(start, samples=1080, **more):
    """Give the contract of a run that took the beginning of each recording, and draws it from a sample on."""
    window = replace(WINDOW, cut="whole", samples=samples, step=1, **more)
    settings = {key: value for key, value in asdict(window).items() if value is not None}
    return replace(
        CONTRACT, input=replace(CONTRACT.input, window=settings, shape=(1, samples)), encoding="lead_rows",
        encoding_settings={"start": start},
    )  # fmt: skip


def test_a_run_that_learned_beginnings_is_shown_the_beginning():
    """Cut the first samples of a longer recording, as evaluation saw them, and say so; others are covered."""
    record = recording(seconds=6.0)
    found = prediction.prepare(record, whole_from(0, from_start=True), {})
    assert (found.rows.shape, found.start.tolist()) == ((1, 1, 1080), [0])
    assert "only the first 3 s count" in found.notes
    covered = prediction.prepare(record, whole_from(0), {})
    assert covered.start.tolist() == [0, 1080]
    assert np.array_equal(covered.rows[0], found.rows[0])


def test_what_ends_before_the_drawing_begins_is_refused():
    """Answer nothing from padding alone, and say what is padded."""
    assert refused(recording(seconds=1.0), contract=whole_from(360)) == (
        "record r1: it lasts 1.0 s, the run looks from 1 s on; give a longer recording"
    )
    assert (
        "filled up with zeros from 2.0 to 3 s" in prediction.prepare(recording(seconds=2.0), whole_from(360), {}).notes
    )


def test_a_run_over_numbers_of_the_recording_is_refused():
    """Age and sex cannot be read off a signal."""
    told = replace(CONTRACT, side=("age", "male"))
    assert refused(recording(), contract=told).startswith("run attention takes more than a signal (age, male)")


def test_rows_in_converter_steps_are_made_for_a_run_that_learned_them():
    """Millivolts become the integers that the run's Bundle held."""
    settings = {"cut": "equal", "samples": 720, "step": 360}
    stored = replace(CONTRACT, input=replace(CONTRACT.input, window=settings, gain=(200.0,), zero=(1024,)))
    record = recording()
    found = prediction.prepare(record, stored, {}).rows
    assert found[0, 0] == pytest.approx(np.rint(record.signal[0, :720] * 200 + 1024))


@pytest.mark.real
def test_a_real_record_is_prepared_as_in_training(recordings, tmp_path):
    """Record 100 gives the 902 windows of 2 s that segment cuts."""
    record = _mitbih.read(recordings / "mitdb", "100", {"N": 0}, "100")
    facts = {"dataset": "mitdb", "task": "single", "classes": META.classes, "provenance": {"synthetic": False}}
    window = replace(WINDOW, step=720)
    segmentation.segment([record], window, "stop", facts, tmp_path / "mitdb")
    contract = replace(CONTRACT, input=replace(CONTRACT.input, window=SETTINGS | {"step": 720}))
    bundle, found = read(tmp_path / "mitdb"), prediction.prepare(record, contract, {})
    assert np.array_equal(found.rows, bundle.x)
    assert len(found.rows) == 902
