"""A network as one ONNX file: the same probabilities, its contract inside, and one line where it cannot be."""

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch

import toys
from pqrst import catalog, estimators, export, exported, networks, predictors
from pqrst.decisions import Calibration
from pqrst.errors import DataError
from pqrst.inference import Crop
from pqrst.parsing import parse
from pqrst.standardisation import Standardisation

BY_ROW = Standardisation("row")
SMALL = {
    "attention_cnn": {"widths": [4, 8], "heads": 2, "hidden": 8},
    "simple_cnn": {"widths": [4], "kernel": 3},
    "rhythm_cnn": {"widths": [4, 4], "kernel": 3},
}


INPUT = replace(toys.CONTRACT.input, shape=(1, 80))


def made(name, classes=3, task="single", standardise=BY_ROW, **more):
    """Build a small untrained network with a contract."""
    module = catalog.load("models", name)
    torch.manual_seed(0)
    settings = parse(module.Params, SMALL[name], "p")
    columns = tuple(getattr(module, "SIDE", ()))
    contract = replace(
        toys.CONTRACT, task=task, classes=tuple("abcdef"[:classes]), model=name,
        model_settings=json.loads(json.dumps(asdict(settings))), input=replace(INPUT, side=columns), standardise=standardise, side=columns,
        standardise_side=Standardisation("train", (0.1,) * len(columns), (2.0,) * len(columns)) if columns else Standardisation("none"),
        calibration=Calibration(1.7, "validation", 5), **more,
    )  # fmt: skip
    return predictors.NetworkPredictor(contract, module.build((1, 80), classes, settings).eval())


def rows(n=9):
    return np.random.default_rng(3).normal(2, 3, (n, 1, 80)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "task", "standardise"),
    [
        ("attention_cnn", "single", BY_ROW),
        ("simple_cnn", "multi", Standardisation("train", (1.5,), (2.5,))),
        ("rhythm_cnn", "single", Standardisation("none")),
    ],
)
def test_the_file_gives_what_the_network_gives(tmp_path, name, task, standardise):
    """Equal to 1e-6, for any number of rows, with standardisation, side columns and calibration inside."""
    predictor = made(name, task=task, standardise=standardise)
    export.write(predictor, tmp_path / "a.onnx")
    loaded = exported.load(tmp_path / "a.onnx")
    side = np.random.default_rng(4).normal(size=(9, len(predictor.contract.side))).astype(np.float32)
    beside = side if predictor.contract.side else None
    assert np.abs(predictor.logits(rows(), beside) - loaded.logits(rows(), beside)).max() < 1e-5
    given = {"rows": rows()} | ({"side": side} if predictor.contract.side else {})
    inside = loaded.session.run(["probabilities"], given)[0]  # what a program without this project reads
    assert np.abs(inside - predictor.probabilities(rows(), beside)).max() < 1e-6
    assert export.parity(predictor, loaded) < 1e-6


@pytest.mark.parametrize("standardise", [BY_ROW, Standardisation("none")])
def test_stored_steps_go_back_to_their_unit_inside_the_file(tmp_path, standardise):
    """Take whole steps, and give what a network without storage gives for the numbers that they stand for."""
    plain = made("simple_cnn", standardise=standardise)
    told = replace(plain.contract, input=replace(INPUT, gain=(200.0,), zero=(1024,)))
    stored = predictors.NetworkPredictor(told, plain.model)
    export.write(stored, tmp_path / "a.onnx")
    loaded, steps = exported.load(tmp_path / "a.onnx"), np.rint(rows() * 200 + 1024)
    mv = ((steps - 1024) / 200).astype(np.float32)
    assert np.abs(loaded.probabilities(steps) - plain.probabilities(mv)).max() < 1e-5
    assert export.parity(stored, loaded) < 1e-6


def drawn(encoding):
    """Build a small network over pictures that are drawn inside it."""
    torch.manual_seed(0)
    plan = SimpleNamespace(
        model="picture_cnn", model_settings={}, frontend="", frontend_settings={}, encoding=encoding,
        encoding_settings={"size": 32},
    )  # fmt: skip
    contract = replace(toys.CONTRACT, classes=("a", "b", "c"), input=replace(INPUT, shape=(1, 500)))
    return predictors.NetworkPredictor(contract, networks.build(plan, (1, 500), 3, 100.0).eval())


