"""Sums of what was written: one byte that differs is refused before anything reads it, and a pin holds against who can write all."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import set_external_data

import toys
from pqrst import artifact, cli, export, exported, seals
from pqrst.errors import DataError, PqrstError, SettingsError


@pytest.fixture(scope="module")
def made(untrained_attention, tmp_path_factory):
    """Save a small network once, as a run and as ONNX."""
    run, file = untrained_attention(720, 360), tmp_path_factory.mktemp("onnx") / "a.onnx"
    export.write(artifact.load(run), file)
    return run, file


@pytest.fixture
def run(made, tmp_path):
    """Give a copy of the folder of its one seed, to be changed."""
    return Path(shutil.copytree(made[0] / "seed-17", tmp_path / "run" / "seed-17"))


@pytest.fixture
def file(made, tmp_path):
    """Give a copy of the ONNX file, to be changed."""
    return Path(shutil.copyfile(made[1], tmp_path / "a.onnx"))


def refused(place, **more):
    """Give the one line with which a run is refused."""
    with pytest.raises(PqrstError) as caught:
        exported.open_run(place, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def flip(file, place):
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["weights.safetensors", "contract.json", "contract.sha256"])
def test_one_bit_anywhere_is_refused(run, name):
    """Of the first byte, the last and one between, in each file that decides what is answered."""
    size = (run / name).stat().st_size
    for place in (0, size // 3, size - 1) if name != "contract.sha256" else (0, 63):
        flip(run / name, place)
        assert "is not what was written" in (said := refused(run)) or "holds no SHA-256" in said, said
        flip(run / name, place)
    assert exported.open_run(run)


def test_weights_of_another_run_are_refused(run):
    """They fit by name and shape, and are not those that the contract was written with."""
    network = artifact.load(run).model
    file = run / artifact.WEIGHTS
    file.write_bytes(
        artifact.of_network({name: (2 * one).contiguous() for name, one in network.state_dict().items()})[file.name]
    )
    assert "weights.safetensors is not what was written: its SHA-256 is" in refused(run)


def test_the_sums_are_those_of_the_usual_tool(run):
    """One line, which sha256sum --check reads."""
    content = (run / "contract.json").read_bytes()
    assert (run / "contract.sha256").read_text() == f"{hashlib.sha256(content).hexdigest()}  contract.json\n"
    weights = hashlib.sha256((run / "weights.safetensors").read_bytes()).hexdigest()
    assert artifact.read_contract(run).files == {"weights.safetensors": weights}


def test_a_run_without_its_sum_is_refused(run):
    """Nobody gets around a sum by taking it away."""
    (run / "contract.sha256").unlink()
    assert refused(run).endswith("contract.sha256 is missing; copy the run again, or train it anew")
    toys.sealed(run, files={})
    assert "weights.safetensors is not what was written" in refused(run)


def test_a_pin_holds_where_all_sums_were_written_anew(run):
    """Who can write every file of a run passes its own sums, and not the one that the user brought."""
    pin = hashlib.sha256((run / "contract.json").read_bytes()).hexdigest()
    assert exported.open_run(run, pin=pin)
    assert exported.open_run(run.parent, pin=pin.upper())
    flip(run / "weights.safetensors", -1)
    toys.sealed(run)
    assert exported.open_run(run)
    assert "which is not the one asked for" in refused(run, pin=pin)


@pytest.mark.parametrize("pin", ["ab", "g" * 64, "a" * 63, " " * 64])
def test_a_pin_that_is_none_is_refused(run, pin):
    """A sum cut short would pin nothing."""
    with pytest.raises(SettingsError, match="must be 64 hexadecimal digits"):
        exported.open_run(run, pin=pin)


def test_the_command_line_takes_a_pin(run, tmp_path, capsys):
    """A wrong one is one line and status 1, of every command that opens a run."""
    (tmp_path / "a.csv").write_text("# fs=360 units=mV\nMLII\n1\n2\n")
    told = ["--model", str(run), "--sha256", "0" * 64]
    commands = (["predict", str(tmp_path / "a.csv")], ["explain", str(tmp_path / "a.csv")], ["serve"])
    for command in (*commands, ["export", "--onnx", str(tmp_path / "x.onnx")]):
        assert cli.main([*command, *told]) == 1
        assert "which is not the one asked for" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()


def test_an_exported_file_holds_its_own_sum(file):
    """One bit anywhere is refused; a pin is the sum of the whole file."""
    size = file.stat().st_size
    for place in (0, size // 4, size // 2, size - 1):
        flip(file, place)
        assert "is not what was written" in (said := refused(file)) or "holds no SHA-256" in said, said
        flip(file, place)
    assert exported.load(file, pin=hashlib.sha256(file.read_bytes()).hexdigest())
    assert "which is not the one asked for" in refused(file, pin="0" * 64)


def test_a_file_with_two_sums_is_refused(file):
    """A second place for it would leave the first unheld."""
    file.write_bytes(file.read_bytes() + exported.MARK + b"0" * 64)
    assert "holds no SHA-256 of its own" in refused(file)


def resealed(file, model):
    """Write an ONNX model with its sum, as somebody does who knows how."""
    del model.metadata_props[[one.key for one in model.metadata_props].index(exported.SUM)]
    model.metadata_props.add(key=exported.SUM, value="0" * 64)
    file.write_bytes(seals.seal(model.SerializeToString(), exported.MARK))


def test_an_exported_file_names_no_other_file(file, tmp_path):
    """Weights that lie in a file of somebody's choice are not fetched from there."""
    (tmp_path / "secret").write_bytes(bytes(1 << 20))
    for place in ("secret", "../secret", str(tmp_path / "secret")):
        model = onnx.load(file)
        one = next(tensor for tensor in model.graph.initializer if tensor.raw_data)
        set_external_data(one, place, length=len(one.raw_data))
        one.ClearField("raw_data")
        resealed(tmp_path / "b.onnx", model)
        assert "is no ONNX file that can be read" in refused(tmp_path / "b.onnx"), place


@pytest.mark.parametrize("told", ["", "{", "[" * 100_000, "[]", '{"schema": 1}'])
def test_a_contract_in_a_file_is_checked_as_any(file, tmp_path, told):
    """No JSON, or another schema, is one line though the sum is right."""
    model = onnx.load(file)
    next(one for one in model.metadata_props if one.key == exported.KEY).value = told
    resealed(tmp_path / "b.onnx", model)
    assert "is not JSON" in (said := refused(tmp_path / "b.onnx")) or "has schema" in said


def test_a_place_that_is_taken_gets_no_sum():
    """A sum is written over zeros alone."""
    with pytest.raises(DataError, match="the place of the sum is taken"):
        seals.seal(b"mark" + b"1" * 64, b"mark")


def test_answers_are_those_from_before_the_sum(run, file):
    """Sealing changes no number."""
    rows = np.random.default_rng(0).normal(size=(3, 1, 720)).astype(np.float32)
    assert np.abs(exported.load(file).probabilities(rows) - artifact.load(run).probabilities(rows)).max() < 1e-6
