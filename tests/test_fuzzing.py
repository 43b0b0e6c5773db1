"""Every reader under changed inputs, for half a minute; `make fuzz` does the same for as long as one likes."""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import core, targets
from pqrst.errors import DataError

TARGETS = targets.everyone()
QUICK = sorted(name for name, target in TARGETS.items() if target.usual >= 300)
CHANGES = st.lists(
    st.tuples(st.integers(0, 2000), st.binary(max_size=4) | st.sampled_from(core.TELLING), st.integers(0, 4)),
    max_size=4,
)
REPOSITORY = Path(__file__).parents[1]

pytestmark = pytest.mark.filterwarnings("default")  # as in real life, where a library's warning ends nothing


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch):
    """Give the temporary folder of other tests back."""
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    core.private_temporary_folder.cache_clear()


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_give_a_result_or_one_line(name):
    """Some valid input is read, and what becomes of it by chance is read or refused, in bounded time and memory."""
    target, rng = TARGETS[name], random.Random(name)
    seeds = target.seeds()
    found = [core.attempt(target, seed) for seed in seeds]
    assert any(found)
    for _ in range(target.usual):
        core.attempt(target, core.mutated(rng.choice(seeds), rng, seeds)[: max(target.longest, 1)])


@pytest.mark.parametrize("name", QUICK)
@given(which=st.integers(0, 99), changes=CHANGES, cut=st.none() | st.integers(0, 2000))
@settings(max_examples=40, deadline=None, database=None)
def test_spliced_inputs_give_a_result_or_one_line(name, which, changes, cut):
    """What hypothesis overwrites, inserts and tears is read or refused; it shrinks what is not."""
    seeds = TARGETS[name].seeds()
    content = seeds[which % len(seeds)]
    for where, new, gone in changes:
        at = where % (len(content) + 1)
        content = content[:at] + new + content[at + gone :]
    core.attempt(TARGETS[name], content[:cut])


def test_giants_are_refused_before_memory_is_taken():
    """A million leads, 10^12 samples, bombs of zip, YAML and zlib, endless lines: at once, within 128 MB, one by one."""
    script = REPOSITORY / "tests" / "fuzzing" / "giants.py"
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY / 'src'}", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= 60


def leaves_a_file(_data):
    Path(tempfile.mkstemp()[1]).write_text("left")
    return True


def reaches_out(_data):
    (Path.home() / "pqrst-fuzz-outside").touch()
    (Path.home() / "pqrst-fuzz-outside").unlink()
    return True


def says_two_lines(_data):
    raise AssertionError("one\ntwo")


def hides_a_lack_of_memory(_data):
    try:
        bytearray(2**62)
    except MemoryError:
        raise DataError("it cannot be read; copy it again") from None


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (lambda data: data.decode() == 1, "codec can't decode"),
        (leaves_a_file, "in the temporary folder"),
        (reaches_out, "out of its folder"),
        (says_two_lines, "one"),
        (hides_a_lack_of_memory, "it hides MemoryError"),
        (lambda _: sum(k for k in range(10**9)) > 0, "it hangs"),
    ],
)
def test_what_is_no_refusal_is_seen(check, said, monkeypatch):
    """Another exception, a file left behind or outside, a hidden lack of memory and a hang each fail."""
    monkeypatch.setattr(core, "HANG", 0.3)
    with pytest.raises((AssertionError, UnicodeDecodeError, core.HangError), match=said):
        core.attempt(core.Target(check, list), b"\xff")
    for file in Path(core.private_temporary_folder()).iterdir():
        file.unlink()


def test_memory_beyond_the_bound_is_seen():
    """In a process of its own, since only its peak is known."""
    code = "import numpy as np; from fuzzing import core; core.attempt(core.Target(lambda d: bool(np.ones(40_000_000).sum()), list), b'')"
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert "KiB more" in done.stderr


def test_changes_are_the_same_from_the_same_seed():
    """So that what the suite finds is found again."""
    one, two = (core.mutated(b"abcdefgh" * 9, random.Random(5), [b"xyz"]) for _ in range(2))
    assert one == two != b"abcdefgh" * 9
    assert np.unique([len(core.mutated(b"a" * 50, random.Random(k), [b"b"])) for k in range(50)]).size > 10
