"""docs/tutorial.md, typed as it stands into a fresh clone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tutorial.md"
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(tmp_path):
    """Clone the checkout as it is, committed or not."""
    folder = tmp_path / "pqrst"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-mo", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    subprocess.run(
        "git add -A && git -c user.name=a -c user.email=a@b commit -qm now --allow-empty",
        shell=True,
        cwd=folder,
        check=True,
    )
    return folder


def typed(block, folder):
    """Type a block of commands into a shell of the clone, and give what it printed."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    given |= {"PATH": f"{Path(sys.executable).parent}:{given['PATH']}", "PYTHONPATH": str(folder / "src")}
    given |= {
        "OMP_NUM_THREADS": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    done = subprocess.run(
        ["bash", "-e"],
        input=block,
        cwd=folder,
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_the_tutorial_works_as_it_stands(clone):
    """From CSV files to a trained network that is asked, explained and given away."""
    files, new, tried, trained, again, asked, given = BLOCKS
    typed(files, clone)
    assert "tables/my_run.yaml" in typed(new, clone)
    assert "SYNTHETIC" in typed(tried, clone)
    assert "didn't change" in typed(tried, clone)
    shown = typed(trained, clone)
    assert "60 files" in shown or "61 files" in shown
    assert "SYNTHETIC" not in (clone / "metrics/tables/my_run.md").read_text()
    assert "faster" in typed(again, clone)
    answers = typed(asked, clone)
    assert re.search(r"1\.csv .* fast", answers)
    assert re.search(r"2\.csv .* slow", answers)
    typed(given, clone)
    assert (clone.parent / "my_network" / "README.md").exists()
