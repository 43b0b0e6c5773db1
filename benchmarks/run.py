"""Run the benchmarks beside this file and print one Markdown table; each claim is a ratio within one run.

python benchmarks/run.py [names of files, all by default]
"""

import importlib
import platform
import statistics
import sys
from multiprocessing import get_context
from pathlib import Path

from _table import Row

HERE = Path(__file__).parent
# these hold us against no peer, or take long: `make bench-slow`, `make load`
BY_HAND = ("run", "full_size", "growth", "engines", "stored_images", "load")
HEADINGS = ("subject", "peer", "its", "ours", "ratio", "spread", "floor · goal", "beside the limit")


def cells(row: Row) -> list[str]:
    """Lay out one subject: medians of both sides, and the median, lowest and highest of the paired ratios."""
    asked = " · ".join(f"{ratio:.3g}×" for ratio in (row.floor, row.goal) if ratio is not None)
    if not row.pairs:
        return [row.subject, row.peer, "", "", "", "", asked, row.share]
    theirs, ours = (statistics.median(side) for side in zip(*row.pairs, strict=True))
    reached = f"{row.ratio:.3g}×"
    if row.floor is not None and row.ratio < 0.999 * row.floor:  # a file has a header
        reached += " (below the floor)"
    spread = f"{min(row.ratios):.3g} to {max(row.ratios):.3g}"
    return [row.subject, row.peer, shown(theirs, row.unit), shown(ours, row.unit), reached, spread, asked, row.share]


def shown(value: float, unit: str) -> str:
    """Write seconds as they are best read, and anything else with its unit."""
    if unit != "s":
        return f"{value:.3g} {unit}".strip()
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"


def names() -> list[str]:
    """List the files that make the table."""
    return sorted(path.stem for path in HERE.glob("[!_]*.py") if path.stem not in BY_HAND)


def lines(name: str) -> None:
    """Measure what one file holds, and print a line as soon as it is known."""
    for row in importlib.import_module(name).measure():
        print("| " + " | ".join(cells(row)) + " |", flush=True)


def processor() -> str:
    """Name the processor, as Linux tells it."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor()


def main() -> None:
    """Measure each file in a process of its own: what one sets up, such as its heap, reaches no other."""
    chosen = sys.argv[1:] or names()
    print(
        f"{processor()}, Python {platform.python_version()}; CPU time of one thread where a subject says nothing else.\n"
    )
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS), flush=True)
    for name in chosen:
        process = get_context("spawn").Process(target=lines, args=(name,))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f"{name}.py ended with status {process.exitcode}")


if __name__ == "__main__":
    main()
