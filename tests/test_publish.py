"""A network given to others: a folder that explains itself, and examples that run without this project."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from pqrst import artifact, cards, export, handout, publish
from pqrst.errors import DataError
from pqrst.files import digest, write_json
from test_scoring import opened, trained, write_data, write_member  # noqa: F401 (fixtures)
from test_tables import result

FILES = {"README.md", "SHA256SUMS", "contract.json", "contract.sha256", "example.npy", "example_onnxruntime.py",
         "example_torch.py", "history.csv", "model.onnx", "model.pt2", "weights.safetensors"}  # fmt: skip


@pytest.fixture(scope="module")
def published(tmp_path_factory, trained):  # noqa: F811
    folder = tmp_path_factory.mktemp("published") / "tiny"
    assert publish.write(trained, folder) == folder / "README.md"
    return folder


def test_the_folder_holds_what_is_needed(published):
    """Give weights, both programs, the contract, examples and their sums."""
    assert {file.name for file in published.iterdir()} == FILES
    checked = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=published, check=False)
    assert checked.returncode == 0


def test_it_is_still_a_run(published, trained):  # noqa: F811
    """Answer as the run does, of which it is the first seed."""
    one, other = artifact.load(published), artifact.load(trained / "seed-9")
    rows, _ = export.made_up(one.contract)
    assert np.array_equal(one.probabilities(rows), other.probabilities(rows))


@pytest.mark.parametrize("script", ["example_onnxruntime.py", "example_torch.py"])
def test_an_example_runs_without_this_project(published, script):
    """Give the probabilities of the run in at most ten lines of code, with pqrst out of reach."""
    text = (published / script).read_text()
    code = [line for line in text.splitlines() if line and not line.startswith('"""')]
    assert len(code) <= 10
    barred = "import sys; sys.modules['pqrst'] = None; import runpy; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", barred, script], cwd=published, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    said = [json.loads(line.replace("'", '"')) for line in done.stdout.splitlines()]
    expected = artifact.load(published).probabilities(np.load(published / "example.npy"))
    assert [list(one) for one in said] == [["N", "S", "V"]] * len(expected)
    assert np.array([list(one.values()) for one in said]) == pytest.approx(expected, abs=1e-4)


def test_the_card_has_what_a_hub_reads(published):
    """Begin with front matter, and say that recordings were made up and that no scores came along."""
    text = (published / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["datasets"] == ["beats"]
    assert "synthetic-data" in front["tags"]
    assert cards.TESTED not in text
    for said in (cards.DISCLAIMER, cards.SYNTHETIC, "No scores came with this network.", "## Intended use"):
        assert said in text


def test_scores_are_found_in_the_checkout(tmp_path, trained):  # noqa: F811
    """Print the scores of the very network, with what they were measured on."""
    run = tmp_path / "data" / "runs" / "tiny" / "seed-9"
    run.parent.mkdir(parents=True)
    run.symlink_to(trained / "seed-9")
    told = result(0.97, 0.9, intervals={"f1_macro": {"low": 0.8, "high": 0.95}})
    write_json(tmp_path / "data" / "scores" / "fam" / "tiny" / "seed-9" / "scores.json", told)
    card = handout.card(json.loads((run / "contract.json").read_text()), [], publish._scores(run))
    assert "| accuracy | 0.9700 |" in card
    assert "| f1_macro | 0.9000 (95 % by patient 0.8000 to 0.9500) |" in card
    assert "Measured on 21,892 test rows of real recordings, split kaggle (47 of 47 patients on both sides)" in card


def test_other_files_are_not_lost(tmp_path, trained):  # noqa: F811
    """Refuse a folder that holds something else, and leave it as it was."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="holds other files"):
        publish.write(trained, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_publishing_again_replaces_the_whole(published, trained):  # noqa: F811
    """Leave no file of an earlier time."""
    (published / "old.bin").write_text("old")
    publish.write(trained, published)
    assert {file.name for file in published.iterdir()} == FILES


def test_a_program_that_differs_is_not_left(tmp_path, trained, monkeypatch):  # noqa: F811
    """Write nothing where torch's program gives other answers."""
    monkeypatch.setattr(publish.export, "ALIKE", -1.0)
    monkeypatch.setattr(publish.export, "AMPLIFIED", 0)
    monkeypatch.setattr(publish.export, "write", lambda *_: 0.0)
    with pytest.raises(DataError, match="differs by"):
        publish.write(trained, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
    assert digest(trained)
