"""What `pqrst new` writes: all that a component needs, or nothing. That its contract is kept is held in test_recipes.py."""

import difflib
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from pqrst import cli, params, resolver, starters
from pqrst.errors import PqrstError
from pqrst.files import digest

ROOT = Path(__file__).parents[1]
KINDS = tuple(kind for kind in starters.FOLDERS if kind != "run")
# runs and families have no settings of their own, so no line of theirs is told
TEMPLATES = [file for file in sorted(starters.HERE.glob("*.yaml.txt")) if file.stem not in {"runs.yaml", "tables.yaml"}]
SETTINGS = """# a comment
databases:
  # one
  heartbeat:  # odd   spaces
    origin: auto
datasets:
  heartbeat_context:
    database: heartbeat

encodings: # told beside it
  lead_rows: {}
models:
  simple_cnn:
    widths:
    - 32
    - 64
classifiers:
  beat_cascade: {}
losses:
  ce:
    label_smoothing: 0.0
"""


@pytest.fixture
def checkout(tmp_path):
    """Copy of the checkout what a new component is written beside."""
    (tmp_path / "params.yaml").write_text(SETTINGS)
    for name in ("dvc.yaml", "pyproject.toml", "src/pqrst/catalog.py", "tests/test_models.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    for kind in ("models", "classifiers"):
        (tmp_path / "src/pqrst" / kind).mkdir()
        (tmp_path / "src/pqrst" / kind / f"old_{kind}.py").touch()
    return tmp_path


def new(root, kind, name):
    return cli.main(["new", kind, name, "--root", str(root)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_component_is_a_file_and_its_settings(checkout, kind, capsys):
    """Write its files, and lines of params.yaml between others that keep every byte; say what they are and what comes next."""
    before = {name: (checkout / name).read_text() for name in ("params.yaml", "tests/test_models.py")}
    assert new(checkout, kind, "my_own") == 0
    told = capsys.readouterr().err.splitlines()
    assert {line.removeprefix(f"wrote {checkout}/") for line in told if line.startswith("wrote")} == {
        *(f"src/pqrst/{folder}/my_own.py" for folder in starters.FOLDERS[kind]),
        *before,
    } - ({"tests/test_models.py"} if kind != "model" else set())
    assert any("pytest -k my_own" in line for line in told)
    for name, text in before.items():
        after = (checkout / name).read_text()
        assert not [line for line in difflib.ndiff(text.splitlines(), after.splitlines()) if line.startswith("-")]
    settings = yaml.safe_load((checkout / "params.yaml").read_text())
    for section in starters.SECTIONS[kind]:
        assert "my_own" in settings[section]
        del settings[section]["my_own"]
    assert settings == yaml.safe_load(before["params.yaml"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_file_says_what_to_replace(checkout, kind):
    """Leave no placeholder of the template, and mark the user's own work in the docstring and below it."""
    new(checkout, kind, "my_own")
    for folder in starters.FOLDERS[kind]:
        text = (checkout / f"src/pqrst/{folder}/my_own.py").read_text()
        docstring, code = text.split('"""', 2)[1:]
        assert "$" not in text
        assert "eplace" in docstring
        assert "replace" in code or "Replace" in code


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is of the extra check")
def test_a_new_file_keeps_the_house_style(checkout):
    """Leave nothing to lint or to format in what all templates give."""
    for kind in KINDS:
        assert new(checkout, kind, "my_own") == 0
    ours = ["--config", 'lint.isort.known-first-party = ["pqrst"]', "--no-cache", "src"]  # most of it is not here
    for command in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *ours], cwd=checkout, check=True)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_each_setting_of_a_template_has_a_comment(template):
    """Say of every setting what it is, in the line above it."""
    lines = template.read_text().splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        key, _, value = line.partition(": ")
        assert not value or key.lstrip().startswith("#") or above.lstrip().startswith("#"), line


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("model", "old_models", "src/pqrst/models/old_models.py is there"),
        ("model", "old_classifiers", "src/pqrst/classifiers/old_classifiers.py is there"),
        ("model", "beat_cascade", "params.yaml: classifiers.beat_cascade is there"),
        ("loss", "ce", "params.yaml: losses.ce is there"),
        ("dataset", "heartbeat_context", "params.yaml: datasets.heartbeat_context is there"),
        ("model", "2nd", "is no name for a model"),
        ("model", "My", "is no name for a model"),
        ("encoding", "a-b", "is no name for an encoding"),
        ("loss", "_own", "is no name for a loss"),
        ("loss", "lambda", "is no name for a loss"),
        ("loss", "", "is no name for a loss"),
        ("loss", "é", "is no name for a loss"),
        ("loss", "../x", "is no name for a loss"),
        ("loss", "x\n", "is no name for a loss"),
    ],
)
def test_a_name_that_cannot_be_is_refused(checkout, capsys, kind, name, says):
    """Say in one line that it is taken, or none, and write nothing."""
    before = digest(checkout)
    assert new(checkout, kind, name) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert digest(checkout) == before


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, capsys):
    """Name what it lacks, and leave it empty."""
    assert new(tmp_path, "model", "my_own") == 1
    assert "is no checkout, it has no params.yaml" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("models: {}\n", "has no line `models:` to write under"),
        ("- 1\n", "must be a mapping"),
        ("other: |\n  x\nmodels:\n    deep: {}\n", "write them by hand"),
    ],
)
def test_settings_of_another_form_are_refused(checkout, capsys, text, says):
    """Change no params.yaml whose other settings the new lines would touch."""
    (checkout / "params.yaml").write_text(text)
    before = digest(checkout)
    assert new(checkout, "model", "my_own") == 1
    assert says in capsys.readouterr().err
    assert digest(checkout) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fails_leaves_nothing_behind(checkout, monkeypatch, kind):
    """Put back what was there when the last file cannot be written."""
    before, write = digest(checkout), starters.write_text

    def failing(path, text):
        if path.name == "params.yaml":
            raise OSError(28, "No space left on device", str(path))
        write(path, text)

    monkeypatch.setattr(starters, "write_text", failing)
    with pytest.raises(
        PqrstError, match=r"params.yaml cannot be written \(No space left on device\); nothing was changed"
    ):
        starters.start(kind, "my_own", checkout)
    assert digest(checkout) == before


