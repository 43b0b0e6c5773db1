"""The pipeline as a user runs it: real `dvc` commands in a copy of this checkout, cut down to two small runs."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

import checkouts
from checkouts import RUNS, call, environment

pytestmark = pytest.mark.slow


def ran(said):
    """List the stages that a dvc command ran."""
    return set(re.findall(r"Running stage '([^']+)'", said))


def tables_cut_down(tables):
    """Keep the tables of these two runs, with the one row that each fills."""
    kept = {
        name: {key: tables[name][key] for key in tables[name] if key != "baseline"}
        for name in ("networks", "class_weights")
    }
    kept["networks"]["rows"] = kept["networks"]["rows"][:1]
    kept["class_weights"]["rows"] = [row for row in kept["class_weights"]["rows"] if row.get("value") == "0.5"]
    return kept


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Copy the files of this checkout into a repository of its own, and build it once."""
    folder = tmp_path_factory.mktemp("checkout") / "pqrst"
    checkouts.lay_out(folder, {"params.yaml": checkouts.cut_down, "tables/heartbeat.yaml": tables_cut_down})
    said = call("dvc repro", folder)
    assert {
        "resolve",
        "download@heartbeat",
        "segment@heartbeat",
        "split@heartbeat",
        "train@simple_cnn",
        "train@coupled_alpha",
        "tables@heartbeat",
    } <= ran(said)
    call("git add -A && git commit -qm built", folder)
    return folder


@pytest.fixture
def clean(checkout):
    """Give the built checkout, and put it back afterwards."""
    yield checkout
    # git takes a file of the same size, written within one second, for unchanged
    (checkout / "params.yaml").unlink()
    call("git reset -q --hard && git clean -qfd && dvc checkout -q", checkout)


def test_second_repro_runs_nothing(clean):
    """Nothing that did not change runs again, and nothing in git changes."""
    started = time.monotonic()
    assert ran(call("dvc repro", clean)) == set()
    assert time.monotonic() - started < 30
    assert call("git status --porcelain", clean) == ""


def test_table_shows_published_beside_ours_and_says_synthetic(clean):
    """The table names both, and that the recordings are made up."""
    text = (clean / "metrics/tables/heartbeat.md").read_text()
    assert "SYNTHETIC" in text
    assert ".9807" in text
    assert "ours (synthetic)" in text


def test_loss_switch_reruns_only_unpinned_runs(clean):
    """`-S loss=iwl` passes the pinned run by, and the diffs show what changed."""
    said = call("dvc exp run -S loss=iwl", clean)
    assert ran(said) == {"resolve", "train@simple_cnn", "evaluate@simple_cnn", "tables@heartbeat", "report"}
    assert "simple_cnn" in call("dvc metrics diff --all", clean)
    assert re.search(r"loss\W+auto\W+iwl", call("dvc params diff", clean))


