"""Fuzz for a long time by hand: coverage-guided, target by target, and one line a target of what was tried and found.

`make fuzz SECONDS=60` gives each target so long. What raises anything but a PqrstError is kept, once for each place that raised,
under OUT/findings/<target>/ with its traceback; what ends the process is kept as libFuzzer keeps it, and the target goes on.
"""

import argparse
import hashlib
import json
import logging
import os
import re
import resource
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

PULSE = re.compile(r"#(\d+)\t\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/")
ROOM = 2 << 30  # bytes of address space above what a target has when it begins


def main() -> None:
    """Run the targets one after another, in a process of its own each."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--seconds", type=float, default=60.0, help="of each target")
    given.add_argument("--only", default="", help="targets, by commas")
    given.add_argument("--out", type=Path, default=Path("build/fuzz"), help="where corpus and findings are kept")
    given.add_argument("--child", default="", help=argparse.SUPPRESS)
    told = given.parse_args()
    if told.child:
        _child(told.child, told.out, told.seconds)
        return
    from fuzzing import targets

    for name in told.only.split(",") if told.only else targets.everyone():
        line = _fuzz(name, told.out, told.seconds)
        print(json.dumps(line), flush=True)  # noqa: T201 (this is what the script is for)
        with (told.out / "inputs.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def _fuzz(name: str, out: Path, seconds: float) -> dict[str, object]:
    """Give a target its time, beginning anew where an input ended its process; tell inputs, coverage and findings."""
    left, inputs, covered, deaths = seconds, 0, (0, 0, 0), 0
    out.mkdir(parents=True, exist_ok=True)
    while left > 1:
        began = time.monotonic()
        log = out / f"{name}.log"
        with log.open("w") as file:
            command = [sys.executable, __file__, "--child", name, "--out", str(out), "--seconds", f"{left:.0f}"]
            rc = subprocess.run(command, stdout=file, stderr=file, check=False).returncode
        pulses = PULSE.findall(log.read_text(errors="replace"))
        if pulses:
            inputs += int(pulses[-1][0])
            covered = max(covered, tuple(map(int, pulses[-1][1:])))
        if rc == 0:
            break
        deaths += 1
        left -= time.monotonic() - began
    found = sorted(file.stem for file in (out / "findings" / name).glob("*.txt"))
    return {
        "target": name, "inputs": inputs, "branches": covered[0], "features": covered[1], "corpus": covered[2], "deaths": deaths,
        "findings": found,
    }  # fmt: skip


def _child(name: str, out: Path, seconds: float) -> None:
    """Fuzz one target until its time is over."""
    import atheris

    with atheris.instrument_imports(include=["pqrst"]):
        from fuzzing import targets

        target = targets.one(name)
    from fuzzing.core import attempt

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    corpus, findings = out / "corpus" / name, out / "findings" / name
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)

    def one(data: bytes) -> None:
        try:
            attempt(target, data)
        except Exception as error:  # noqa: BLE001 (every one of them is a finding)
            _keep(findings, data, error)

    for seed in target.seeds():  # imports and caches, before memory is bounded
        one(seed)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM, held + ROOM))
    longest = max(target.longest, *(len(seed) for seed in target.seeds()))
    options = [f"-max_total_time={seconds:.0f}", f"-max_len={longest}", "-timeout=60", "-rss_limit_mb=6000", "-verbosity=1",
               f"-artifact_prefix={findings}/", "-print_final_stats=1", "-len_control=0"]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def _keep(folder: Path, data: bytes, error: Exception) -> None:
    """Keep an input and its traceback, the first of each place."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}src{os.sep}pqrst{os.sep}" in frame.filename] or frames
    said = re.sub(r"[^a-z]+", "-", str(error).lower())[:30] if isinstance(error, AssertionError) else ""
    key = f"{type(error).__name__}-{Path(ours[-1].filename).stem}-{ours[-1].lineno}-{said}".rstrip("-")
    if not (folder / f"{key}.txt").exists():
        (folder / f"{key}.bin").write_bytes(data)
        (folder / f"{key}.txt").write_text("".join(traceback.format_exception(error)))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