@pytest.mark.parametrize("encoding", ["gramian", "markov", "recurrence", "stacked_leads", "stft"])
def test_pictures_are_drawn_alike_inside_the_file(tmp_path, encoding):
    """Keep all that an encoding does to a signal, a spectrogram's floor of 1e-8 included."""
    predictor = drawn(encoding)
    assert export.write(predictor, tmp_path / "a.onnx") < 1e-6


def test_what_onnx_cannot_say_is_one_line(tmp_path):
    """Refuse a transform that the format has no word for, and leave no file."""
    with pytest.raises(DataError, match=r"no ONNX form .*serve its folder"):
        export.write(drawn("cwt"), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_is_not_left(tmp_path, monkeypatch):
    """Compare before the file gets its name."""
    monkeypatch.setattr(export, "parity", lambda _, other: 0.01 * isinstance(other, exported.OnnxPredictor))
    with pytest.raises(DataError, match=r"differs by 1\.0e-02"):
        export.write(made("simple_cnn"), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_contract_travels_in_the_file(tmp_path):
    """Nothing but the file is needed: its metadata hold the contract, and it is valid ONNX without outside data."""
    predictor = made("simple_cnn")
    export.write(predictor, tmp_path / "a.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    onnx.checker.check_model(tmp_path / "a.onnx")
    assert exported.load(tmp_path / "a.onnx").contract == predictor.contract
    assert json.loads(json.dumps(asdict(exported.open_run(tmp_path / "a.onnx").contract)))["classes"] == ["a", "b", "c"]


def flat_and_ordinary():
    """Give a row that is flat, one that never rises above half a thousandth, and an ordinary one."""
    x = rows(3)
    x[0] = 2.0
    x[1] *= 1e-4
    return x


def test_a_flat_lead_stays_finite_in_the_file(tmp_path):
    """Divide by no zero where the network itself does not, though the exporter leaves out a sum of 1e-8."""
    predictor = made("simple_cnn")
    export.write(predictor, tmp_path / "a.onnx")
    found = exported.load(tmp_path / "a.onnx").logits(flat_and_ordinary())
    assert np.isfinite(found).all()
    assert found == pytest.approx(predictor.logits(flat_and_ordinary()), abs=1e-4)


def test_the_file_pools_the_crops_of_a_row(tmp_path):
    """Take the larger logit of the two crops of 50 of 80 samples, after the whole row is standardised."""
    small = made("simple_cnn", task="multi", crop=Crop(50, 30, "max"))
    export.write(small, tmp_path / "a.onnx")
    whole = torch.from_numpy(rows())
    scaled = (whole - whole.mean(2, keepdim=True)) / whole.std(2, keepdim=True, correction=0)
    with torch.inference_mode():
        expected = torch.maximum(small.model(scaled[..., :50]), small.model(scaled[..., 30:]))
    assert exported.load(tmp_path / "a.onnx").logits(rows()) == pytest.approx(expected.numpy(), abs=1e-5)


def test_no_rows_give_no_answers(tmp_path):
    """An empty batch has the classes' width."""
    export.write(made("simple_cnn"), tmp_path / "a.onnx")
    assert exported.load(tmp_path / "a.onnx").logits(rows(0)).shape == (0, 3)


def test_a_run_that_is_no_network_is_refused(tmp_path):
    """Trees have no graph."""
    trees = estimators.EstimatorPredictor(replace(made("simple_cnn").contract, run="trees"), None)
    with pytest.raises(DataError, match="run trees is no network"):
        export.write(trees, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_export_is_one_line(tmp_path):
    """A missing file, junk, and an ONNX file of another maker are told apart."""
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    ])  # fmt: skip
    opset = [onnx.helper.make_opsetid("", export.OPSET)]
    onnx.save(onnx.helper.make_model(graph, ir_version=10, opset_imports=opset), tmp_path / "other.onnx")
    for name, said in (
        ("no", "is missing"),
        ("junk", "holds no SHA-256 of its own"),
        ("other", "holds no SHA-256 of its own"),
    ):
        with pytest.raises(DataError, match=said) as caught:
            exported.open_run(tmp_path / f"{name}.onnx")
        assert "\n" not in str(caught.value)