@pytest.fixture
def cluster():
    """Start a scheduler and two workers."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        yield cluster


def test_another_engine_runs_nothing_again(clean, cluster):
    """`-S engine=dask://...` runs no stage that is done; stages made to run do so on the cluster, to the same bytes."""
    address = cluster.scheduler_address.removeprefix("tcp://")
    before = data_of(clean)
    assert ran(call("dvc exp run -S engine=serial", clean)) == {"resolve"}
    assert ran(call(f"dvc exp run -S engine=dask://{address}", clean)) == {"resolve"}
    asked = cluster.scheduler.transition_counter
    made = {"segment@heartbeat", "evaluate@simple_cnn", "evaluate@coupled_alpha"}
    assert ran(call(f"dvc repro -f -s {' '.join(sorted(made))}", clean)) == made
    assert cluster.scheduler.transition_counter > asked + len(made)
    assert data_of(clean) == before
    assert ran(call("dvc repro", clean)) == set()
    assert set(call("git status --porcelain", clean).split()) == {"M", "dvc.lock", "params.yaml"}


def test_a_value_that_joins_a_run_trains_only_itself(clean):
    """Rerun one run when a value joins it, and take the network of the other value from its checkpoint."""
    kept = {file: file.stat().st_mtime_ns for file in (clean / "data/scratch/train").rglob("*.safetensors")}
    said = call("dvc exp run -S 'runs.coupled_alpha.over={train.class_weight_alpha: [0.5, 1.0]}'", clean)
    assert {name for name in ran(said) if name.startswith("train")} == {"train@coupled_alpha"}
    now = {file: file.stat().st_mtime_ns for file in (clean / "data/scratch/train").rglob("*.safetensors")}
    assert {file: now[file] for file in kept} == kept
    assert len(now) == len(kept) + 1


def test_scoped_optimiser_reaches_that_system(clean):
    """`-S train.optimizer=adam -S scope=heartbeat` retrains the unpinned run of that system."""
    said = call("dvc exp run -S train.optimizer=adam -S scope=heartbeat", clean)
    assert {name for name in ran(said) if name.startswith("train")} == {"train@simple_cnn"}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("loss=iwll", "resolve: loss: there is no 'iwll'; did you mean iwl?"),
        ("profile=papr", "resolve: profile: there is no 'papr'; did you mean paper?"),
        ("train.epochs=many", "resolve: runs.simple_cnn.train.epochs must be int, got 'many'"),
        ("models.simple_cnn.kernel=4", "models.simple_cnn: kernel"),
        ("runs.simple_cnn.model=simple_cn", "runs.simple_cnn.model: there is no 'simple_cn'; did you mean simple_cnn?"),
        ("scope=icwa", "no run in scope icwa takes this"),
    ],
)
def test_mistakes_are_one_line_before_any_work(clean, change, line):
    """A wrong setting stops in `resolve`, with the key, the fault and the nearest name."""
    extra = " -S loss=iwl" if change.startswith("scope") else ""
    said = call(f"dvc exp run -S {change}{extra}", clean, good=False)
    assert line in said
    assert "Traceback" not in said
    assert ran(said) <= {"resolve"}


def test_setting_of_one_model_retrains_that_model(clean):
    """Editing one model's setting leaves the other runs alone."""
    said = call("dvc exp run -S 'models.simple_cnn.widths=[8,16]'", clean)
    assert {name for name in ran(said) if "@" in name} == {
        "train@simple_cnn",
        "evaluate@simple_cnn",
        "tables@heartbeat",
    }


