"""The same commit, data and seed give the same bytes, whatever the day, the folder, the machine's load and its settings."""

import pytest

import determinism


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Build the pipeline in miniature once."""
    usual = determinism.CHANGES["nothing"]
    with determinism.nursery(usual) as home:
        return determinism.built(tmp_path_factory.mktemp("first"), usual, home)


@pytest.mark.slow
def test_every_file_is_the_same_bytes(tmp_path, first):
    """Compare each file of every stage but the logs of trainings, which hold times."""
    change = determinism.together(determinism.TOGETHER)
    with determinism.nursery(change) as home:
        again = determinism.built(tmp_path, change, home)
    assert len(first) > 300
    assert determinism.differing(first, again) == []


def test_every_change_is_made_in_the_test():
    """Leave none to those who think of it, but for what cannot be made with the others."""
    assert {*determinism.TOGETHER, *determinism.APART} == set(determinism.CHANGES) - {"nothing"}


def test_changes_together_hold_what_each_holds():
    """Lose no setting where several are made at once."""
    one = determinism.together(("day", "folder", "hash seed", "one worker"))
    assert one.env == {"PYTHONHASHSEED": "4711"}
    assert (one.fault.day, one.fault.workers, one.fault.few) == (400, 1, 8)
    assert one.folder == determinism.CHANGES["folder"].folder


def test_what_differs_is_named():
    """Name a file of other bytes, and one that is in one build only."""
    assert determinism.differing({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == ["b", "c", "d"]
