"""A trained run scored on test rows: predictions by row, the headline, and the figures."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax

import toys
from pqrst import artifact, audit, evaluation, operating, scores, scoring, sides
from pqrst.arrays import Writer, read
from pqrst.files import digest
from pqrst.models import simple_cnn
from pqrst.opened import open_parts
from pqrst.params import Split
from pqrst.standardisation import Standardisation
from toys import BEATS, KAGGLE

SAMPLES, CLASSES, WANTED = 16, BEATS.classes, ("f1_macro", "specificity_macro")
PNG = b"\x89PNG\r\n\x1a\n"
CURVES = ("roc", "precision_recall", "confusion", "reliability", "shares")


def write_data(folder):
    """Write 60 beats, every third of them a test row, and their split."""
    y, x = np.arange(60) % 7 % 3, np.random.default_rng(0).normal(0, 1, (60, 1, SAMPLES))
    told = pd.DataFrame({"record": [f"r{n}" for n in range(60)], "patient": "p", "start": range(60), "quality": ""})
    told["fold_kaggle"] = np.where(np.arange(60) % 3 == 1, "test", "train")
    with Writer(folder / "x", (1, SAMPLES), "float32") as writer:
        writer.add(x, y, told)
        writer.finish(BEATS)
    sides.write(read(folder / "x"), "kaggle", KAGGLE, folder / "split")
    return open_parts(folder / "x", folder / "split", [""])[""]


def write_member(folder, seed, opened):
    """Save a network of one seed, as training would."""
    torch.manual_seed(seed)
    model = simple_cnn.build((1, SAMPLES), 3, simple_cnn.Params(widths=(6,), kernel=3))
    contract = replace(
        toys.CONTRACT, system="heartbeat", seed=seed, classes=CLASSES, model_settings={"widths": [6], "kernel": 3},
        input=opened.bundle.meta.form, standardise=Standardisation("row"), split="kaggle", best_epoch=2,
        provenance={"synthetic": True, "dataset": "beats", "digest": opened.digest},
    )  # fmt: skip
    history = [
        {
            "epoch": n,
            "train_loss": 1 / n,
            "validation_loss": 1.1 / n,
            "validation_accuracy": n / 3,
            "validation_f1_macro": n / 7,
        }
        for n in (1.0, 2.0)
    ]
    artifact.save(folder / artifact.member(seed), contract, artifact.of_network(model.state_dict()), history)


def score(folder, trained, opened):
    """Evaluate into a folder."""
    to = scoring.Places(folder / "scores", folder / "plots", folder / "headline.json")
    return scoring.evaluate(trained, {"": opened}, WANTED, to)


@pytest.fixture(scope="module", autouse=True)
def audited():
    """Let the networks of this module pass, which nobody trained: what is refused is tested in test_audit.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "check", lambda predictor, opened, *_: audit.Audited(
            "seen", audit.answers(predictor, opened.bundle, opened.sides.choosing())))  # fmt: skip
        yield


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, opened):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    for seed in (9, 10):
        write_member(folder, seed, opened)
    return folder


@pytest.fixture(scope="module")
def scored(tmp_path_factory, trained, opened):
    """Evaluate once."""
    folder = tmp_path_factory.mktemp("scored")
    score(folder, trained, opened)
    return folder


@pytest.mark.parametrize("seed", [9, 10])
def test_predictions_line_up_with_the_rows(scored, trained, opened, seed):
    """Give for each test row number what the network says of that row alone, after one softmax."""
    folder, predictor = scored / "scores" / f"seed-{seed}", artifact.load(trained / f"seed-{seed}")
    rows, probability = np.load(folder / "rows.npy"), np.load(folder / "probabilities.npy")
    assert rows.tolist() == list(range(1, 60, 3))
    assert set(opened.bundle.rows["fold_kaggle"][rows]) == {"test"}
    alone = np.concatenate([predictor.logits(opened.bundle.x[[row]]) for row in rows])
    assert probability == pytest.approx(softmax(alone, axis=1), abs=1e-6)
    assert np.load(folder / "predictions.npy").tolist() == probability.argmax(1).tolist()


