"""Run every benchmark beside this file and print one Markdown table; each claim is a ratio within one run."""

import importlib
import statistics
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
HEADINGS = ("subject", "peer", "its time", "our time", "ratio", "spread")


def row(subject: str, peer: str, seconds: list[tuple[float, float]]) -> list[str]:
    """Lay out one subject: medians of both sides, and the median, lowest and highest of the paired ratios."""
    ratios = [theirs / ours for theirs, ours in seconds]
    theirs, ours = (statistics.median(side) * 1e3 for side in zip(*seconds, strict=True))
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return [subject, peer, f"{theirs:.1f} ms", f"{ours:.1f} ms", f"{statistics.median(ratios):.2f}", spread]


def main() -> None:
    """Measure and print."""
    sys.path.insert(0, str(HERE))
    torch.set_num_threads(1)
    lines = [HEADINGS, ["---"] * len(HEADINGS)]
    for path in sorted(HERE.glob("*.py")):
        if path.stem not in ("run", "full_size"):  # that one holds us against no peer, and needs room on a disk
            lines += [row(*measured) for measured in importlib.import_module(path.stem).measure()]
    print("CPU time, one thread, median of paired rounds; a ratio above 1 says that ours is faster.\n")
    print("\n".join("| " + " | ".join(line) + " |" for line in lines))


if __name__ == "__main__":
    main()
