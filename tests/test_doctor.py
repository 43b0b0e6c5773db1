"""What `pqrst doctor` finds: libraries, recordings, a GPU, stages and their times; each figure from where it was recorded."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pqrst import cli, doctor, params
from pqrst.files import write_json

ROOT = Path(__file__).parents[1]
TEXT, SETTINGS = (ROOT / "params.yaml").read_text(), params.load(ROOT / "params.yaml")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Copy of the checkout what the doctor reads; settings that no test has changed are read once, since that takes seconds."""
    read = params.load

    def load(file):
        return SETTINGS if file.read_text() == TEXT else read(file)

    monkeypatch.setattr(params, "load", load)
    for name in ("params.yaml", "dvc.yaml", "pyproject.toml", "requirements.txt", "docs/performance.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "tables", tmp_path / "tables")
    return tmp_path


@pytest.fixture
def status(monkeypatch):
    """Give a function that lets `dvc status` answer so."""

    def answers(out="{}", code=0, said=""):
        monkeypatch.setattr(
            doctor.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, code, out, said)
        )

    return answers


@pytest.fixture
def gpu(monkeypatch):
    """Give a function that lets torch see a GPU, or none."""

    def seen(there, built="12.8", driver=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Toy H1")
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80 * 2**30))
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.version, "cuda", built)
        monkeypatch.setattr(doctor.shutil, "which", lambda _: "/bin/nvidia-smi" if driver else None)

    return seen


def test_a_gpu_is_named_with_its_memory(gpu):
    """Say what torch says of the first one."""
    gpu(there=True)
    assert doctor.gpu() == doctor.Gpu("Toy H1", 80.0, True, 2, "")


@pytest.mark.parametrize(
    ("built", "driver", "says"),
    [
        ("12.8", False, "none"),
        (None, False, "none"),
        (
            None,
            True,
            "none that torch can use: nvidia-smi is there, but this torch was built without CUDA; install one that was",
        ),
        ("12.8", True, "none that torch can use: look at what nvidia-smi says"),
    ],
)
def test_no_gpu_says_why(gpu, built, driver, says):
    """Tell a machine without one from a torch that cannot use it."""
    gpu(there=False, built=built, driver=driver)
    assert doctor.gpu() == doctor.Gpu("", None, False, 0, says)


def test_a_torch_that_cannot_be_imported_is_no_gpu(monkeypatch):
    """Say so in a line, since the rest can still be told."""
    monkeypatch.setitem(sys.modules, "torch", None)
    assert doctor.gpu().told.startswith("torch cannot be imported (")


def test_libraries_are_held_against_what_is_needed():
    """Find one as needed, one of another version, and one that is not there."""
    assert doctor.library(f"torch=={torch.__version__.partition('+')[0]}").state == "ok"
    assert doctor.library("numpy==0.1").state == "differs"
    assert doctor.library("no-such-library-at-all>=1") == doctor.Library("no-such-library-at-all", ">=1", "", "missing")


def test_the_demo_could_run_here(checkout, status, gpu, capsys):
    """Give status 0 where nothing is missing, name the GPU, and say of nothing that it was recorded."""
    status(json.dumps({"train@attention": [{"changed deps": {}}], "data.dvc": []}))
    gpu(there=True)
    assert cli.main(["doctor", "--root", str(checkout)]) == 0
    out = capsys.readouterr().out
    assert f"ok       Python {sys.version.split()[0]}" in out
    assert "Toy H1, 80 GiB, bf16 yes, the first of 2" in out
    assert "train@attention  not known, no run is recorded here" in out
    assert "data.dvc" not in out
    assert "the whole demo took 15:07 (min:s)" in out
    assert out.endswith("The demo\n  could run\n\n")


def test_what_is_missing_is_named_with_what_mends_it(checkout, status, gpu, capsys):
    """Give status 1 where a library is not there, another version a word, and an extra its pip command."""
    status()
    gpu(there=False)
    (checkout / "requirements.txt").write_text("# told of\nno-such-library==1.0\nnumpy==0.1\n")
    text = (checkout / "pyproject.toml").read_text()
    (checkout / "pyproject.toml").write_text(text.replace("images = [", 'images = ["no-such-extra==1", '))
    assert cli.main(["doctor", "--root", str(checkout)]) == 1
    out = capsys.readouterr().out
    assert "missing  no-such-library ==1.0\n" in out
    assert "differs  numpy" in out
    assert "missing  of the extra images: no-such-extra; python -m pip install --editable '.[images]'" in out
    assert "none; networks run on the processor" in out
    assert "nothing: every stage is up to date" in out
    assert "cannot run: no-such-library is not installed: python -m pip install --editable ." in out


def test_a_python_outside_its_range_cannot_run_the_demo():
    """Name the range."""
    found = doctor._python(">=9")
    assert found.state == "missing"
    assert "outside >=9" in doctor._fault(found)


