"""The door of the stages: what the machine refuses is one line, and two stages never write one output at once."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

STAGES = Path(__file__).parents[1] / "stages"


@pytest.fixture
def stage(tmp_path):
    """Give a function that starts a stage of the given body, in a checkout of its own."""
    for name in ("stages", "src"):
        (tmp_path / name).mkdir()
    (tmp_path / "src/pqrst").symlink_to(STAGES.parent / "src" / "pqrst")
    (tmp_path / "stages/_stage.py").write_bytes((STAGES / "_stage.py").read_bytes())

    def start(body, name="thing", out="out"):
        lines = textwrap.indent(textwrap.dedent(body), "    ")
        script = f"import os, sys, time\nfrom pathlib import Path\nimport _stage\ndef main(*, out: Path) -> None:\n{lines}\n_stage.run(main)\n"
        (tmp_path / "stages" / f"{name}.py").write_text(script)
        command = [sys.executable, f"stages/{name}.py", "--out", out]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)

    return start


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (errno.ENOSPC, "thing: out: the disk is full, more bytes are needed, "),
        (errno.EROFS, "thing: out: cannot be written (Read-only file system); check the folder's rights and room"),
        (errno.EACCES, "thing: out: cannot be written (Permission denied); check the folder's rights and room"),
    ],
)
def test_what_the_machine_refuses_is_one_line(stage, number, line):
    """Name the output where the system names no file."""
    refused = stage(f"raise OSError({number}, os.strerror({number}))")
    said = refused.communicate()[1]
    assert (refused.returncode, said.count("\n"), said[: len(line)]) == (1, 1, line)


def test_what_numpy_says_of_a_full_disk_is_one_line(stage):
    """It gives no number of the system's, but how much it wrote."""
    refused = stage("import numpy as np; np.zeros(9000).tofile('/dev/full')")
    said = refused.communicate()[1]
    assert said.startswith("thing: out: cannot be written (9000 requested and 0 written); ")
    assert said.count("\n") == 1


def test_a_fault_of_the_program_keeps_its_trace(stage):
    """Hide no mistake of ours behind a line about the disk."""
    assert "Traceback" in stage("open('nowhere')").communicate()[1]


HELD = "out.mkdir()\nwhile not Path('go').exists(): time.sleep(0.02)\n(out / 'first').touch()"


def test_one_output_is_written_by_one_process_at_a_time(stage, tmp_path):
    """Wait, and say so, for a stage that outlived the command that started it; another output waits for nothing."""
    first = stage(HELD)
    wait_for((tmp_path / "out").exists)
    other = stage("pass", name="other", out="elsewhere")
    assert other.communicate()[1] == ""
    second = stage("print(sorted(p.name for p in out.iterdir()), file=sys.stderr)", name="second")
    assert second.stderr.readline() == "another process writes out; waiting for it\n"
    assert first.poll() is None
    (tmp_path / "go").touch()
    assert second.communicate()[1] == "['first']\n"
    first.communicate()


def test_a_killed_stage_holds_nothing_up(stage, tmp_path):
    """The system drops the lock of a process that died."""
    first = stage(HELD)
    wait_for((tmp_path / "out").exists)
    first.kill()
    first.communicate()
    second = stage("pass", name="second")
    assert second.communicate()[1] == ""
    assert second.returncode == 0


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems do not tell a process of its parent's end"
)
@pytest.mark.parametrize("by_dvc", [True, False])
def test_a_stage_ends_with_the_dvc_that_started_it(stage, tmp_path, by_dvc):
    """Leave nothing at work that the next `dvc repro` does not know of; what a person started goes on."""
    stage("pass").communicate()
    (tmp_path / "stages/thing.py").write_text(
        (tmp_path / "stages/thing.py")
        .read_text()
        .replace("    pass", "    Path('pid').write_text(str(os.getpid())); time.sleep(60)")
    )
    code = "import subprocess, sys; subprocess.run([sys.executable, 'stages/thing.py', '--out', 'out'])"
    env = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=env | ({"DVC_STAGE": "x"} if by_dvc else {})
    )
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    child = Path("/proc") / (tmp_path / "pid").read_text()
    parent.kill()
    parent.wait()
    if by_dvc:
        wait_for(lambda: not child.exists() or "(zombie)" in (child / "status").read_text())
        assert not child.exists() or "(zombie)" in (child / "status").read_text()
    else:
        time.sleep(0.5)
        os.kill(int(child.name), signal.SIGKILL)  # it is there to be killed


def wait_for(reached):
    """Wait until something is so, 60 seconds at most."""
    deadline = time.monotonic() + 60
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_what_a_stage_of_dvcs_took_is_kept(stage, tmp_path, monkeypatch):
    """Note its seconds under its name for `pqrst doctor`; nothing of one that failed, or that DVC did not start."""
    seconds = tmp_path / "data/scratch/stages/seconds"

    def ended(body):
        process = stage(body)
        process.communicate()
        return process.returncode

    assert ended("time.sleep(0.2)") == 0
    assert not seconds.exists()
    monkeypatch.setenv("DVC_STAGE", "dvc.yaml:thing@one")
    assert ended("time.sleep(0.2)") == 0
    assert 0.2 <= json.loads((seconds / "thing@one.json").read_text())["seconds"] < 60
    monkeypatch.setenv("DVC_STAGE", "thing@two")
    assert ended("sys.exit(1)") == 1
    assert [path.name for path in seconds.iterdir()] == ["thing@one.json"]
