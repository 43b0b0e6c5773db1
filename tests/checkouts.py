"""A copy of this checkout in a repository of its own, cut down to two small runs, in which real `dvc` commands run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
RUNS = ("simple_cnn", "coupled_alpha")
MADE = ("dvc.lock", "metrics/test/", "metrics/tables/", "metrics/quality/")


def lay_out(folder, cuts):
    """Copy what git tracks and what it would, but no results; change YAML files by a function each, and commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(MADE):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    for file, cut in cuts.items():
        given = yaml.safe_load((folder / file).read_text())
        (folder / file).write_text(yaml.safe_dump(cut(given), sort_keys=False))
    call(
        "git init -q && git config user.email a@b.c && git config user.name test && git add -A && git commit -qm start",
        folder,
    )


def cut_down(settings):
    """Keep a plain run and one over a single value, of the least size."""
    settings["runs"] = {name: settings["runs"][name] for name in RUNS}
    settings["runs"]["coupled_alpha"] |= {"model": "four_layer_cnn", "over": {"train.class_weight_alpha": [0.5]}}
    settings |= {"tables": ["heartbeat"], "images": {}}
    settings["databases"].pop("mitdb")
    settings["datasets"] = {"heartbeat": settings["datasets"]["heartbeat"]}
    settings["profiles"]["demo"] |= {"records": 4, "minutes": 0.5}
    settings["profiles"]["demo"]["train"] |= {"epochs": 1, "seeds": 1}
    return settings


def environment():
    """Give the environment of this test, with the code of a folder alone."""
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return {name: value for name, value in env.items() if name != "PYTHONPATH"}


def call(command, folder, good=True):
    """Run a command; give what it printed."""
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == good, said
    return said