def test_machines_get_one_object(checkout, status, gpu, capsys):
    """Hold all that is printed, and the verdict."""
    status()
    gpu(there=False)
    assert cli.main(["doctor", "--json", "--root", str(checkout)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["demo_could_run"] is True
    assert {"python", "libraries", "extras", "databases", "gpu", "stages", "whole_demo", "free_gb", "faults"} < set(
        told
    )
    assert {one["name"] for one in told["databases"]} >= {"mitdb", "ptbxl", "sph"}


def test_a_mirror_is_looked_at_and_a_host_is_not(checkout):
    """Count files and recordings, those that a list names and are not there, and tell how to get a folder that is missing."""
    mirror = checkout / "mirror"
    (mirror / "mitdb").mkdir(parents=True)
    for name in ("RECORDS", "100.hea", "100.dat", "101.hea"):
        (mirror / "mitdb" / name).write_text("100\n101\n102\nother/1\n")
    text = (checkout / "params.yaml").read_text()
    text = text.replace("    source: hosts\n", "    source: mirror\n").replace("      sph: ''\n", "      sph: hosts\n")
    (checkout / "params.yaml").write_text(text)
    write_json(checkout / "data/raw/mitdb/provenance.json", {"synthetic": False, "source": "mirror", "files": 3})
    found = {one.name: one for one in doctor._databases(checkout)[0]}
    assert (found["mitdb"].files, found["mitdb"].recordings, found["mitdb"].missing) == (4, 2, 1)
    assert found["mitdb"].built == "real, from mirror, 3 files"
    assert found["heartbeat"].source == str(mirror / "mitdb")  # its recordings are the same
    assert (found["ptbxl"].files, found["ptbxl"].built) == (0, "nothing yet")
    assert "-S profiles.paper.sources.ptbxl=FOLDER" in found["ptbxl"].then
    assert (found["sph"].source, found["sph"].files) == ("hosts", None)


def test_settings_that_are_wrong_are_told(checkout, status, gpu, capsys):
    """Say the line of the settings' own parser, and that the demo cannot run."""
    status()
    gpu(there=False)
    text = (checkout / "params.yaml").read_text()
    (checkout / "params.yaml").write_text(text.replace("\nprofile: demo\n", "\nprofile: dmeo\n"))
    assert cli.main(["doctor", "--root", str(checkout)]) == 1
    assert "cannot run: params.yaml: profile: there is no 'dmeo'; did you mean demo?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            {"code": 253, "said": "ERROR: first\nERROR: not a repository\n"},
            "`dvc status` fails: ERROR: not a repository",
        ),
        ({"out": "no JSON"}, "`dvc status` does not answer ("),
        ({"out": "[]"}, "`dvc status` fails: no reason given"),
    ],
)
def test_a_dvc_that_does_not_answer_is_told(status, tmp_path, answer, says):
    """Give its last line."""
    status(**answer)
    stages, fault = doctor.out_of_date(tmp_path)
    assert stages == ()
    assert fault.startswith(says)


def test_times_are_those_that_were_recorded(status, tmp_path):
    """Take the last time of a stage here, else the epochs of its log, else nothing; a damaged log is none."""
    status(json.dumps({name: [] for name in ("train@a", "train@b", "train@c", "evaluate@a", "resolve")}))
    write_json(tmp_path / doctor.SECONDS / "train@a.json", {"seconds": 12.5})
    for run, seed, seconds in (("a", 1, 3), ("b", 1, 3.25), ("b", 2, 4)):
        write_json(tmp_path / f"metrics/train/{run}/seed-{seed}/timing.json", {"epochs": 2, "seconds": seconds})
    (tmp_path / doctor.SECONDS / "evaluate@a.json").write_text("{")
    found = {one.name: (one.seconds, one.source) for one in doctor.out_of_date(tmp_path)[0]}
    assert found == {
        "train@a": (12.5, "the last time here"),
        "train@b": (7.25, "metrics/train/b, epochs of 2 networks added up"),
        "train@c": (None, "not known"),
        "evaluate@a": (None, "not known"),
        "resolve": (None, "not known"),
    }


def test_many_stages_are_a_line_a_kind(checkout, status, gpu, capsys):
    """Add up what is known of each kind, and say of how many nothing is."""
    status(json.dumps({f"{kind}@{number}": [] for kind in ("train", "split") for number in range(15)}))
    gpu(there=False)
    write_json(checkout / doctor.SECONDS / "train@3.json", {"seconds": 60})
    cli.main(["doctor", "--root", str(checkout)])
    out = capsys.readouterr().out
    assert "train     15 stages: 60.0 s for 1, not known for 14 (the last time here)" in out
    assert "split     15 stages: not known, no run is recorded here" in out
    assert "together  30 stages: 60.0 s for 1, not known for 29 (the last time here)" in out


def test_dvc_itself_is_asked(tmp_path):
    """Hear from DVC that a stage that never ran would run."""
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text("stages:\n  one:\n    cmd: touch a\n    outs:\n    - a\n")
    assert doctor.out_of_date(tmp_path) == ((doctor.Stage("one", None, "not known"),), "")


def test_a_folder_that_is_no_checkout_is_one_line(tmp_path, capsys):
    """Say what it lacks."""
    assert cli.main(["doctor", "--root", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert "is no checkout" in err
    assert err.count("\n") == 1
