"""A trained run as a folder: it comes back to the bit, says all that is needed, and refuses what it cannot be."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import toys
from pqrst import artifact, contracts
from pqrst.errors import DataError, PqrstError
from pqrst.files import digest
from pqrst.inference import Crop, logits
from pqrst.models import coupled_cnn
from pqrst.standardisation import Standardisation, decoded, standardise
from toys import COUPLED, coupled, few_rows, sealed, sealed_text

SHAPE, CLASSES = COUPLED.input.shape, COUPLED.classes
INPUT = replace(COUPLED.input, window={"tail": 0.2})
CONTRACT = replace(COUPLED, input=INPUT, provenance={"synthetic": True, "dataset": "beats", "digest": "ab"})
HISTORY = [{"epoch": 1.0, "lr": 0.1, "seconds": 3.3, "samples_per_second": 7.0},
           {"epoch": 2.0, "lr": 0.01, "seconds": 4.4, "samples_per_second": 8.0}]  # fmt: skip


def save(folder, contract=CONTRACT):
    artifact.save(folder, contract, artifact.of_network(coupled().state_dict()), HISTORY)
    return folder


@pytest.fixture
def saved(tmp_path):
    """Save a trained network."""
    return save(tmp_path / "tiny" / "seed-9")


def refused(folder):
    """Give the one line with which a folder is refused."""
    with pytest.raises(PqrstError) as caught:
        artifact.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_saved_network_gives_the_same_logits(saved):
    """Give after loading what the network gave before, bit for bit."""
    expected = logits(
        coupled(), (standardise(decoded(torch.from_numpy(few_rows()), INPUT.steps), CONTRACT.standardise),)
    )
    assert np.array_equal(artifact.load(saved).logits(few_rows()), expected.numpy())


def test_the_contract_comes_back_as_it_was(saved):
    """Read the same contract, with its tuples."""
    found = artifact.load(saved).contract
    assert replace(found, files={}) == CONTRACT
    assert list(found.files) == ["weights.safetensors"]


def test_the_contract_says_all_that_is_needed(saved):
    """Hold schema, classes, input, standardisation and provenance as plain JSON."""
    told = json.loads((saved / "contract.json").read_text())
    assert set(told) == set(asdict(CONTRACT))
    assert told["schema"] == contracts.SCHEMA
    assert told["classes"] == ["N", "S", "V"]
    assert told["input"] == {
        "shape": [2, 16], "axes": ["row", "lead", "time"], "fs": 120.0, "leads": ["MLII", "V1"], "units": "mV",
        "gain": [200.0, 200.0], "zero": [1024, 1024], "side": [], "lead_names": [], "window": {"tail": 0.2},
        "encoding": "", "encoding_settings": {},
    }  # fmt: skip
    assert told["standardise"] == {"kind": "row", "mean": [], "deviation": []}
    assert told["provenance"]["synthetic"] is True


def test_nothing_in_the_folder_tells_when_or_where(saved, tmp_path):
    """Write no path and no time: neither this folder's name nor how long an epoch took."""
    text = b"".join(path.read_bytes() for path in saved.iterdir())
    assert str(tmp_path).encode() not in text
    assert b"seconds" not in text
    assert (saved / "history.csv").read_text() == "epoch,lr\n1,0.1\n2,0.01\n"


def test_saving_twice_gives_the_same_bytes(tmp_path):
    """Write the same folder again, also over the one before."""
    first = digest(save(tmp_path / "a"))
    assert digest(save(tmp_path / "b")) == digest(save(tmp_path / "a")) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_network_over_crops_comes_back_as_one(tmp_path):
    """Size it for its crop, and give a row the mean of the crops at 0, 4 and 8."""
    contract = replace(CONTRACT, crop=Crop(8, 4, "mean"), part="all", thresholds=(0.25,), thresholds_by="youden")
    torch.manual_seed(4)
    p = coupled_cnn.Params(widths=(4, 6), kernel=3, dense_widths=(8,))
    model = coupled_cnn.build((2, 8), 3, p).eval()
    artifact.save(tmp_path / "run", contract, artifact.of_network(model.state_dict()), HISTORY)
    found = artifact.load(tmp_path / "run")
    assert replace(found.contract, files={}) == contract
    x = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        scaled = standardise(decoded(x, INPUT.steps), Standardisation("row"))
        expected = torch.stack([model(scaled[..., start : start + 8]) for start in (0, 4, 8)]).mean(0)
    assert found.logits(x.numpy()) == pytest.approx(expected.numpy(), abs=1e-6)


def test_a_run_gives_its_lowest_seed(tmp_path):
    """Take seed 9 before seed 10, and list them so."""
    for seed in (10, 9, 11):
        save(tmp_path / artifact.member(seed), replace(CONTRACT, seed=seed))
    assert [path.name for path in artifact.members(tmp_path)] == ["seed-9", "seed-10", "seed-11"]
    assert artifact.load(tmp_path).contract.seed == 9


@pytest.mark.parametrize(
    ("seed", "value", "name"), [(9, "", "seed-9"), (9, "0.5", "0.5/seed-9"), (-1, "adam", "adam/seed--1")]
)
def test_a_member_is_named_by_seed_and_value(seed, value, name):
    """Put the seed below the value that the run is made over, where there is one."""
    assert artifact.member(seed, value) == name


