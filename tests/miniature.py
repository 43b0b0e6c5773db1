"""The whole pipeline in miniature: a run of every kind, on made-up recordings, in seconds; and what it leaves on the disk."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
CODE = ("src", "stages", "tables", "metrics/paper", "dvc.yaml", "params.yaml")
KEPT = {"heartbeat": ("networks",), "ptbxl": ("tasks",), "images": ("encodings", "patients")}
# two seeds of a network, labels in two parts, stored pictures, pictures drawn in the batch, an estimator
RUNS = {
    "simple_cnn": {},
    "incepse": {"over": {"part": ["super", "rhythm"]}},
    "heartbeat_rows": {"model": "picture_cnn"},
    "beats": {"arms": {"spectrogram": {"drawing": "beat_spectrogram"}}, "brief": ["spectrogram"]},
    "context": {"over": {"model": ["beat_cascade"]}},
}
LOGS = "metrics/train/"  # hold times


@dataclass(frozen=True)
class Stage:
    """One stage of the graph, with its paths filled in."""

    name: str  # train@simple_cnn
    command: tuple[str, ...]  # behind `python`
    outs: tuple[str, ...]

    @property
    def kind(self):
        return self.name.partition("@")[0]


def lay_out(folder):
    """Copy the code into a folder, its settings cut down."""
    for name in CODE:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copyfile(ROOT / name, place)
    settings = yaml.safe_load((folder / "params.yaml").read_text())
    (folder / "params.yaml").write_text(yaml.safe_dump(cut_down(settings), sort_keys=False))
    for family, names in KEPT.items():
        file = folder / f"tables/{family}.yaml"
        file.write_text(yaml.safe_dump(tables_cut_down(yaml.safe_load(file.read_text()), names), sort_keys=False))


def cut_down(settings):
    """Keep the least that takes every road."""
    settings["runs"] = {name: settings["runs"][name] | changes for name, changes in RUNS.items()}
    settings["tables"] = list(KEPT)
    for kind, names in (
        ("databases", ("heartbeat", "ptbxl")),
        ("datasets", ("heartbeat", "heartbeat_context", "ptbxl")),
    ):
        settings[kind] = {name: settings[kind][name] for name in names}
    settings["models"]["incepse"] |= {"blocks": 1, "width": 4, "bottleneck": 4}
    settings["classifiers"]["beat_cascade"] |= {"fits": 1, "iterations": 3}
    demo = settings["profiles"]["demo"]
    demo |= {"records": 6, "minutes": 0.5, "most_epochs": 2, "pixels": 16, "recordings": {"ptbxl": 30}}
    for system in demo["systems"].values():
        system["epochs"] = min(system.get("epochs", 1), 1)
    return settings


def tables_cut_down(tables, names):
    """Keep the rows of these runs, and what was published beside them."""
    kept = {name: {key: value for key, value in tables[name].items() if key != "baseline"} for name in names}
    for name, table in kept.items():
        table["rows"] = [row for row in table["rows"] if row.get("run") in RUNS and _is_trained(row)]
        if name == "tasks":
            table["scores"] = {
                key: told for key, told in table["scores"].items() if key.startswith(("super", "rhythm"))
            }
            table["tested"] = "super/auroc_macro"
            table["rows"] = [{"name": "IncepSE", "run": "incepse"}]
    return kept


def _is_trained(row):
    return row.get("value") in {None, "spectrogram"}


def stages(folder):
    """List the stages in the order in which they run."""
    given, graph = (yaml.safe_load((folder / name).read_text()) for name in ("params.yaml", "dvc.yaml"))
    found = []
    for name, told in graph["stages"].items():
        for key, item in _each(told, given):
            do = _filled(told.get("do", told), key, item)
            outs = (one if isinstance(one, str) else next(iter(one)) for one in (*do["outs"], *do.get("metrics", ())))
            called = f"{name}@{key}" if "foreach" in told else name
            found.append(Stage(called, tuple(do["cmd"].split()[1:]), tuple(outs)))
    return found


def _each(told, given):
    if "foreach" not in told:
        return [("", {})]
    items = given[told["foreach"].strip("${}")]
    return items.items() if isinstance(items, dict) else [(one, one) for one in items]


def _filled(do, key, item):
    text = yaml.safe_dump(do, width=10_000).replace("${key}", key)
    name = (lambda found: item[found[1]]) if isinstance(item, dict) else str
    text = re.sub(r"\$\{item\.(\w+)\}", name, text) if isinstance(item, dict) else text.replace("${item}", item)
    return yaml.safe_load(text)


def artefacts(folder, outs):
    """Give the digest of every file of some outputs but the logs of trainings, by its path."""
    files = [
        path for out in outs for path in ([folder / out] if (folder / out).is_file() else (folder / out).rglob("*"))
    ]
    named = {path.relative_to(folder).as_posix(): path for path in files if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(named.items())
        if not name.startswith(LOGS)
    }


def logs(folder, outs):
    """Name the files of the logs of trainings, whose bytes hold times."""
    return sorted(path.relative_to(folder).as_posix() for out in outs if out.startswith(LOGS)
                  for path in (folder / out).rglob("*") if path.is_file())  # fmt: skip


def places(folder):
    """Name everything that lies where stages write, but scratch."""
    roots = (folder / name for name in ("resolved", "data", "metrics"))
    found = {path.relative_to(folder).as_posix() for root in roots for path in root.rglob("*")}
    return {name for name in found if not f"{name}/".startswith("data/scratch/")}