def test_the_detail_counts_the_test_rows(scored, opened):
    """Score true labels of the test rows only, and say whom train and test share."""
    told = json.loads((scored / "scores" / "seed-9" / "scores.json").read_text())
    labels, said = (
        opened.bundle.y[opened.sides.rows("test")],
        np.load(scored / "scores" / "seed-9" / "predictions.npy"),
    )
    assert told["confusion"] == scores.confusion(labels, said, 3).tolist()
    assert told["scores"]["accuracy"] == (labels == said).mean()
    assert set(told["scores"]) == {*WANTED, *evaluation.HEADLINE}
    assert (told["rows"], told["leak"]) == (20, "1 of 1 patients on both sides")
    assert told["gate"] == f"{opened.sides.gate}; seen"
    assert "1 of 1 subjects" in told["gate"]


def test_the_headline_is_small_flat_and_marked(scored):
    """Hold the four scores as numbers and the mark of made-up recordings, and nothing else."""
    told = json.loads((scored / "headline.json").read_text())
    assert list(told) == [*evaluation.HEADLINE, "synthetic"]
    assert told.pop("synthetic") is True
    assert all(type(value) is float for value in told.values())


def test_the_headline_is_the_mean_over_seeds(scored):
    """Average both seeds, whose scores differ."""
    each = [json.loads((scored / "scores" / f"seed-{seed}" / "scores.json").read_text())["scores"] for seed in (9, 10)]
    assert each[0]["accuracy"] != each[1]["accuracy"]
    told = json.loads((scored / "headline.json").read_text())
    for name in evaluation.HEADLINE:
        assert told[name] == pytest.approx((each[0][name] + each[1][name]) / 2, abs=1e-6)


def test_scoring_twice_gives_the_same_bytes(scored, trained, opened, tmp_path):
    """Write the same scores, figures and headline again."""
    score(tmp_path, trained, opened)
    assert digest(tmp_path) == digest(scored)


def test_figures_are_png_with_their_tables(scored):
    """Draw seven pictures, and give the numbers of five of them as tables."""
    plots = {path.name for path in (scored / "plots").iterdir()}
    assert plots == {
        *(f"{name}.png" for name in (*CURVES, "learning", "examples")),
        *(f"{name}.csv" for name in CURVES),
    }
    assert all(path.read_bytes().startswith(PNG) for path in (scored / "plots").glob("*.png"))


def test_the_curves_are_those_of_the_lowest_seed(scored, opened):
    """Draw seed 9, not seed 10, though its name sorts behind."""
    probability = np.load(scored / "scores" / "seed-9" / "probabilities.npy")
    expected = evaluation.roc(opened.bundle.y[opened.sides.rows("test")], probability, CLASSES)
    found = pd.read_csv(scored / "plots" / "roc.csv", keep_default_na=False)
    assert found["true_positive_rate"].to_numpy() == pytest.approx(expected["true_positive_rate"].to_numpy(), abs=1e-6)


def detail(folder, trained, opened):
    """Evaluate into a folder, and give what is told of seed 9."""
    score(folder, trained, opened)
    return json.loads((folder / "scores" / "seed-9" / "scores.json").read_text())


def of_people(opened, patients):
    """Give the rows to other patients."""
    return replace(opened, bundle=replace(opened.bundle, rows=opened.bundle.rows.assign(patient=patients)))


def test_each_patient_has_a_matrix(scored, trained, opened, tmp_path):
    """Count true by predicted class of every patient's test rows, in one line of numbers, and change nothing else."""
    people = np.array([f"p{n % 4}" for n in range(60)])
    told = detail(tmp_path, trained, of_people(opened, people))
    rows = np.load(tmp_path / "scores" / "seed-9" / "rows.npy")
    said = np.load(tmp_path / "scores" / "seed-9" / "predictions.npy")
    matrices = {name: np.array(text.split(), int).reshape(3, 3) for name, text in told.pop("by_patient").items()}
    assert list(matrices) == ["p0", "p1", "p2", "p3"]
    for name, matrix in matrices.items():
        for place in np.ndindex(3, 3):
            pairs = zip(people[rows], opened.bundle.y[rows], said, strict=True)
            assert matrix[place] == sum(found == (name, *place) for found in pairs)
    assert sum(matrices.values()).tolist() == told["confusion"]
    one = json.loads((scored / "scores" / "seed-9" / "scores.json").read_text())
    assert one.pop("by_patient") == {"p": " ".join(str(n) for row in told["confusion"] for n in row)}
    assert one == told


