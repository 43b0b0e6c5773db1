"""Made-up strips: a spike at each beat, and noise."""

from pathlib import Path

import numpy as np

from pqrst.files import write_text
from pqrst.made_up._files import MADE_UP, lines, write_sums, write_table

FS, SAMPLES = 100, 500
RATES = {"slow": (40, 60), "fast": (100, 140)}  # beats/min


def write(dest: Path, n: int, rng: np.random.Generator, _minutes: float) -> None:
    """Write `n` recordings, two of each person, one slow and one fast."""
    rows = []
    for number in range(n):
        name, kind = f"{number + 1}", list(RATES)[number % 2]
        millivolts = rng.normal(0, 0.02, SAMPLES)
        millivolts[:: round(60 * FS / rng.uniform(*RATES[kind]))] += 1
        write_text(dest / f"{name}.csv", lines(f"{value:.3f}" for value in millivolts))
        rows.append((name, f"person {number // 2 + 1}", kind))
    write_table(dest / "labels.csv", ("recording", "person", "class"), rows)
    write_text(dest / "SYNTHETIC.txt", lines([MADE_UP]))
    write_sums(dest)