def test_a_count_without_its_table_is_told(checkout):
    """Tell the line to write where the tests are not there."""
    (checkout / "tests/test_models.py").unlink()
    started = starters.start("model", "my_own", checkout)
    assert [path.name for path in started.files] == ["my_own.py", "params.yaml"]
    assert '("my_own", (1, 187), 5): 2_901,' in started.then[-1]


RUN = """systems:
  heartbeat:
    loss: ce
runs:
  simple_cnn:
    model: simple_cnn
# families
tables:
- heartbeat
"""


@pytest.fixture
def with_runs(checkout):
    """Have a dataset with two splits, and a table."""
    settings = SETTINGS.replace(
        "    database: heartbeat\n", "    database: heartbeat\n    splits:\n      by_person: {}\n      drawn: {}\n"
    )
    (checkout / "params.yaml").write_text(settings + RUN)
    (checkout / "tables").mkdir()
    return checkout


def begun(root, *more):
    return cli.main(["new", "run", "mine", "--root", str(root), *more])


def test_a_run_has_its_recipe_and_a_table(with_runs, capsys):
    """Write a run of a dataset and a model with its recipe and a table, by the dataset's first split."""
    before = yaml.safe_load((with_runs / "params.yaml").read_text())
    assert begun(with_runs, "--dataset", "heartbeat_context", "--model", "simple_cnn") == 0
    settings = yaml.safe_load((with_runs / "params.yaml").read_text())
    assert settings["runs"].pop("mine") == {
        "system": "mine", "family": "mine", "dataset": "heartbeat_context", "input": "windows/heartbeat_context",
        "split": "by_person", "model": "simple_cnn",
    }  # fmt: skip
    assert settings["systems"].pop("mine")["loss"] == "ce"
    assert settings["tables"].pop(0) == "mine"
    assert settings == before
    table = yaml.safe_load((with_runs / "tables/mine.yaml").read_text())["networks"]
    assert table["rows"] == [{"name": "simple_cnn", "run": "mine"}]
    assert "dvc repro tables@mine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "a run needs --dataset; known: heartbeat_context"),
        (["--dataset", "heartbeat_contxt"], "there is no dataset 'heartbeat_contxt'; did you mean heartbeat_context?"),
        (["--dataset", "heartbeat_context"], "a run needs --model; known: simple_cnn, beat_cascade"),
    ],
)
def test_a_run_of_nothing_is_refused(with_runs, capsys, given, said):
    """Say what there is to name, and write nothing."""
    before = digest(with_runs)
    assert begun(with_runs, *given) == 1
    assert said in capsys.readouterr().err
    assert digest(with_runs) == before


def test_a_table_that_is_there_stays(with_runs, capsys):
    """Refuse a name that a family of tables has."""
    (with_runs / "tables/mine.yaml").write_text("mine\n")
    assert begun(with_runs, "--dataset", "heartbeat_context", "--model", "simple_cnn") == 1
    assert "tables/mine.yaml is there" in capsys.readouterr().err


def test_the_shipped_settings_take_a_new_run(tmp_path):
    """Add a run to the project's own params.yaml, which then resolves with its table."""
    for name in ("params.yaml", "dvc.yaml", "tables", "src"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, tmp_path / name)
    assert begun(tmp_path, "--dataset", "heartbeat_context", "--model", "simple_cnn") == 0
    settings = params.load(tmp_path / "params.yaml")
    files = resolver.resolved_files(settings)
    assert files["runs/mine.yaml"]["model"] == "simple_cnn"
    assert files["tables/mine.yaml"]["networks"]["rows"][0]["run"] == "mine"
