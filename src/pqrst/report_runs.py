"""What the report tells of one run: its networks, how they learned, what they said of test rows, on whose data, under which settings."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pqrst import charts, figures, ledger, resolved, results, scored, tables

SCORES = {"accuracy": "accuracy", "f1_weighted": "F1 (W)", "f1_macro": "F1 (M)", "auroc_macro": "AUROC (M)",
          "calibration_error": "calibration error"}  # fmt: skip
FACTS = {"system": "system", "split": "split", "leak": "shared by train and test", "gate": "leak gate",
         "rows": "test rows", "settings_digest": "settings, SHA-256"}  # fmt: skip
ORIGIN = {
    "source": "source",
    "dataset": "dataset",
    "files": "files",
    "sha256": "files, SHA-256",
    "digest": "rows, SHA-256",
}
Results = Mapping[str, Any]


@dataclass
class Charts:
    """The charts of the page by name: one is drawn when it is looked at."""

    specs: dict[str, charts.Spec] = field(default_factory=dict)

    def keep(self, spec: charts.Spec) -> str:
        name = f"c{len(self.specs)}"
        self.specs[name] = spec
        return name


@dataclass(frozen=True)
class Found:
    """Where what is told of a family's runs lies."""

    settings: Path  # resolved/runs
    scores: Path  # data/scores/<family>
    metrics: Path


@dataclass(frozen=True)
class Seen:
    """One kind of results of a run: the detail of its first network."""

    kind: str  # in words
    figures: Sequence[tuple[str, str]]  # heading, name of a chart
    per_class: Sequence[Mapping[str, Any]]
    subgroups: Sequence[Mapping[str, Any]]
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Told:
    """What is known of one run."""

    name: str
    synthetic: bool  # this checkout's
    gates: Sequence[str]
    headings: Sequence[str]
    members: Sequence[Sequence[str]]  # a line a trained network, cells
    seen: Sequence[Seen]  # recorded results before this checkout's
    picture: str  # data URI: what the network saw
    settings: str


def told(run: str, found: Found, kept: Charts) -> Told:
    """Gather what is known of a run; its charts go to where the page keeps them."""
    settings = found.settings / f"{run}.yaml"
    values = [one.value for one in resolved.read_run(settings)]  # evaluation draws the first of them
    files = (found.scores / run).rglob("seed-*/scores.json")
    ours = sorted(map(scored.read, files), key=lambda one: (values.index(one.get("value", "")), one.get("seed", 0)))
    recorded = [
        one for folder in _folders(found.metrics / "paper" / run) for one in ledger.read(folder.parent, folder.name)
    ]
    seen = [_recorded(recorded, kept)] if recorded else []
    picture = found.metrics / "plots" / run / "examples.png"
    members = [_member("real, recorded", one) for one in recorded]
    members += [_member("synthetic" if results.synthetic([one]) else "real", one) for one in ours]
    return Told(
        run,
        results.synthetic(ours),
        list(dict.fromkeys(str(one["gate"]) for one in [*recorded, *ours] if "gate" in one)),
        ["results", "value", "seed", "parameters", "best epoch", *SCORES.values()],
        members,
        [*seen, _ours(run, ours, found.metrics, kept)],
        f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}" if picture.exists() else "",
        settings.read_text(encoding="utf-8"),
    )


def _folders(ledger_of_run: Path) -> list[Path]:
    """List the folders that hold recorded results of a run: its own, or one for each value that it is made over."""
    return sorted({file.parent for file in ledger_of_run.rglob("*.json")})


def _member(kind: str, one: Results) -> list[str]:
    cells = [kind, str(one.get("value", "")), str(one.get("seed", "")), f"{one.get('parameters') or 0:,}"]
    return [*cells, str(one.get("best_epoch") or ""), *(tables.number(one["scores"].get(name)) for name in SCORES)]


