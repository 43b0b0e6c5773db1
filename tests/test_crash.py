"""Stages that are killed, or that the machine fails, and run again: the same bytes, nothing left, one clear line."""

import os
import random
import subprocess
from dataclasses import replace

import pytest

import crash
import miniature
from faults import Ended, Fault, Nursery

# between them each kind of stage, and what goes on outside Python's own writing: checkpoints, figures, tables
KILLED = ("resolve", "download@heartbeat", "segment@ptbxl", "encode@heartbeat_rows", "split@heartbeat", "train@simple_cnn", "tables@ptbxl")  # fmt: skip
FAILED = ("download@heartbeat", "segment@heartbeat", "encode@heartbeat_rows", "split@heartbeat_context")

ROOM, PAGE = 2**28, 4096  # bytes
ENDED = Ended(status=0, said="", seconds=1.0, operations=1)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the pipeline in miniature once."""
    with Nursery() as nursery:
        yield crash.build(tmp_path_factory.mktemp("built") / "pqrst", nursery)


def stage_of(built, name):
    return next(stage for stage in built.stages if stage.name == name)


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_stage_runs_again_to_the_same_bytes(built, name):
    """Kill it before one of its operations on files, then at an instant of its work, and let it end."""
    draw, stage = random.Random(name), stage_of(built, name)
    at = draw.randint(1, built.operations[name])
    faults = [Fault(kill_at=at, few=crash.FEW), Fault(kill_after=draw.uniform(0.05, 0.5), few=crash.FEW, alone=True)]
    killed, wrong = crash.survives(built, stage, faults, draw)
    assert wrong == []
    assert killed


@pytest.mark.parametrize("name", FAILED)
def test_a_stage_that_the_disk_fails_says_so_and_leaves_nothing(built, name):
    """No room, from an operation on; and no file beyond some bytes: one line, the old output whole, and the rerun is right."""
    stage, last = stage_of(built, name), built.operations[name]
    for kind, fault in (("full disk", Fault(refuse_from=last // 2)), ("file too large", Fault(largest=200))):
        assert crash.withstands(built, stage, kind, replace(fault, few=crash.FEW)) == []


@pytest.fixture
def small_disk(tmp_path):
    """Give a disk of its own, and a function that sets how many bytes it holds."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", place], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("only root may mount a disk")
    yield place, lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("name", ["segment@ptbxl", "train@simple_cnn", "evaluate@simple_cnn"])
def test_a_full_disk_is_told_and_mended(built, small_disk, name):
    """A disk with two pages left: every library's own way of writing meets it."""
    place, resize = small_disk
    copy, stage = crash.copied(built, place / "pqrst", built.nursery), stage_of(built, name)
    copy.clear(stage)
    copy.forget()
    used = os.statvfs(place)
    resize((used.f_blocks - used.f_bfree) * used.f_frsize + 2 * PAGE)
    before = miniature.places(copy.folder)
    ended = copy.nursery.run(copy.folder, stage.command, Fault(few=crash.FEW))
    assert ended.status == 1
    assert "the disk is full" in ended.said or "No space left" in ended.said
    assert not crash.unclear(stage, ended)
    assert {name for name in miniature.places(copy.folder) - before if name.endswith(".partial")} == set()
    resize(ROOM)
    assert crash.mended(copy, stage, copy.nursery.run(copy.folder, stage.command, Fault(few=crash.FEW))) == []


def test_a_clock_that_jumps_changes_nothing(built):
    """A year back, and a year forth, in the midst of a training."""
    stage = stage_of(built, "train@heartbeat_rows")
    for days in (-365, 365):
        assert crash.withstands(built, stage, "clock", Fault(jump_at=10, jump_days=days, few=crash.FEW)) == []


def test_a_change_and_a_stray_are_seen(built):
    """The comparison can fail: at a byte, at a file that is lost, and at one that nobody should have left."""
    stage = stage_of(built, "tables@ptbxl")
    page = built.folder / "metrics/tables/ptbxl.md"
    whole = page.read_bytes()
    page.write_bytes(whole + b" ")
    (built.folder / "data/windows/ptbxl.partial").mkdir()
    found = crash.mended(built, stage, ENDED)
    assert found == ["differs metrics/tables/ptbxl.md", "stray or lost data/windows/ptbxl.partial"]
    (built.folder / "data/windows/ptbxl.partial").rmdir()
    page.write_bytes(whole)
    assert crash.mended(built, stage, ENDED) == []
    assert miniature.places(built.folder) == built.places
