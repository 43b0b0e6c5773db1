"""Results of real runs kept in git: packed, recorded, read, and never of made-up recordings."""

import base64
import json
import zlib

import numpy as np
import pytest

from pqrst import ledger, scored
from pqrst.errors import DataError, PqrstError
from pqrst.files import write_json

SAID = np.array([0, 0, 4, 1, 0], np.int16)
SCORES = {"accuracy": 0.9, "f1_macro": 0.8}


def score(folder, seed, *, synthetic):
    """Write what evaluation writes of one seed."""
    provenance = {} if synthetic is None else {"synthetic": synthetic}
    write_json(
        folder / f"seed-{seed}" / "scores.json",
        {"seed": seed, "scores": SCORES, "provenance": provenance, "schema": scored.SCHEMA, "gate": ""},
    )
    np.save(folder / f"seed-{seed}" / "predictions.npy", SAID)


def unpack(text):
    """Read what the ledger packed, by its description."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)


def test_packed_predictions_come_back():
    """Give the same classes after packing and unpacking."""
    assert unpack(ledger.pack(SAID)).tolist() == SAID.tolist()
    assert unpack(ledger.pack(np.zeros(0, np.int16))).tolist() == []


def test_packed_predictions_are_text_of_one_line():
    """Write letters that JSON leaves alone."""
    text = ledger.pack(SAID)
    assert json.dumps(text) == f'"{text}"'


def test_a_whole_test_set_packs_into_a_few_kilobytes():
    """Pack 21,892 predictions with Kaggle's shares, sorted as its file with 1.3 % wrong, into less than four kilobytes."""
    rng = np.random.default_rng(0)
    said = np.repeat(np.arange(5), [18118, 556, 1448, 162, 1608])
    wrong = rng.random(len(said)) < 0.013
    said[wrong] = rng.integers(5, size=wrong.sum())
    assert len(ledger.pack(said)) < 4096
    assert np.array_equal(unpack(ledger.pack(said)), said)


def test_a_real_run_is_recorded_and_read(tmp_path):
    """Keep scores and predictions of each seed in one file, and read them all."""
    for seed in (17, 18):
        score(tmp_path / "scores", seed, synthetic=False)
    written = ledger.record(tmp_path / "scores", "tiny", tmp_path / "paper")
    assert written == [tmp_path / "paper" / "tiny" / f"{seed}.json" for seed in (17, 18)]
    found = ledger.read(tmp_path / "paper", "tiny")
    assert [(result["seed"], result["scores"]) for result in found] == [(17, SCORES), (18, SCORES)]
    assert unpack(found[0]["predicted"]).tolist() == SAID.tolist()


def test_recording_twice_gives_the_same_bytes(tmp_path):
    """Change nothing in git where nothing has changed."""
    score(tmp_path / "scores", 17, synthetic=False)
    first, second = (ledger.record(tmp_path / "scores", "tiny", tmp_path / n)[0].read_bytes() for n in "ab")
    assert first == second


@pytest.mark.parametrize("synthetic", [True, None])
def test_made_up_recordings_are_not_recorded(tmp_path, synthetic):
    """Refuse a run that is marked as made up, or not marked at all, and write nothing."""
    score(tmp_path / "scores", 17, synthetic=synthetic)
    with pytest.raises(DataError, match=r"^run tiny was scored on synthetic recordings, .* run it with profile=paper$"):
        ledger.record(tmp_path / "scores", "tiny", tmp_path / "paper")
    assert not (tmp_path / "paper").exists()


def test_one_made_up_seed_keeps_the_others_out(tmp_path):
    """Record all seeds of a run or none."""
    score(tmp_path / "scores", 17, synthetic=False)
    score(tmp_path / "scores", 18, synthetic=True)
    with pytest.raises(DataError, match=r"^run tiny was scored on synthetic recordings"):
        ledger.record(tmp_path / "scores", "tiny", tmp_path / "paper")
    assert not (tmp_path / "paper").exists()


def test_a_run_without_scores_is_refused(tmp_path):
    """Say in one line how to make them."""
    with pytest.raises(DataError, match=r"holds no scores; evaluate the run with `dvc repro evaluate@tiny`$"):
        ledger.record(tmp_path, "tiny", tmp_path / "paper")


def test_a_run_that_was_never_recorded_has_no_results(tmp_path):
    """Give an empty list."""
    assert ledger.read(tmp_path, "tiny") == []


def test_each_value_of_a_run_is_recorded_by_itself(tmp_path):
    """Keep the seeds of a value below its name, and read one value's only."""
    for value in ("0.1", "0.5"):
        score(tmp_path / "scores" / value, 17, synthetic=False)
    written = ledger.record(tmp_path / "scores", "alpha", tmp_path / "paper")
    assert [file.relative_to(tmp_path / "paper").as_posix() for file in written] == [
        "alpha/0.1/17.json",
        "alpha/0.5/17.json",
    ]
    assert len(ledger.read(tmp_path / "paper", "alpha", "0.5")) == 1
    assert ledger.read(tmp_path / "paper", "alpha") == []


def test_one_made_up_value_keeps_the_others_out(tmp_path):
    """Record all values of a run or none."""
    score(tmp_path / "scores" / "0.1", 17, synthetic=False)
    score(tmp_path / "scores" / "0.5", 17, synthetic=True)
    with pytest.raises(DataError, match=r"^run alpha was scored on synthetic recordings"):
        ledger.record(tmp_path / "scores", "alpha", tmp_path / "paper")
    assert not (tmp_path / "paper").exists()


RESULT = {
    "seed": 1, "scores": SCORES, "provenance": {"synthetic": False}, "classes": ["a", "b"], "confusion": [[3, 1], [1, 3]],
    "by_patient": {"p": "2 0 0 1"}, "parameters": 9,
}  # fmt: skip


def test_a_recorded_result_is_read(tmp_path):
    """As it was written."""
    write_json(tmp_path / "run" / "1.json", RESULT)
    assert ledger.read(tmp_path, "run") == [RESULT]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is not JSON"),
        (b"<<<<<<< HEAD", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "1.json has schema None"),
        (b"{}", "1.json: scores must be a mapping"),
        ({"scores": {"accuracy": "high"}}, "1.json: scores.accuracy must be"),
        ({"confusion": [[1, 2]]}, "its counts are not those of 2 classes"),
        ({"confusion": [[1, 2], [3, -4]]}, "1.json: confusion must be"),
        ({"by_patient": {"p": "1 2 3"}}, "its counts are not those of 2 classes"),
        ({"by_patient": {"p": "1 2 3 x"}}, "its counts are not those of 2 classes"),
        ({"provenance": None}, "1.json: provenance must be a mapping"),
    ],
)
def test_a_damaged_result_is_one_line(tmp_path, content, said):
    """Torn, merged by halves, of other types, with counts of other classes: it names its file."""
    (tmp_path / "run").mkdir()
    text = content if isinstance(content, bytes) else json.dumps(RESULT | content).encode()
    (tmp_path / "run" / "1.json").write_bytes(text)
    with pytest.raises(PqrstError) as caught:
        ledger.read(tmp_path, "run")
    assert said in str(caught.value)
    assert str(tmp_path / "run" / "1.json") in str(caught.value)
