"""The card of a network that is given to others: that of its run, with who may use it for what, what it scored, and where it ends."""

from collections.abc import Mapping, Sequence
from typing import Any

from pqrst import cards


def card(contract: Mapping[str, Any], history: Sequence[Mapping[str, float]], scores: Mapping[str, Any] | None) -> str:
    """Write the card as Markdown, with the lines before it that a model hub reads."""
    own = cards.card(contract, history).partition("\n## How to use it")[0].replace(f"- {cards.TESTED}\n", "")
    parts = [
        _front(contract), own.strip(), "## Intended use", INTENDED, "## What it scored", _scores(scores),
        "## Where it ends", "\n".join(f"- {line}" for line in _limits(contract) if line), "## How to use it", FILES,
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _front(contract: Mapping[str, Any]) -> str:
    """Write what a model hub reads."""
    data = contract["provenance"].get("dataset", "unknown")
    tags = ["ecg", "electrocardiogram", contract["model"], "not-a-medical-device"]
    tags += ["synthetic-data"] if contract["provenance"].get("synthetic", True) else []
    return "\n".join(
        ["---", "library_name: pytorch", "license: other", f"datasets: [{data}]", f"tags: [{', '.join(tags)}]", "---"]
    )


def _scores(found: Mapping[str, Any] | None) -> str:
    """Lay out the scores of the test rows, with what they were measured on; of none, say so."""
    if found is None:
        return "No scores came with this network."
    intervals = found.get("intervals") or {}
    lines = ["| score | test rows |", "|---|---|"]
    for name in (name for name in SHOWN if found["scores"].get(name) is not None):
        bounds = intervals.get(name)
        spread = f" (95 % by patient {bounds['low']:.4f} to {bounds['high']:.4f})" if bounds else ""
        lines.append(f"| {name} | {found['scores'][name]:.4f}{spread} |")
    made_up = "made-up recordings" if found["provenance"].get("synthetic", True) else "real recordings"
    told = f"Measured on {found['rows']:,} test rows of {made_up}, split {found['split']} ({found['leak']}). Leak gate: {found['gate']}."
    return "\n".join([*lines, "", told])


def _limits(contract: Mapping[str, Any]) -> list[str]:
    """Say where answers stop being worth something, as far as the contract tells."""
    leads = ", ".join(contract["input"]["leads"])
    return [
        "it always answers one of its classes, also where none of them is right"
        if contract["task"] == "single"
        else "each label is answered by itself; what has no label is not seen",
        f"it learned the leads {leads} at {contract['input']['fs']:g} Hz; other leads, rates, devices and filters were not tried",
        f"train and test shared: {contract['leak']}" if contract["leak"] else "",
        "probabilities were warmed on validation rows of the same data; elsewhere they may be far from the shares of right answers",
        "nobody measured what it is worth for a patient",
    ]


SHOWN = ("accuracy", "f1_weighted", "f1_macro", "auroc_macro", "calibration_error")
INTENDED = """\
Research and teaching: repeating and comparing published classifiers. Not for diagnosis, triage or monitoring of anyone, and not
for deciding anything about a person. The terms of the recordings that it learned from hold for it as far as they reach; read them there."""
FILES = """\
    python example_onnxruntime.py       onnxruntime and numpy
    python example_torch.py             torch and numpy
    pqrst predict RECORDING --model .   from a recording, with all that comes before the network

`model.onnx` and `model.pt2` take rows as they are described above and give logits and calibrated probabilities; standardisation lies inside.
`weights.safetensors` holds the weights alone, `contract.json` everything a program must do to a recording first, `SHA256SUMS` what belongs here."""
