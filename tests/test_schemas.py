"""What an older or a newer version wrote: read, or refused in one line that says what to do. fixtures/write.py makes the files."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

import toys
from pqrst import arrays, artifact, contracts, files, ledger, ranks, resolved, schemas, scored, sides, training
from pqrst.errors import DataError
from pqrst.losses import ce
from pqrst.models import simple_cnn

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
MENDED = r"(train(ed)? (the run|it)|build it|evaluate the run|resolve the settings|move the checkpoint)"


def learner():
    """Build the network of the fixtures, untrained, with its optimiser."""
    torch.manual_seed(0)
    model = simple_cnn.build((1, 8), 3, simple_cnn.Params(widths=(4,), kernel=3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=toys.TRAIN.lr)
    loss = ce.build("single", np.ones(3), ce.Params())
    return training.Learner(
        model, loss, optimizer, training._scheduler(optimizer, toys.TRAIN, 1), toys.TRAIN, ranks.ALONE
    )


def bundle(folder):
    """Read what write.py wrote: 24 rows of whole steps of 1/64."""
    found = arrays.read(folder)
    assert found.meta.classes == ("N", "S", "V")
    assert found.rows["record"].tolist() == [f"r{n:02d}" for n in range(24)]
    assert np.array_equal(found.x.reshape(-1) * 64, np.arange(24 * 8) * 37 % 101)
    assert np.array_equal(found.y, np.arange(24) % 3)


def split(folder):
    assert sides.read(folder).sides.tolist() == [0] * 8 + [1] * 8 + [2] * 8


def run(folder):
    """Answer a row that is not the same for all classes."""
    predictor = artifact.load(folder)
    assert (predictor.contract.run, predictor.contract.seed, predictor.contract.classes) == ("tiny", 9, ("N", "S", "V"))
    said = predictor.probabilities(np.arange(8, dtype=np.float32).reshape(1, 1, 8))
    assert said.sum() == pytest.approx(1, abs=1e-6)
    assert said.max() > said.min()


def scores(file, oldest=scored.SCHEMA):
    """Give no NaN, whichever schema says so."""
    found = scored.read(file, oldest)
    assert found["scores"]["challenge_2021"] is None
    assert 0 <= found["scores"]["accuracy"] <= 1
    return found


def recorded(file):
    assert len(scores(file, scored.OLDEST)["predicted"]) > 8


def settings(file):
    """Read the whole of a run."""
    [found] = resolved.read_run(file)
    assert (found.run, found.seeds, found.train.batch_size) == ("tiny", (9,), 8)


def checkpoint(file):
    """Go on behind the epoch that was trained, with its weights."""
    fresh, best = learner(), {}
    before = {name: value.clone() for name, value in fresh.model.state_dict().items()}
    state = training._resume(file, fresh, best)
    assert (state.epoch, state.best_epoch, len(state.history)) == (1, 1, 1)
    assert any(not torch.equal(before[name], value) for name, value in fresh.model.state_dict().items())


KINDS = {  # kind -> how it is read, and the oldest and newest schema that are read
    "bundle": (bundle, arrays.SCHEMA, arrays.SCHEMA),
    "split": (split, sides.SCHEMA, sides.SCHEMA),
    "run": (run, contracts.OLDEST, contracts.SCHEMA),
    "scores": (scores, scored.SCHEMA, scored.SCHEMA),
    "recorded": (recorded, scored.OLDEST, scored.SCHEMA),
    "resolved": (settings, resolved.SCHEMA, resolved.SCHEMA),
    "checkpoint": (checkpoint, 0, training.SCHEMA),  # 0: it carries none
}
STORED = sorted(path.name for path in FIXTURES.glob("*-[0-9]*"))


def told(name):
    """Give kind and schema of a fixture's name."""
    kind, schema = Path(name).stem.split("-")
    return kind, int(schema)


def newest(kind):
    """Give the fixture of a kind that this version writes."""
    [found] = [FIXTURES / name for name in STORED if told(name) == (kind, KINDS[kind][2])]
    return found


def refusal(kind, place):
    with pytest.raises(DataError) as error:
        KINDS[kind][0](place)
    assert "\n" not in str(error.value)
    assert re.search(MENDED, str(error.value)), error.value
    return str(error.value)


@pytest.mark.parametrize("name", STORED)
def test_what_an_older_version_wrote_is_read_or_refused(name):
    """Read each schema that this version says it reads, and refuse each older one by its number."""
    kind, schema = told(name)
    read, oldest, _ = KINDS[kind]
    if schema >= oldest:
        read(FIXTURES / name)
    else:
        said = refusal(kind, FIXTURES / name)
        assert f"has schema {schema or None}, this version reads" in said
        assert not schema or "an older pqrst wrote it" in said


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_fixture_of_the_schema_that_is_written(kind):
    """Ask for a new fixture as soon as a schema is raised: run tests/fixtures/write.py and commit what it wrote."""
    assert newest(kind).exists()