def _recorded(found: Sequence[Results], kept: Charts) -> Seen:
    """Show what is kept of results on real recordings."""
    courses = [
        pd.DataFrame({"line": _name(one), "epoch": range(1, len(values) + 1), "value": values, "side": name})
        for one in found[: figures.MOST_LINES]
        for name, values in (one.get("course") or {}).items()
        if name == "f1_macro"
    ]
    drawn = []
    if courses:
        drawn.append(("F1 (M) on validation rows", kept.keep(charts.courses(pd.concat(courses), "F1 (M)"))))
    return Seen(f"on real recordings, {_name(found[0])}", [*drawn, *_counted(found[0], kept)], *_detail(found[0]))


def _ours(run: str, found: Sequence[Results], metrics: Path, kept: Charts) -> Seen:
    """Show what this checkout has of a run."""
    drawn, plots, first = [], metrics / "plots" / run, found[0]
    learned = losses(metrics / "train" / run)
    if len(learned):
        drawn.append(
            ("Loss by epoch: of train rows, and dashed of validation rows", kept.keep(charts.courses(learned, "loss")))
        )
    drawn += _counted(first, kept)
    for name, heading in (("roc", "ROC"), ("precision_recall", "Precision and recall")):
        drawn.append((heading, kept.keep(charts.curves(_read(plots / f"{name}.csv")))))
    drawn.append(("Reliability", kept.keep(charts.reliability(_read(plots / "reliability.csv")))))
    drawn.append(("Rows of the split by class", kept.keep(charts.shares(_read(plots / "shares.csv")))))
    kind = "on made-up recordings" if results.synthetic([first]) else "in this checkout"
    return Seen(f"{kind}, {_name(first)}", drawn, *_detail(first))


def _read(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype={"class": str}, keep_default_na=False, na_values={"precision": [""], "share": [""]})


def _name(one: Results) -> str:
    return " ".join(filter(None, (str(one.get("value", "")), f"seed {one.get('seed', '')}")))


def losses(folder: Path) -> pd.DataFrame:
    """Read the losses that training logged, of every network or of first seeds where there are too many."""
    names = sorted(
        file.relative_to(folder).parents[3].as_posix() for file in folder.rglob("plots/metrics/train/loss.tsv")
    )
    parts = []
    for name in figures.few(names):
        for side in ("train", "validation"):
            file = folder / name / "plots" / "metrics" / side / "loss.tsv"
            if file.exists():
                logged = pd.read_csv(file, sep="\t")
                parts.append(
                    pd.DataFrame({"line": name, "epoch": logged["step"] + 1, "value": logged["loss"], "side": side})
                )
    return pd.concat(parts) if parts else pd.DataFrame()


def _counted(one: Results, kept: Charts) -> list[tuple[str, str]]:
    """Draw what counts of test rows show: confusion, F1 by class, accuracy by patient."""
    drawn, classes = [], [str(name) for name in one["classes"]]
    if one.get("confusion"):
        drawn.append(("Confusion", kept.keep(charts.confusion(one["confusion"], classes))))
    by_class = pd.DataFrame(one["per_class"])[["class", "f1", "rows"]].assign(**{"class": classes})
    drawn.append(("F1 by class", kept.keep(charts.bars(by_class, "class", "f1", "F1"))))
    if one.get("by_patient"):
        drawn.append(("Accuracy by patient", kept.keep(charts.bars(_patients(one), "patient", "accuracy", "accuracy"))))
    return drawn


def _patients(one: Results) -> pd.DataFrame:
    """Give the accuracy of each patient's test rows, the worst first."""
    size, lines = len(one["classes"]), []
    for patient, text in one["by_patient"].items():
        matrix = np.array(text.split(), np.int64).reshape(size, size)
        lines.append({"patient": patient, "accuracy": np.trace(matrix) / max(matrix.sum(), 1), "rows": matrix.sum()})
    return pd.DataFrame(lines).sort_values("accuracy", kind="stable")


def _detail(one: Results) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]], Mapping[str, str]]:
    """Give the lines of each class, those of each subgroup, and where the numbers come from."""
    facts = {said: str(one[key]) for key, said in FACTS.items() if one.get(key)}
    facts |= {said: str(one["provenance"][key]) for key, said in ORIGIN.items() if key in one["provenance"]}
    return [_printed(line) for line in one["per_class"]], [_printed(line) for line in one.get("subgroups") or []], facts


def _printed(line: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: tables.number(value) if isinstance(value, float) else value for key, value in line.items()}
