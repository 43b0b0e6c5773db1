"""What a shell completes: its own script, which starts no Python at a key press."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pqrst import cli
from pqrst.cli import _completion

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script(tmp_path, capsys):
    """Give a function that writes the script of a shell."""

    def written(shell):
        assert cli.main(["completion", shell]) == 0
        file = tmp_path / shell
        file.write_text(capsys.readouterr().out)
        return file

    return written


def offered(script, folder, line):
    """Let bash complete the last word of a line, as a tab does."""
    words = line.split(" ")
    call = f"COMP_WORDS=({' '.join(words)} {'' if words[-1] else chr(34) * 2}); COMP_CWORD={len(words) - 1}"
    asked = f'set -u; source "{script}"; {call}; _shtab_pqrst; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "--norc", "-c", asked],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.fixture
def checkout(tmp_path):
    """Lay out what completion looks at: the settings, and a trained run over two values."""
    folder = tmp_path / "checkout"
    for name in ("data/runs/patients/simple_cnn", "data/runs/attention", "metrics/paper/context"):
        (folder / name).mkdir(parents=True)
    shutil.copy2(ROOT / "params.yaml", folder)
    return folder


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pqrst comp", {"compare", "completion"}),
        ("pqrst new ", {"dataset", "model", "loss", "encoding", "run"}),
        ("pqrst predict --dev", {"--device"}),
        ("pqrst predict --device c", {"cpu", "cuda"}),
        ("pqrst record context", {"context", "context_202"}),
        ("pqrst predict --model data/runs/p", {"data/runs/patients", "data/runs/patients/simple_cnn"}),
        ("pqrst compare data/runs/attention metrics/", {"metrics/paper/context"}),
        ("pqrst explain --out metr", {"metrics"}),
        ("pqrst predict par", {"params.yaml"}),
        ("pqrst completion z", {"zsh"}),
    ],
)
def test_bash_completes_commands_options_runs_and_folders(script, checkout, line, expected):
    """Offer what fits there, and nothing else."""
    assert offered(script("bash"), checkout, line) == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_nothing_is_said_where_nothing_can_be_found(script, tmp_path):
    """Stay silent in a folder that is no checkout."""
    assert offered(script("bash"), tmp_path, "pqrst record ") == set()
    assert offered(script("bash"), tmp_path, "pqrst predict --model data/") == set()


@pytest.mark.parametrize("shell", _completion.SHELLS)
def test_every_shell_is_told_of_every_command(script, shell):
    """Name each command and the shell commands that list runs."""
    text = script(shell).read_text()
    assert all(name in text for name in ("doctor", "new", "compare", "predict", "--sha256"))
    assert "params.yaml" in text


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_shell_reads_its_script(script, shell):
    """Find no mistake in its syntax, where the shell is there."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    subprocess.run([shell, "-n", str(script(shell))], check=True)
