"""The arithmetic of `benchmarks/scale_model.py`, by hand."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _model():
    """Import the script as the file that it is."""
    told = importlib.util.spec_from_file_location("scale_model", ROOT / "benchmarks" / "scale_model.py")
    module = importlib.util.module_from_spec(told)
    sys.modules["scale_model"] = module  # dataclasses look there for their own module
    told.loader.exec_module(module)
    return module


model = _model()


@pytest.mark.parametrize(
    ("workers", "seconds", "bound"),
    [
        (1, 2 + 1000 * (0.008 + 0.001), "workers"),
        (4, 2 + 1000 * 0.002, "workers"),
        (16, 2 + 1000 * 0.001, model.ONE),
    ],
)
def test_the_slowest_place_sets_the_pace(workers, seconds, bound):
    """What is shared is divided by the workers until the one writer is slower; one worker writes as well."""
    step = model.Step("cut", 0.008, {model.ONE: 0.001, "scheduler": 0.0005}, 2.0)
    assert step.seconds(1000, workers) == pytest.approx(seconds)
    assert step.bound(workers) == bound


def test_no_more_work_than_there_are_rows():
    """A step that has work for four takes as long with a hundred workers."""
    step = model.Step("train", 0.008, most=4)
    assert step.seconds(1000, 100) == step.seconds(1000, 4) == pytest.approx(2)
    assert (step.bound(4), step.bound(100)) == ("workers", "rows of a batch")


def test_one_process_alone():
    """A step that shares nothing gains nothing by workers."""
    step = model.Step("split", limits={model.ONE: 0.003, "host": 0.001})
    assert step.seconds(1000, 1) == step.seconds(1000, 1000) == pytest.approx(3)
    assert step.bound(1) == step.bound(1000) == model.ONE


@pytest.mark.parametrize(
    ("hand_out", "write", "ahead", "seconds"),
    [
        (0.0, 0.5, math.inf, 3.0),  # done at 1, 1, 2, 2; written at 1.5, 2, 2.5, 3
        (0.25, 0.5, math.inf, 3.25),  # handed out at .25, .5, .75, 1; done at 1.25, 1.5, 2.25, 2.5
        (0.0, 2.0, math.inf, 9.0),  # the writer begins at 1 and never waits again
        (0.0, 0.5, 0.5, 6.0),  # one under way at a time
    ],
)
def test_the_simulation(hand_out, write, ahead, seconds):
    """Four blocks of a second, two workers."""
    assert model.simulated([1.0] * 4, 2, hand_out, write, ahead) == pytest.approx(seconds)


def test_unlike_blocks_are_written_in_their_order():
    """A long first block holds the writer up, not the workers: done at 5, 1, 2, 3; written at 6, 7, 8, 9."""
    assert model.simulated([5.0, 1.0, 1.0, 1.0], 2, 0.0, 1.0, math.inf) == pytest.approx(9)


def test_lines_are_fitted():
    """Through two points goes their line."""
    assert model.fitted([(1, 3.0), (2, 5.0)]) == pytest.approx((1, 2))
    assert model.Line(1.0, 2.0).at(10) == 21


def test_hours_are_told():
    """Days and years are long."""
    assert [model.shown(seconds) for seconds in (900, 36_000, 8766 * 3600 * 2.5)] == ["0.25", "10", "2.5 y"]


def test_what_was_measured_is_enough():
    """The kept figures make every stage, and none of them takes less than no time."""
    found = json.loads((ROOT / "benchmarks" / "scale.json").read_text(encoding="utf-8"))
    made = model.steps(found, model.Assumed())
    assert [one.name for one in made] == ["download", "segment", "encode", "split", "train", "evaluate", "dvc"]
    assert all(one.seconds(10**5, workers) > 0 for one in made for workers in model.WORKERS)
    assert "| 100,000,000 | 1,000 |" in model.figures(found, model.Assumed())
