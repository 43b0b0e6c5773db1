"""CONTRIBUTING's recipes, each followed in a copy of the checkout: they work as they stand, and touch no file that they do not name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pqrst.files import file_digest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS, FILES = ("src", "stages", "tests", "tables"), ("params.yaml", "dvc.yaml", "pyproject.toml")
MADE = ("resolved", "data")  # by stages
RULES = (  # of params.yaml, and of what a contract test knows by the kind alone
    "changes_no_byte",
    "no_list_stands_last",
    "names_every_component",
    "row_of_a_table",
    "stands_in_a_table",
    "stages_stays_small",
    "table_has_a_run",
)

pytestmark = pytest.mark.slow


class Copy:
    """A checkout that a recipe may change."""

    def __init__(self, root):
        self.root = root
        for name in FOLDERS:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in FILES:
            shutil.copy2(ROOT / name, root / name)
        self.before = self.files()

    def files(self):
        """Give the digest of every file that nobody made by running something."""
        found = {path.relative_to(self.root).as_posix(): path for path in self.root.rglob("*") if path.is_file()}
        return {name: file_digest(path) for name, path in found.items() if name.split("/")[0] not in MADE}

    def touched(self):
        """Name the files that are new or changed."""
        after = self.files()
        assert set(self.before) <= set(after)
        return {name for name in after if after[name] != self.before.get(name)}

    def new(self, kind, name):
        """Begin a component as a user does."""
        self.run("-m", "pqrst", "new", kind, name)

    def edit(self, file, before, after):
        """Replace what stands in a file once."""
        text = (self.root / file).read_text()
        assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times in {file}"
        (self.root / file).write_text(text.replace(before, after))

    def write(self, file, text):
        """Write lines at the end of a file, old or new."""
        with (self.root / file).open("a") as end:
            end.write(text)

    def settings(self, **lines):
        """Write settings at the head of their sections of params.yaml."""
        for section, text in lines.items():
            self.edit("params.yaml", f"\n{section}:\n", f"\n{section}:\n{text}")

    def run(self, *command):
        """Run Python in the copy, on the copy's code; give what it printed."""
        given = os.environ | {
            "PYTHONPATH": str(self.root / "src"),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, *command], cwd=self.root, env=given, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return said

    def resolve(self):
        """Resolve the settings as the stage does."""
        self.run("stages/resolve.py", "--settings", "params.yaml", "--out", "resolved")

    def stage(self, name, key, **item):
        """Run one stage by its command in dvc.yaml."""
        command = yaml.safe_load((self.root / "dvc.yaml").read_text())["stages"][name]["do"]["cmd"]
        for word, value in {"key": key, **{f"item.{name}": told for name, told in item.items()}}.items():
            command = command.replace(f"${{{word}}}", value)
        self.run(*command.split()[1:])

    def contracts(self, name, *files):
        """Run the tests of these files that are about a component, and the rules of the settings; say how many passed."""
        words = " or ".join((name, *RULES))
        files = [f"tests/test_{file}.py" for file in (*files, "catalog", "params", "dvc", "floors")]
        said = self.run(
            "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", f"({words}) and not gradient_step", *files
        )
        return int(said.rpartition(" passed")[0].split()[-1])


@pytest.fixture
def copy(tmp_path):
    """Copy what the recipes may need of the checkout: neither data nor history."""
    return Copy(tmp_path)


RUN = "  newcomer:\n    system: heartbeat\n    family: newcomers\n    dataset: heartbeat\n    input: windows/heartbeat\n    split: patients\n"
TABLE = """first:
  title: Newcomers
  scores: {{f1_macro: F1 (M)}}
  tested: f1_macro
  rows:
  - {{name: {name}, run: newcomer}}
"""


def trained(copy, name, lines):
    """Give a component a run in a family of its own, and the family a table."""
    copy.settings(runs=RUN + lines, tables="- newcomers\n")
    copy.write("tables/newcomers.yaml", TABLE.format(name=name))


def test_a_dataset(copy):
    """Its reader, what is made up of it, and two entries in the settings: it is downloaded, cut and split."""
    copy.new("dataset", "strips")
    assert copy.touched() == {"src/pqrst/datasets/strips.py", "src/pqrst/made_up/strips.py", "params.yaml"}
    copy.resolve()
    assert copy.contracts("strips", "datasets", "made_up") > 25
    copy.stage("download", "strips")
    copy.stage("segment", "strips", database="strips")
    copy.stage("split", "strips")
    assert list((copy.root / "data" / "splits" / "strips").iterdir()) == [copy.root / "data/splits/strips/drawn"]