def test_members_are_listed_by_value_and_seed(tmp_path):
    """List the seeds of each value from the lowest, value after value; load the first seed of one, never of several."""
    for value in ("0.5", "0.1"):
        for seed in (10, 9):
            save(tmp_path / artifact.member(seed, value), replace(CONTRACT, seed=seed, value=value))
    found = [folder.relative_to(tmp_path).as_posix() for folder in artifact.members(tmp_path)]
    assert found == ["0.1/seed-9", "0.1/seed-10", "0.5/seed-9", "0.5/seed-10"]
    with pytest.raises(DataError, match=f"^{tmp_path} holds networks of 2 values; name one, such as {tmp_path}/0.1$"):
        artifact.load(tmp_path)
    loaded = artifact.load(tmp_path / "0.5").contract
    assert (loaded.value, loaded.seed) == ("0.5", 9)


@pytest.mark.parametrize("kept", ["value", "kind", "side", "standardise_side", "train", "epochs"])
def test_a_contract_of_a_run_without_values_may_leave_them_out(saved, kept):
    """Read a contract that was written before the key existed."""
    sealed(saved, **{kept: None})
    assert getattr(artifact.read_contract(saved), kept) == getattr(CONTRACT, kept)


def test_a_half_written_network_is_no_member(saved):
    """Pass by the temporary folder of a save that was killed."""
    save(saved.parent / "seed-8.partial")
    assert artifact.members(saved.parent) == [saved]


def test_a_folder_without_a_network_is_refused(tmp_path):
    """Say so of an empty and of a missing folder, with the next step."""
    assert refused(tmp_path).endswith("holds no contract.json, so it is no trained run; train it with `dvc repro`")
    assert "nowhere holds no contract.json" in refused(tmp_path / "nowhere")


def test_missing_weights_are_refused(saved):
    """Name the file that is missing."""
    (saved / "weights.safetensors").unlink()
    assert refused(saved) == f"{saved}/weights.safetensors is missing; train the run anew"


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 200])
def test_damaged_weights_are_refused(saved, content):
    """Name the file that is damaged."""
    (saved / "weights.safetensors").write_bytes(content)
    sealed(saved)
    assert refused(saved).startswith(f"{saved}/weights.safetensors is damaged (")


def test_weights_cut_in_half_are_refused(saved):
    """Name the file that ends too early."""
    file = saved / "weights.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    sealed(saved)
    assert "is damaged" in refused(saved)


def test_weights_of_another_network_are_refused(saved):
    """Say that contract and weights do not fit."""
    sealed(saved, model_settings=COUPLED.model_settings | {"widths": [4, 7]})
    assert "does not fit the network that contract.json names" in refused(saved)


@pytest.mark.parametrize("text", ["", "{", "\x00\x01", "[" * 100_000])
def test_a_contract_that_is_no_json_is_refused(saved, text):
    """Name the file that is no JSON."""
    sealed_text(saved, text)
    assert refused(saved).startswith(f"{saved}/contract.json is not JSON (")


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": 99}'])
def test_an_unknown_schema_is_refused(saved, text):
    """Say which schema was found and which this version reads."""
    sealed_text(saved, text)
    said = refused(saved)
    assert said.startswith(f"{saved}/contract.json has schema ")
    assert said.endswith("train the run anew")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"colour": "red"}, "contract.json.colour is not a setting"),
        ({"seed": None}, "contract.json.seed is missing; it must be int"),
        ({"seed": "nine"}, "contract.json.seed must be int, got 'nine'"),
        ({"classes": "NSV"}, "contract.json.classes must be a list of text, got 'NSV'"),
        ({"standardise": {"kind": "median"}}, "contract.json.standardise.kind must be one of none, row, train"),
        ({"input": {}}, "contract.json.input.shape is missing; it must be a list of int"),
        ({"input": {"shape": ["2", 16]}}, "contract.json.input.shape[0] must be int, got '2'"),
        ({"model": "couple_cnn"}, "there is no model 'couple_cnn'; did you mean coupled_cnn?"),
        ({"model_settings": {"kernal": 3}}, "contract.json: models.coupled_cnn.kernal is not a setting; did you mean kernel?"),
    ],
)  # fmt: skip
def test_a_contract_that_breaks_its_form_is_refused(saved, values, line):
    """Say in one line which key is too many, missing, or of the wrong type."""
    sealed(saved, **values)
    assert line in refused(saved)


@pytest.mark.parametrize("widths", [[10**10], [2**62]])
def test_a_network_that_cannot_be_built_is_one_line(tmp_path, widths):
    """Settings of a tampered contract that fit no layer, or no memory."""
    contract = replace(toys.CONTRACT, model="simple_cnn", model_settings={"widths": widths, "kernel": 3})
    artifact.save(tmp_path / "seed-1", contract, {artifact.WEIGHTS: b""}, [])
    with pytest.raises(PqrstError) as caught:
        artifact.load(tmp_path / "seed-1")
    assert str(caught.value).endswith("train the run anew")
