"""What a process costs before it works, held against `import torch`; and what `dvc repro` costs when there is nothing to do.

The first is CPU time of fresh processes, which take turns: each stage's imports, and the help that needs none. The second needs a
checkout that was built: `python benchmarks/starting.py` in one measures it against `dvc status` of an empty graph.
"""

import ast
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from _table import Row
from _turns import cpu_seconds

ROOT = Path(__file__).parents[1]
ROUNDS = 5
HELP, LIGHT, SEGMENT, HEAVY = 0.1, 0.5, 1.1, 2.3  # asked for, as a share of `import torch`
TIMES = {"split": LIGHT, "tables": LIGHT, "segment": SEGMENT, "train": HEAVY, "evaluate": HEAVY}


def measure() -> list[Row]:
    """Give the pairs of CPU seconds: `import torch`, and the start of each command."""
    commands = {
        "help of pqrst": (["-m", "pqrst", "--help"], HELP),
        "help of stages/train.py": ([str(ROOT / "stages" / "train.py"), "--help"], HELP),
    }
    commands |= {f"start of stage {name}": (["-c", imports(name)], share) for name, share in TIMES.items()}
    found = {subject: [] for subject in commands}
    for _ in range(ROUNDS):
        for subject, (command, _) in commands.items():
            theirs = cpu([sys.executable, "-c", "import torch"])
            found[subject].append((theirs, cpu([sys.executable, *command])))
    peer = f"import torch {version('torch')}"
    return [
        Row(f"{subject}, CPU time", peer, found[subject], 1 / share, 1 / share)
        for subject, (_, share) in commands.items()
    ]


def imports(stage: str) -> str:
    """Give code that loads what a stage loads before it works: the imports of its script and of its `main`."""
    nodes = ast.walk(ast.parse((ROOT / "stages" / f"{stage}.py").read_text()))
    lines = [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join([f"import sys; sys.path.insert(0, {str(ROOT / 'stages')!r})", *lines])


def cpu(command: Sequence[str], folder: Path = ROOT) -> float:
    """Run a command in a fresh process, and give its CPU seconds."""
    return cpu_seconds(partial(subprocess.run, command, cwd=folder, check=True, capture_output=True))


def nothing_to_do() -> Row:
    """Hold `dvc repro` of the whole built graph against `dvc status` of an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
            subprocess.run(command, cwd=folder, check=True)
        said = subprocess.run(["dvc", "repro"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        assert "Running stage" not in said, "this checkout was not built: run `dvc repro` first"
        pairs = [(cpu(["dvc", "status"], Path(folder)), cpu(["dvc", "repro"])) for _ in range(ROUNDS)]
    return Row("dvc repro, nothing to do, CPU time", f"dvc {version('dvc')}, status of an empty graph", pairs)


if __name__ == "__main__":
    row = nothing_to_do()
    for theirs, ours in row.pairs:
        print(f"{row.peer}: {theirs:.2f} s; {row.subject}: {ours:.2f} s")
