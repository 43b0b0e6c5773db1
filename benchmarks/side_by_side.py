"""Hold `pqrst repro --jobs 2` against `dvc repro` on a grid of small heartbeat runs: wall and CPU time, and what DVC says afterwards.

    python benchmarks/side_by_side.py FOLDER [20]

Each gets a checkout of its own in FOLDER, cut down to runs of one epoch on made-up recordings and built as far as the split; both must come to the same
metrics and leave nothing to do. On a machine with other work the clock favours whoever has more processes: look at the CPU time there.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import test_pipeline  # noqa: E402 (the demo cut down, as the tests know it)

WAYS = {
    "dvc repro": ["dvc", "repro"],
    "pqrst repro --jobs 2": [sys.executable, "-m", "pqrst", "repro", "--jobs", "2"],
}
LEFT_OUT = ("dvc.lock", "metrics/test/", "metrics/tables/", "metrics/quality/")


def lay_out(folder: Path, count: int) -> None:
    """Copy this checkout with so many runs, each of its own learning rate, and build what they share."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(LEFT_OUT):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    rates = {f"grid_{number:02d}": round(0.0005 + 0.0001 * number, 4) for number in range(count)}
    settings = yaml.safe_load((folder / "params.yaml").read_text())
    run = settings["runs"]["simple_cnn"]
    settings = test_pipeline.cut_down(settings)
    settings["runs"] = {name: run | {"set": {"train.lr": rate}} for name, rate in rates.items()}
    write(folder / "params.yaml", settings)
    table = yaml.safe_load((folder / "tables/heartbeat.yaml").read_text())["networks"]
    table.pop("baseline")
    table["rows"] = [{"name": str(rate), "run": name} for name, rate in rates.items()]
    write(folder / "tables/heartbeat.yaml", {"networks": table})
    graph = yaml.safe_load((folder / "dvc.yaml").read_text())
    graph.pop("plots")  # they name runs that are gone
    write(folder / "dvc.yaml", graph)
    for command in (
        "git init -q", "git config user.email a@b.c", "git config user.name bench", "git add -A",
        "git commit -qm start", "dvc repro -q split@heartbeat",
    ):  # fmt: skip
        subprocess.run(command.split(), cwd=folder, check=True)


def write(file: Path, content: object) -> None:
    file.write_text(yaml.safe_dump(content, sort_keys=False, width=1000))


def measure(folder: Path, command: list[str]) -> tuple[float, float, dict[str, str]]:
    """Train and evaluate the grid; give the seconds by the clock, those of the processor, and the metrics."""
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    before, started = os.times(), time.monotonic()
    subprocess.run([*command, "evaluate"], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.monotonic() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    said = subprocess.run(["dvc", "repro", "evaluate"], cwd=folder, check=True, capture_output=True, text=True).stdout
    assert "Running stage" not in said, "DVC found something to run afterwards"
    changed = subprocess.run(["dvc", "status", "--json"], cwd=folder, check=True, capture_output=True, text=True)
    assert not [name for name in json.loads(changed.stdout) if name.startswith(("train", "evaluate"))]
    return seconds, cpu, {file.name: file.read_text() for file in (folder / "metrics/test").glob("*.json")}


def main(folder: Path, count: int) -> None:
    """Lay out, build and compare."""
    print(f"{count} runs, load {os.getloadavg()[0]:.1f} beforehand")
    found = {}
    for number, (way, command) in enumerate(WAYS.items()):
        lay_out(folder / str(number), count)
        seconds, cpu, found[way] = measure(folder / str(number), command)
        print(f"{way:22}{seconds:8.1f} s by the clock{cpu:8.1f} s of CPU")
    one, other = found.values()
    assert len(one) == count
    assert one == other, "the two ways came to different metrics"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20)
