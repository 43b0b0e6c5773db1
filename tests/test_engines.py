"""The engine: one setting that no output hangs on."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import yaml

from pqrst import engines, params, resolved, resolver, workers
from pqrst.errors import SettingsError

ROOT = Path(__file__).parents[1]
SETTINGS = params.load(ROOT / "params.yaml")


def told(number):
    return number, os.getpid()


@pytest.mark.parametrize(("engine", "processes"), [("serial", 1), ("local", 2)])
def test_an_engine_of_this_machine_gives_every_item_in_order(engine, processes, monkeypatch):
    """Work in this process, or in two workers."""
    monkeypatch.setattr(workers, "available", lambda _threads: 2)
    found = list(engines.in_order(engine, partial(iter, range(90)), told, at_once=True))
    assert [number for number, _ in found] == list(range(90))
    assert len({process for _, process in found}) == processes


@pytest.mark.parametrize("engine", ["serial", "local", "dask://10.0.0.5:8786", "dask://node-1.cluster.org:8786"])
def test_an_engine_travels_to_the_stages(engine, tmp_path):
    """Read it from the file that `resolve` writes."""
    resolved.write(tmp_path / engines.FILE, {"engine": engines.checked(engine)})
    assert engines.read(tmp_path / engines.FILE) == engine


@pytest.mark.parametrize(
    "engine", ["", "Local", "dask", "dask://", "dask://host", "dask://:8786", "tcp://host:8786", "dask://host:8786/x"]
)
def test_an_unknown_engine_is_refused(engine):
    """Name the three that there are."""
    line = r"^engine: there is no '.*'; use serial, local, or dask://<host>:<port>$"
    with pytest.raises(SettingsError, match=line):
        engines.checked(engine)


def test_a_mistake_in_params_is_refused_by_resolve():
    """Hold the setting before any work is done."""
    with pytest.raises(SettingsError, match=r"^engine: there is no 'lokal'; "):
        resolver.resolved_files(replace(SETTINGS, engine="lokal"))


def test_a_missing_file_is_told(tmp_path):
    """Say how it is made."""
    with pytest.raises(SettingsError, match=r"engine\.yaml is missing; run `dvc repro resolve`$"):
        engines.read(tmp_path / engines.FILE)


def test_no_output_hangs_on_the_engine():
    """Change one file when the engine changes, one that no stage depends on."""
    one, other = (resolver.resolved_files(replace(SETTINGS, engine=engine)) for engine in ("serial", "local"))
    assert {name for name in one if one[name] != other[name]} == {engines.FILE}
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    deps = [dep for told in graph.values() for dep in told.get("do", told)["deps"]]
    assert not {"resolved", f"resolved/{engines.FILE}"} & set(deps)