def test_new_model_is_one_file_and_two_settings(clean):
    """A throw-away model trains after one new file and two lines of settings."""
    text = (clean / "src/pqrst/models/simple_cnn.py").read_text()
    (clean / "src/pqrst/models/throw_away.py").write_text(text)
    settings = yaml.safe_load((clean / "params.yaml").read_text())
    settings["models"]["throw_away"] = {"widths": [8], "kernel": 3}
    settings["runs"]["throw_away"] = settings["runs"]["simple_cnn"] | {"model": "throw_away"}
    (clean / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    said = call("dvc repro evaluate@throw_away", clean)
    assert {name for name in ran(said) if "@" in name} == {"train@throw_away", "evaluate@throw_away"}


def test_stages_side_by_side_are_what_dvc_would_have_run(clean):
    """Retrain two runs at once by `pqrst repro`: DVC then finds nothing to run, and shows what changed."""
    settings = yaml.safe_load((clean / "params.yaml").read_text())
    settings["systems"]["heartbeat"]["train"]["lr"] = 0.002
    (clean / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    said = call("PYTHONPATH=src python -m pqrst repro --jobs 2", clean)
    begun = [said.index(f"train@{name}: begun") for name in RUNS]
    assert max(begun) < min(said.index(f"train@{name}: done") for name in RUNS)
    assert ran(call("dvc repro", clean)) == set()
    assert call("dvc status", clean).strip() == "Data and pipelines are up to date."
    assert "simple_cnn" in call("dvc metrics diff --all", clean)


@pytest.fixture
def bucket(monkeypatch):
    """Serve an empty S3 bucket on loopback, and give its host."""
    for library in ("moto", "dvc_s3"):
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed: pip install '.[test]'")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(OSError):
            host = HTTPConnection("127.0.0.1", port)
            host.request("PUT", "/pqrst")
            assert host.getresponse().status == 200
            break
        time.sleep(0.2)
    host.close()
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait()


def test_an_empty_clone_pulls_what_was_pushed_and_runs_nothing(clean, bucket, tmp_path):
    """`dvc push` to S3, `dvc pull` into an empty clone: every stage is up to date there, and git sees no change."""
    remote = f"dvc remote add --local -d store s3://pqrst/dvc && dvc remote modify --local store endpointurl {bucket}"
    call(f"{remote} && dvc push", clean)
    call(f"git clone -q {clean} clone", tmp_path)
    call(f"{remote} && dvc pull", tmp_path / "clone")
    assert ran(call("dvc repro", tmp_path / "clone")) == set()
    assert call("git status --porcelain", tmp_path / "clone") == ""


def data_of(folder):
    """Give the digest that dvc.lock holds of each output under data/."""
    locked = yaml.safe_load((folder / "dvc.lock").read_text())["stages"].values()
    return {out["path"]: out["md5"] for stage in locked for out in stage["outs"] if out["path"].startswith("data/")}


def at_work(folder):
    """List the processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text())
    return found


@pytest.fixture
def training(clean):
    """Start a `dvc repro` that trains one run anew, and give it once the training has begun."""
    shutil.rmtree(clean / "data/scratch")
    command = ["dvc", "repro", "-f", "-s", "train@simple_cnn"]
    process = subprocess.Popen(
        command, cwd=clean, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while not list((clean / "data/scratch").rglob("train/*/*.lock")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None
    yield process
    process.kill()
    process.wait()


def test_a_killed_repro_is_repeated(clean, training):
    """Kill `dvc repro` outright: its stage ends too, and the next one comes to the same data."""
    before = data_of(clean)
    training.kill()
    training.wait()
    deadline = time.monotonic() + 30
    while (left := at_work(clean)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    call("dvc repro", clean)
    assert data_of(clean) == before
    assert ran(call("dvc repro", clean)) == set()
    assert [path for path in clean.rglob("*.partial") if ".dvc" not in path.parts] == []


def test_a_second_repro_is_refused(clean, training):
    """Two at once in one checkout: the second says who is at work, and the first comes to the same data."""
    before = data_of(clean)
    said = call("dvc repro", clean, good=False)
    assert re.search("Unable to acquire lock|is busy", said)
    assert "Traceback" not in said
    assert training.wait() == 0
    assert data_of(clean) == before


def test_queued_experiments_run_the_code_they_were_queued_with(clean):
    """Three queued losses give three experiments, and code edited after queueing does not reach them."""
    for change in ("-S loss=ce", "-S loss=iwl", "-S loss=iwl -S losses.iwl.gamma=2"):
        call(f"dvc exp run --queue {change}", clean)
    loss = clean / "src/pqrst/losses/iwl.py"
    loss.write_text("raise RuntimeError('edited after queueing')\n" + loss.read_text())
    call("dvc queue start -j 1", clean)
    try:
        deadline = time.monotonic() + 400
        while re.search("Running|Queued", call("dvc queue status", clean)) and time.monotonic() < deadline:
            time.sleep(2)
        status = call("dvc queue status", clean)
        assert len(re.findall("Success", status)) == 3, status
    finally:
        stop_workers(clean)
    shown = call("dvc exp show --csv --no-pager", clean)
    assert {"ce", "iwl"} <= set(re.split(r"[,\n]", shown))


def stop_workers(folder):
    """End the queue's workers by their process numbers: one may outlive its queue."""
    for file in (folder / ".dvc/tmp/exps").rglob("*.json"):
        try:
            number = json.loads(file.read_text()).get("pid")
        except (json.JSONDecodeError, AttributeError, UnicodeDecodeError):
            continue
        if isinstance(number, int):
            try:
                os.kill(number, signal.SIGTERM)
            except (ProcessLookupError, PermissionError):
                continue


def test_a_search_makes_experiments_one_of_which_is_applied(clean):
    """Search two settings: each trial stands in `dvc exp show`, untested; the best is applied, tested, and all is done."""
    space = "-S train.epochs=2 -S 'train.lr=tag(log,interval(1e-4,1e-2))' -S models.simple_cnn.kernel=3,5"
    said = call(f"PYTHONPATH=src python -m pqrst search simple_cnn {space} --trials 2", clean)
    best = re.search(r"`dvc exp apply (simple_cnn-000[01])`", said)[1]
    shown = list(csv.DictReader(call("dvc exp show --csv --no-pager", clean).splitlines()))
    found = {row["Experiment"]: row for row in shown if row["Experiment"].startswith("simple_cnn-")}
    assert sorted(found) == ["simple_cnn-0000", "simple_cnn-0001"]
    for row in found.values():
        assert 1e-4 <= float(row["train.lr"]) <= 1e-2
        assert 0 <= float(row["validation_f1_macro"]) <= 1
        assert row["scope"] == "simple_cnn"
        assert row["metrics/test/simple_cnn.json:accuracy"] in {"", "!"}
    call(f"dvc exp apply {best}", clean)
    assert ran(call("dvc repro evaluate@simple_cnn", clean)) == {"evaluate@simple_cnn"}
    assert ran(call("dvc repro", clean)) == {"tables@heartbeat", "report"}
    assert json.loads((clean / "metrics/search/simple_cnn.json").read_text())["epochs"] == 2
    call("dvc exp remove --all-commits", clean)
    shutil.rmtree(clean / "search")