def raised(kind, folder):
    """Copy the newest fixture of a kind, and say that it is of the next schema."""
    source, schema = newest(kind), KINDS[kind][2] + 1
    place = folder / source.name
    (shutil.copytree if source.is_dir() else shutil.copyfile)(source, place)
    if kind == "checkpoint":
        with safe_open(source, "pt") as kept:
            tensors, words = {name: kept.get_tensor(name) for name in kept.keys()}, json.loads(kept.metadata()["words"])  # noqa: SIM118
        save_file(tensors, place, {"words": json.dumps(words | {"schema": schema})})
        return place
    file = {"bundle": place / "meta.json", "split": place / "split.json"}.get(kind, place)
    if kind == "run":
        toys.sealed(place, schema=schema)
        return place
    parse, write = (yaml.safe_load, yaml.safe_dump) if kind == "resolved" else (json.loads, json.dumps)
    file.write_text(write(parse(file.read_text()) | {"schema": schema}))
    return place


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_newer_version_wrote_is_refused(kind, tmp_path):
    """Name the schema, what this version reads, and where to go."""
    said = refusal(kind, raised(kind, tmp_path))
    assert f"has schema {KINDS[kind][2] + 1}, this version reads" in said
    assert "a newer pqrst wrote it; take that version, or " in said


@pytest.mark.parametrize(
    "given", [None, [], {}, {"schema": None}, {"schema": "2"}, {"schema": True}, {"schema": 0}, {"schema": 2.0}]
)
def test_what_has_no_schema_is_refused(given):
    """Take nothing but a whole number from 1 on."""
    with pytest.raises(DataError, match=r"^here has schema .*, this version reads 1 to 2; mend it$"):
        schemas.check(given, "here", 2, 1, "mend it")


def test_a_file_without_a_schema_may_be_of_the_first():
    """Read what was written before there were schemas, where it says so."""
    assert schemas.check({}, "here", 2, 1, "mend it", unmarked=1) == 1
    with pytest.raises(DataError, match="has schema 1, this version reads 2: an older pqrst wrote it; mend it"):
        schemas.check({}, "here", 2, 2, "mend it", unmarked=1)


def test_what_is_no_number_is_written_as_null(tmp_path):
    """Write JSON by its standard, however deep a NaN stands."""
    files.write_json(tmp_path / "x.json", {"a": [1.5, float("nan")], "b": ({"c": float("inf")}, "NaN", None, True)})

    def refuse(constant):
        raise AssertionError(constant)

    found = json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse)
    assert found == {"a": [1.5, None], "b": [{"c": None}, "NaN", None, True]}


def test_every_recorded_result_in_git_is_read():
    """Read the results of real runs, of whichever schema, without a NaN."""
    found = [scored.read(file, scored.OLDEST) for file in (ROOT / "metrics" / "paper").rglob("*.json")]
    assert len(found) > 100
    assert not [value for one in found for value in one["scores"].values() if value != value]  # noqa: PLR0124 (NaN is)
    assert sum(None in one["scores"].values() for one in found) > 50


def test_a_broken_result_is_one_line(tmp_path):
    """Say which file, and what to do."""
    (tmp_path / "17.json").write_text("{")
    with pytest.raises(DataError, match=r"17\.json is not JSON .*; evaluate the run anew with `dvc repro`$"):
        scored.read(tmp_path / "17.json")
    (tmp_path / "run").mkdir()
    shutil.copyfile(tmp_path / "17.json", tmp_path / "run" / "17.json")
    with pytest.raises(DataError, match="is not JSON"):
        ledger.read(tmp_path, "run")


def test_writing_the_fixtures_again_gives_the_same_bytes(tmp_path):
    """Write rows, split and settings as they stand in git, into a copy of the script's folder."""
    (tmp_path / "fixtures").mkdir()
    shutil.copyfile(FIXTURES / "write.py", tmp_path / "fixtures" / "write.py")
    shutil.copyfile(ROOT / "tests" / "toys.py", tmp_path / "toys.py")
    subprocess.run([sys.executable, str(tmp_path / "fixtures" / "write.py")], check=True, capture_output=True)
    for kind in ("bundle", "split", "resolved"):
        place = newest(kind)
        for file in place.iterdir() if place.is_dir() else [place]:
            assert (tmp_path / "fixtures" / file.relative_to(FIXTURES)).read_bytes() == file.read_bytes()
