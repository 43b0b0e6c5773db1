"""Hold `pqrst repro --jobs 2` against `dvc repro` on a grid of small heartbeat runs: wall and CPU time, and what DVC says afterwards.

    python benchmarks/side_by_side.py FOLDER [20]

A copy of this checkout, cut down to these runs on made-up recordings, is built in FOLDER as far as the split, and the rest in a copy of that each way.
Both must come to the same metrics and leave nothing to do. On a machine with other work look at the CPU time.
"""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import checkouts  # noqa: E402 (the demo cut down, as the tests know it)

WAYS = ("dvc repro", "PYTHONPATH=src python -m pqrst repro --jobs 2")
EPOCHS = 12  # a training longer than its start
Settings = dict[str, Any]


def lay_out(folder: Path, rates: dict[str, float]) -> None:
    """Copy this checkout with a run for each learning rate, and build what they share."""

    def grid(settings: Settings) -> Settings:
        run = settings["runs"]["simple_cnn"]
        settings = checkouts.cut_down(settings)
        settings["runs"] = {name: run | {"set": {"train.lr": rate}} for name, rate in rates.items()}
        demo = settings["profiles"]["demo"]
        demo |= {"records": 8, "minutes": 1.0, "most_epochs": EPOCHS}
        demo["train"]["epochs"] = EPOCHS
        return settings

    def table(tables: Settings) -> Settings:
        rows = [{"name": str(rate), "run": name} for name, rate in rates.items()]
        return {
            "networks": {key: tables["networks"][key] for key in tables["networks"] if key != "baseline"}
            | {"rows": rows}
        }

    def without_plots(graph: Settings) -> Settings:
        return {"stages": graph["stages"]}  # plots name runs that are gone

    checkouts.lay_out(folder, {"params.yaml": grid, "tables/heartbeat.yaml": table, "dvc.yaml": without_plots})
    checkouts.call("dvc repro split download", folder)


def measure(folder: Path, command: str) -> tuple[float, float]:
    """Build the grid; give the seconds by the clock, and those of the processor."""
    before, started = os.times(), time.monotonic()
    checkouts.call(command, folder)
    seconds, after = time.monotonic() - started, os.times()
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


def main(folder: Path, count: int) -> None:
    """Lay out, build and compare."""
    rates = {f"grid_{number:02d}": round(0.0005 + 0.0001 * number, 4) for number in range(count)}
    lay_out(folder / "split", rates)
    print(f"{count} runs of {EPOCHS} epochs, load {os.getloadavg()[0]:.1f} beforehand", flush=True)
    found = []
    for number, way in enumerate(WAYS):
        built = folder / str(number)
        shutil.copytree(folder / "split", built, symlinks=True)
        seconds, cpu = measure(built, way)
        print(f"{way:45}{seconds:8.1f} s by the clock{cpu:8.1f} s of CPU", flush=True)
        assert "Running stage" not in checkouts.call("dvc repro", built), "DVC found something to run afterwards"
        found.append({name: (built / f"metrics/test/{name}.json").read_text() for name in rates})
        shown = checkouts.call("dvc metrics diff", built)
        assert all(name in shown for name in rates)
    assert found[0] == found[1], "the two ways came to different metrics"
    print(
        "afterwards `dvc repro` ran nothing, and `dvc metrics diff` shows every run; both ways came to the same metrics"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20)