def test_a_model(copy):
    """Its file, its settings, its count, and a run that a table shows."""
    copy.new("model", "two_convolutions")
    trained(copy, "Two convolutions", "    model: two_convolutions\n")
    assert copy.touched() == {
        "src/pqrst/models/two_convolutions.py",
        "params.yaml",
        "tables/newcomers.yaml",
        "tests/test_models.py",
    }
    copy.resolve()
    assert copy.contracts("two_convolutions or has_its_count_pinned", "models") > 15
    assert yaml.safe_load((copy.root / "resolved" / "runs" / "newcomer.yaml").read_text())


def test_a_loss(copy):
    """Its file, its settings, and a vector by hand; then it reaches every run whose task it can serve."""
    copy.new("loss", "polynomial")
    copy.write(
        "tests/test_losses.py",
        """

@pytest.mark.parametrize(("task", "logits", "target"), [("single", [LN3, 0.0], 0), ("multi", [LN3], [1.0])])
def test_polynomial_by_hand(task, logits, target):
    \"\"\"Add the 1/4 that the truth lacks at p = 3/4 to -ln 3/4, in both forms.\"\"\"
    loss = catalog.load("losses", "polynomial")
    found = loss.build(task, COUNTS, loss.Params())(torch.tensor([logits]), torch.tensor([target]))
    assert found.item() == pytest.approx(0.2876821 + 1 / 4)
""",
    )
    assert copy.touched() == {"src/pqrst/losses/polynomial.py", "params.yaml", "tests/test_losses.py"}
    assert copy.contracts("polynomial", "losses") > 12
    copy.edit("src/pqrst/losses/polynomial.py", 'TASKS = ("single", "multi")', 'TASKS = ("single",)')
    copy.edit("params.yaml", "\nloss: auto\n", "\nloss: polynomial\n")  # as -S loss=polynomial does
    copy.resolve()
    assert "polynomial" in (copy.root / "resolved" / "runs" / "simple_cnn.yaml").read_text()
    assert "polynomial" not in (copy.root / "resolved" / "runs" / "ribeiro.yaml").read_text()  # several labels a row


def test_an_encoding(copy):
    """Its file, its settings, pixels by hand, and a drawing that a run names."""
    copy.new("encoding", "products")
    copy.settings(drawings="  beat_products:\n    encoding: products\n")
    trained(copy, "Products", "    model: picture_cnn\n    drawing: beat_products\n")
    copy.write(
        "tests/test_products.py",
        """\"\"\"Products by hand.\"\"\"

import torch

from pqrst.encodings import products


def test_products_by_hand():
    \"\"\"Multiply the means of 1, 3 and of 5, 5 by each other.\"\"\"
    found = products.encode(torch.tensor([[[1.0, 3.0, 5.0, 5.0]]]), 100.0, products.Params(size=2))
    assert found.tolist() == [[[[4, 10], [10, 25]]]]
""",
    )
    assert copy.touched() == {
        "src/pqrst/encodings/products.py",
        "params.yaml",
        "tables/newcomers.yaml",
        "tests/test_products.py",
    }
    copy.resolve()
    assert copy.contracts("products", "encodings", "products") > 20
    assert "products" in (copy.root / "resolved" / "runs" / "newcomer.yaml").read_text()


def test_a_score(copy):
    """A function, its name in the mapping that fits, numbers by hand, and its name under `scores`."""
    copy.edit(
        "src/pqrst/scores.py",
        "def kappa_macro(",
        """def jaccard_macro(counts: Counts) -> np.ndarray:
    \"\"\"Average hit / (hit + missed + wrong).\"\"\"
    return _macro(share(counts.hit, counts.hit + counts.missed + counts.wrong), counts)


def kappa_macro(""",
    )
    copy.edit("src/pqrst/scores.py", "g2_macro, kappa_macro,\n", "g2_macro, kappa_macro, jaccard_macro,\n")
    copy.settings(scores="- jaccard_macro\n")
    copy.write(
        "tests/test_scores.py",
        """

def test_jaccard_macro_by_hand():
    \"\"\"Find 80 of 100, 10 of 26, 30 of 47 and 1 of 6.\"\"\"
    assert scores.from_matrix("jaccard_macro", HAND, "NSVF") == pytest.approx((80 / 100 + 10 / 26 + 30 / 47 + 1 / 6) / 4)
""",
    )
    assert copy.touched() == {"src/pqrst/scores.py", "params.yaml", "tests/test_scores.py"}
    copy.resolve()
    assert copy.contracts("jaccard or perfect or every_score or forty_lines or four_hundred", "scores") > 5
    assert "jaccard_macro" in (copy.root / "resolved" / "scores.yaml").read_text()