def test_unknown_patients_have_no_matrices(trained, opened, tmp_path):
    """Tell nothing by patient as soon as a test row's patient is unknown; train rows do not matter."""
    people = np.where(np.arange(60) == 1, "", "p")
    assert detail(tmp_path / "a", trained, of_people(opened, people))["by_patient"] == {}
    people = np.where(np.arange(60) == 0, "", "p")
    assert list(detail(tmp_path / "b", trained, of_people(opened, people))["by_patient"]) == ["p"]


def test_each_value_of_a_run_is_scored_in_its_folder(trained, opened, tmp_path):
    """Lay the scores of each value below its name, and average the headline over all."""
    for value, seed in (("0.1", 9), ("0.5", 10)):
        shutil.copytree(trained / f"seed-{seed}", tmp_path / "runs" / value / f"seed-{seed}")
    headline = score(tmp_path, tmp_path / "runs", opened)
    found = {file.parent.relative_to(tmp_path / "scores").as_posix(): json.loads(file.read_text())["scores"]["accuracy"]
             for file in (tmp_path / "scores").rglob("scores.json")}  # fmt: skip
    assert set(found) == {"0.1/seed-9", "0.5/seed-10"}
    assert headline["accuracy"] == pytest.approx(np.mean(list(found.values())))


LABELS, RECORDINGS, PIECES = ("AF", "MI", "PVC"), 60, 2
SEVERAL = replace(
    toys.META, dataset="twelve", task="multi", classes=LABELS, leads=("I", "II"),
    window={"cut": "whole", "samples": SAMPLES, "pieces": PIECES},
)  # fmt: skip
FOLDS = Split("official", ("train",), ("test",), held=("validation",))
THRESHOLDS = (0.45, 0.5, 0.55)
DRAWN = ("roc", "precision_recall", "labels", "reliability", "shares")


