"""What a process loads before it works: nothing that its command does not need."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = ROOT / "stages"
SLOW = {
    "torch",
    "pandas",
    "scipy",
    "sklearn",
    "matplotlib",
    "wfdb",
    "h5py",
    "fsspec",
    "dvc",
    "dvclive",
    "captum",
    "skops",
    "tqdm",
    "dask",
    "distributed",
    "shtab",
}
SLOW |= {"optuna", "hydra", "numpy", "yaml", "fastapi", "pydantic", "uvicorn", "onnxruntime"}
READING = {"numpy", "yaml"}
WORKING = {  # stage -> of the slow libraries, those that its imports load
    "resolve": READING | {"pandas"},
    "download": READING | {"fsspec", "tqdm"},
    "segment": READING | {"pandas"},
    "encode": READING | {"torch", "tqdm"},
    "split": READING | {"pandas"},
    "train": READING | {"torch", "scipy", "pandas", "dvclive", "dvc", "tqdm"},
    "evaluate": READING | {"torch", "scipy", "pandas", "matplotlib", "tqdm"},
    "tables": READING | {"pandas", "scipy", "matplotlib"},
    "report": READING | {"pandas", "scipy", "matplotlib"},
}
SCRIPTS = sorted(path.stem for path in STAGES.glob("[!_]*.py"))


def slow(code):
    """Run code in a fresh interpreter, and list the slow libraries that it has loaded."""
    code = f"import sys; sys.path[:0] = {[str(ROOT / 'src'), str(STAGES)]}\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return SLOW & set(done.stdout.splitlines()[-1].split())


def after(*command):
    """Run a command that ends by itself in a fresh interpreter, and list the slow libraries that it has loaded."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout
    return SLOW & {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def imports(stage):
    """Give the import lines of a stage's script and of its `main`."""
    nodes = ast.walk(ast.parse((STAGES / f"{stage}.py").read_text()))
    return "\n".join(ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))


@pytest.mark.parametrize("stage", SCRIPTS)
def test_help_of_a_stage_loads_nothing_slow(stage):
    """Read the flags first."""
    assert after(f"stages/{stage}.py", "--help") == set()


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["--version"],
        ["predict", "--help"],
        ["serve", "--help"],
        ["doctor", "--help"],
        ["completion", "--help"],
        ["search", "--help"],
    ],
)
def test_help_of_the_command_line_loads_nothing_slow(command):
    """Say what there is without numpy, which takes six times as long as Python itself."""
    code = f"import runpy; sys.argv = ['pqrst', *{command}]\ntry: runpy.run_module('pqrst', run_name='__main__')"
    assert slow(f"{code}\nexcept SystemExit: pass") == set()


@pytest.mark.parametrize("stage", SCRIPTS)
def test_a_stage_starts_with_what_it_needs(stage):
    """Load torch for networks, matplotlib for figures, pandas for rows, and none of them elsewhere."""
    assert slow(imports(stage)) <= WORKING[stage]


def test_an_onnx_file_is_served_without_torch():
    """Start the server of an ONNX file without torch, pandas, or what filters signals and reads WFDB."""
    assert slow("from pqrst.serve import run") <= READING | {"scipy", "fastapi", "pydantic", "uvicorn"}
    assert slow("import scipy.special; from pqrst.serve import run; assert 'scipy.signal' not in sys.modules")