def write_several(folder):
    """Write sixty recordings of two pieces each, a third of them on each side, the pieces of a recording not in a row."""
    rng, n = np.random.default_rng(1), RECORDINGS * PIECES
    number = np.arange(n) // PIECES
    labels = (rng.random((RECORDINGS, 3)) < (0.3, 0.4, 0.5)).astype(np.int16)[number]
    told = pd.DataFrame(
        {"record": [f"r{place:02d}" for place in number], "patient": [f"p{place // 2}" for place in number]}
    )
    told["start"], told["quality"] = 16 * (np.arange(n) % PIECES), ""
    told["fold_official"] = np.array(["train", "validation", "test"])[number // 20]
    told["about_sex"] = np.array(["male", "female", ""])[number % 3]
    told["about_age"] = [str(20 + place) if place % 5 else "" for place in number]
    with Writer(folder / "x", (2, SAMPLES), "float32") as writer:
        writer.add(rng.normal(0, 1, (n, 2, SAMPLES)), labels, told)
        writer.finish(SEVERAL)
    for part in ("one", "two"):
        held = FOLDS if part == "one" else replace(FOLDS, test=("validation",), held=("test",))
        sides.write(read(folder / "x"), f"official/{part}", held, folder / "split" / part)
    return open_parts(folder / "x", folder / "split", ["one", "two"])


def write_parts(folder, parts):
    """Save a network for each part, as training would."""
    for part, opened in parts.items():
        torch.manual_seed(3)
        model = simple_cnn.build((2, SAMPLES), 3, simple_cnn.Params(widths=(6,), kernel=3))
        contract = replace(
            toys.CONTRACT, run="several", seed=9, task="multi", classes=LABELS, model_settings={"widths": [6], "kernel": 3},
            input=opened.bundle.meta.form, standardise=Standardisation("row"), split="official", value=part, part=part,
            provenance={"synthetic": True, "dataset": "twelve", "digest": opened.digest},
            thresholds=THRESHOLDS, thresholds_by="f1",
        )  # fmt: skip
        artifact.save(folder / artifact.member(9, part), contract, artifact.of_network(model.state_dict()), [])


@pytest.fixture(scope="module")
def by_parts(tmp_path_factory):
    """Score a run over two parts once: the folder, what the parts hold, the trained run."""
    folder = tmp_path_factory.mktemp("parts")
    parts = write_several(folder)
    write_parts(folder / "runs", parts)
    to = scoring.Places(folder / "scores", folder / "plots", folder / "headline.json")
    scoring.evaluate(folder / "runs", parts, [*WANTED, "recall_micro", "hamming_loss"], to)
    return folder, parts


def of_part(by_parts, part="one"):
    folder, parts = by_parts
    place = folder / "scores" / part / "seed-9"
    return place, json.loads((place / "scores.json").read_text()), parts[part]


def test_a_run_names_the_parts_that_it_learned(by_parts):
    """Read them from the contracts, in the order of the folders."""
    assert scoring.parts_of(by_parts[0] / "runs") == ["one", "two"]


def test_pieces_of_a_recording_are_averaged(by_parts):
    """Give each recording one answer: the mean over its pieces, beside the number of its first row."""
    place, told, opened = of_part(by_parts)
    predictor = artifact.load(by_parts[0] / "runs" / "one" / "seed-9")
    rows = opened.sides.rows("test")
    single = predictor.probabilities(np.array(opened.bundle.x[rows]))
    assert np.load(place / "rows.npy").tolist() == rows[::2].tolist()
    assert np.load(place / "probabilities.npy") == pytest.approx((single[::2] + single[1::2]) / 2, abs=1e-6)
    assert told["rows"] == 20
    assert pd.read_csv(place / "rows.csv")["record"].tolist() == [f"r{n}" for n in range(40, 60)]
    assert np.array_equal(np.load(place / "labels.npy"), opened.bundle.y[rows[::2]])


def test_labels_are_decided_by_the_runs_thresholds(by_parts):
    """Claim from each label's own threshold on, and score what is claimed."""
    place, told, opened = of_part(by_parts)
    probability, said = np.load(place / "probabilities.npy"), np.load(place / "predictions.npy")
    assert np.array_equal(said, probability >= np.array(THRESHOLDS, np.float32))
    labels = opened.bundle.y[np.load(place / "rows.npy")]
    assert told["scores"]["hamming_loss"] == pytest.approx((said != labels).mean())
    assert told["scores"]["accuracy"] == pytest.approx((said == labels).all(axis=1).mean())
    assert (told["thresholds"], told["thresholds_by"]) == ([*THRESHOLDS], "f1")
    assert told["confusion"] is None
    assert told["by_patient"] == {}


def test_several_labels_have_intervals_and_subgroups(by_parts):
    """Tell the interval of each main score over patients, and the scores of each sex and age, unknown ones too."""
    _, told, _ = of_part(by_parts)
    assert set(told["intervals"]) == set(evaluation.INTERVALS) - {"challenge_2021"}
    for name, found in told["intervals"].items():
        assert found["low"] <= found["point"] <= found["high"]
        if name in told["scores"]:
            assert found["point"] == pytest.approx(told["scores"][name])
    groups = {(one["by"], one["group"]): one["rows"] for one in told["subgroups"]}
    sexes = [groups["sex", name] for name in ("male", "female", "unknown")]
    assert (sum(sexes), min(sexes)) == (20, 6)
    assert groups["age", "unknown"] == 4
    assert sum(rows for (by, _), rows in groups.items() if by == "age") == 20


def test_operating_points_are_chosen_on_validation_recordings_and_measured_on_test_recordings(by_parts):
    """Give each label's threshold of three sensitivities, of the means over pieces, and what it costs on the test side."""
    place, _, opened = of_part(by_parts)
    table = pd.read_csv(place / "operating.csv")
    assert len(table) == 3 * len(operating.SENSITIVITIES)
    assert set(table["target"]) == set(operating.SENSITIVITIES)
    rows = opened.sides.rows("validation")
    predictor = artifact.load(by_parts[0] / "runs" / "one" / "seed-9")
    single = predictor.probabilities(np.array(opened.bundle.x[rows]))
    chosen = (single[::2].astype(float) + single[1::2]) / 2
    expected = operating.thresholds_at(opened.bundle.y[rows[::2]], chosen, 0.9)
    assert table[table["target"] == 0.9]["threshold"].to_numpy() == pytest.approx(expected, rel=1e-4)
    labels = opened.bundle.y[np.load(place / "rows.npy")]
    assert table["rows"].tolist() == labels.sum(axis=0).tolist() * 3


def test_each_part_is_scored_on_its_own_test_rows(by_parts):
    """Score part two on the recordings by which part one was chosen, and say so."""
    one, two = (of_part(by_parts, part) for part in ("one", "two"))
    assert two[1]["part"] == "two"
    assert np.load(two[0] / "rows.npy").tolist() == one[2].sides.rows("validation")[::2].tolist()
    assert set(np.load(one[0] / "rows.npy")) & set(np.load(two[0] / "rows.npy")) == set()


def test_figures_of_several_labels_are_drawn(by_parts):
    """Draw curves, the F1 of each label and how far probabilities can be believed, with their numbers as tables."""
    plots = by_parts[0] / "plots"
    pictures = {"roc", "precision_recall", "f1", "reliability", "shares", "examples"}
    assert {path.stem for path in plots.glob("*.png")} == pictures
    assert {path.stem for path in plots.glob("*.csv")} == set(DRAWN)
    assert all(path.read_bytes().startswith(PNG) for path in plots.glob("*.png"))
    assert pd.read_csv(plots / "labels.csv")["class"].tolist() == list(LABELS)
    assert set(pd.read_csv(plots / "reliability.csv")["class"]) == {operating.POOLED, *LABELS}


def test_scoring_parts_twice_gives_the_same_bytes(by_parts, tmp_path):
    """Write the same scores, tables and figures again."""
    folder, parts = by_parts
    to = scoring.Places(tmp_path / "scores", tmp_path / "plots", tmp_path / "headline.json")
    scoring.evaluate(folder / "runs", parts, [*WANTED, "recall_micro", "hamming_loss"], to)
    assert digest(tmp_path / "scores") == digest(folder / "scores")
    assert digest(tmp_path / "plots") == digest(folder / "plots")


def test_the_headline_is_over_what_is_defined():
    """A part without a class on both sides leaves the mean of the others, and none leaves nothing."""
    assert scoring._mean([float("nan"), 0.5, 0.7]) == pytest.approx(0.6)
    assert np.isnan(scoring._mean([float("nan")]))


def test_the_course_of_a_training_is_told(scored):
    """Give both validation scores by epoch, to four digits, from the history; and that no picture was drawn."""
    told = json.loads((scored / "scores" / "seed-9" / "scores.json").read_text())
    assert told["course"] == {"accuracy": [0.3333, 0.6667], "f1_macro": [0.1429, 0.2857]}
    assert told["pictures"] is False
    assert (told["frontend"], told["frontend_settings"], told["encoding"], told["weights"]) == ("", {}, "", "")


def test_a_training_without_a_history_has_no_course(by_parts):
    """Tell nothing of epochs where there were none, as of a forest."""
    assert of_part(by_parts)[1]["course"] == {}


@pytest.mark.parametrize(
    ("more", "pictures"),
    [
        ({"encoding": "lead_rows", "encoding_settings": {"size": 8}, "weights": "ab"}, True),
        ({"frontend": "icwa", "frontend_settings": {"mode": "se"}}, False),
        ({"stored": "lead_rows"}, True),
    ],
)
def test_what_a_network_saw_is_told(trained, opened, tmp_path, monkeypatch, more, pictures):
    """Tell frontend, encoding and first weights, and whether pictures were seen, drawn in the batch or stored."""
    real = artifact.load

    def load(folder, *rest):
        predictor = real(folder, *rest)
        given = {key: value for key, value in more.items() if key != "stored"}
        inside = replace(predictor.contract.input, encoding=more.get("stored", ""))
        return replace(predictor, contract=replace(predictor.contract, input=inside, **given))

    monkeypatch.setattr(artifact, "load", load)
    told = detail(tmp_path, trained, opened)
    assert told["pictures"] is pictures
    assert {key: told[key] for key in more if key != "stored"} == {key: more[key] for key in more if key != "stored"}
