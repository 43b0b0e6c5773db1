"""Two runs held against each other: known differences, and refusals of what cannot be compared."""

import json

import numpy as np
import pytest

from pqrst import cli, comparison, label_intervals, results
from pqrst.files import write_json

PATIENTS, BEATS = 12, 50
CLASSES = ("N", "S")
REAL = {"synthetic": False}


def matrices(right):
    """Give each patient's matrix as text: so many of its beats of N right, and one beat of S right."""
    return {f"p{number:02d}": f"{hits} {BEATS - hits} 0 1" for number, hits in enumerate(right)}


def told(seed, right, **more):
    """Give what evaluation tells of one seed of a single-label run."""
    people = matrices(right)
    total = np.array([text.split() for text in people.values()], int).sum(axis=0).reshape(2, 2)
    return {
        "seed": seed, "scores": {"accuracy": float(total.trace() / total.sum())}, "provenance": REAL, "classes": list(CLASSES),
        "confusion": total.tolist(), "by_patient": people, "schema": 2, "gate": "",
    } | more  # fmt: skip


def scored(root, name, rights, **more):
    """Write the scores of a run of family `tests`, a list of hits by patient for each seed; give their folder."""
    folder = root / "data/scores/tests" / name
    for seed, right in enumerate(rights):
        write_json(folder / f"seed-{seed}/scores.json", told(seed, right, **more))
        np.save(folder / f"seed-{seed}/rows.npy", np.arange(PATIENTS * (BEATS + 1)))
    return folder


def labelled(root, name, labels, probability, patients=None):
    """Write the scores of one seed of a multi-label run; give their folder."""
    folder, decided = root / "data/scores/tests" / name, (probability > 0.5).astype(np.int16)
    more = {"provenance": REAL, "classes": ["a", "b"], "by_patient": {}, "confusion": None, "schema": 2, "gate": ""}
    areas = {"auroc_macro": 0.5, "average_precision_macro": 0.5, "f1_macro": 0.5}
    write_json(folder / "seed-1/scores.json", {"seed": 1, "scores": areas, **more})
    for key, array in {"labels": labels.astype(np.int8), "probabilities": probability, "predictions": decided}.items():
        np.save(folder / f"seed-1/{key}.npy", array)
    people = patients or [f"p{row % 9}" for row in range(len(labels))]
    lines = "".join(f"r{row},{patient}\n" for row, patient in enumerate(people))
    (folder / "seed-1/rows.csv").write_text(f"record,patient\n{lines}")
    return folder


def compare(root, one, other, *scores):
    return comparison.compare(comparison.find(str(one), root), comparison.find(str(other), root), scores)


@pytest.fixture
def better(tmp_path):
    """Write a run of two seeds that finds 40 to 45 of 50 beats of each patient."""
    return scored(tmp_path, "better", [[40 + p % 6 for p in range(PATIENTS)]] * 2)


@pytest.fixture
def worse(tmp_path):
    """Write one that finds five beats fewer of each patient."""
    return scored(tmp_path, "worse", [[35 + p % 6 for p in range(PATIENTS)]] * 2)


def test_a_difference_alike_in_all_patients_holds(better, worse, tmp_path):
    """Find 5 of 51 beats in every draw of patients, with the smallest p that 2,000 draws can give."""
    (line,) = compare(tmp_path, better, worse, "accuracy")
    assert (line.difference.point, line.difference.low, line.difference.high) == pytest.approx([5 / 51] * 3)
    assert line.one - line.other == pytest.approx(5 / 51)
    assert line.p == pytest.approx(2 / 2001)
    assert line.holds is True
    (turned,) = compare(tmp_path, worse, better, "accuracy")
    assert turned.difference.point == pytest.approx(-5 / 51)


def test_equal_runs_do_not_differ(better, tmp_path):
    """Find nothing, surely."""
    lines = compare(tmp_path, better, better)
    assert [line.score for line in lines] == list(comparison.OF_MATRIX)
    assert all(line.difference.point == line.difference.low == line.difference.high == 0 for line in lines)
    assert all(line.p == 1 and line.holds is False for line in lines)


def test_p_is_corrected_for_the_number_of_scores(better, worse, tmp_path):
    """Multiply the smallest of two by two, as Holm does."""
    assert compare(tmp_path, better, worse, "accuracy", "f1_of_N")[0].p == pytest.approx(4 / 2001)


def test_one_seed_says_nothing_of_chance_in_training(better, tmp_path):
    """Give the interval by patient, and no verdict."""
    alone = scored(tmp_path, "alone", [[30] * PATIENTS])
    assert {line.holds for line in compare(tmp_path, better, alone)} == {None}


def test_a_run_is_found_by_its_folder_its_scores_its_name_and_what_is_recorded(better, tmp_path):
    """Give the same seeds of each."""
    trained, recorded = tmp_path / "data/runs/better", tmp_path / "metrics/paper/better"
    write_json(trained / "seed-0/contract.json", {})
    for seed in (0, 1):
        write_json(recorded / f"{seed}.json", json.loads((better / f"seed-{seed}/scores.json").read_text()))
    places = [str(better), str(trained), "better", str(recorded)]
    found = [comparison.find(place, tmp_path) for place in places]
    assert [[seed["seed"] for seed in side.seeds] for side in found] == [[0, 1]] * 4
    assert [side.kept for side in found] == [better, better, better, None]
    assert [line.difference.point for line in comparison.compare(found[0], found[3])] == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "rights", "more", "says"),
    [
        ("labels", [[40] * PATIENTS], {"by_patient": matrices([40] * PATIENTS) | {"p00": "40 9 0 2"}}, "on other rows or labels"),
        ("fewer", [[40] * (PATIENTS - 1)], {}, "on other rows or labels"),
        ("classes", [[40] * PATIENTS], {"classes": ["N", "V"]}, "have other classes: N, S; and N, V"),
        ("made up", [[40] * PATIENTS], {"provenance": {"synthetic": True}}, "one was measured on made-up recordings"),
        ("nameless", [[40] * PATIENTS], {"by_patient": {}}, "of one the patients are known, of the other not"),
    ],
)  # fmt: skip
def test_other_rows_are_refused_in_one_line(better, tmp_path, capsys, name, rights, more, says):
    """Compare nothing that was not measured on the same rows with the same labels."""
    other = scored(tmp_path, name, rights, **more)
    assert cli.main(["compare", str(better), str(other)]) == 1
    out, err = capsys.readouterr()
    assert says in err
    assert (out, err.count("\n")) == ("", 1)


def test_rows_are_compared_by_number_where_they_are_kept(better, worse, tmp_path):
    """Refuse other rows of the same patients and classes."""
    np.save(worse / "seed-1/rows.npy", np.arange(PATIENTS * (BEATS + 1)) + 1)
    with pytest.raises(comparison.DataError, match="on other rows or labels"):
        compare(tmp_path, better, worse)


def test_what_was_not_scored_is_told(better, tmp_path):
    """Say what to do, name a value where there are several, and the scores that there are."""
    for value in ("a", "b"):
        scored(tmp_path, f"several/{value}", [[40] * PATIENTS])
    write_json(tmp_path / "data/runs/raw/seed-0/contract.json", {})
    write_json(tmp_path / "elsewhere/seed-0/contract.json", {})
    for given, says in {
        "nothing": "is no run that was scored",
        str(tmp_path / "data/scores/tests/several"): "scored for 2 values; name one",
        str(tmp_path / "data/runs/raw"): "has no scores under data/scores of its checkout",
        str(tmp_path / "elsewhere"): "has no scores under data/scores of its checkout",
    }.items():
        with pytest.raises(comparison.DataError, match=says):
            comparison.find(given, tmp_path)
    with pytest.raises(comparison.SettingsError, match="did you mean f1_macro"):
        compare(tmp_path, better, better, "f1_makro")


def test_runs_of_several_labels_are_compared_by_their_rows(tmp_path):
    """Give what the paired test of several labels gives, and refuse other rows, and what kept none."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (60, 2))
    good, bad = np.clip(labels * 0.4 + rng.random((60, 2)) * 0.6, 0, 1), rng.random((60, 2))
    one, other = labelled(tmp_path, "good", labels, good), labelled(tmp_path, "bad", labels, bad)
    people = np.array([f"p{row % 9}" for row in range(60)])
    lines = compare(tmp_path, one, other)
    assert [line.score for line in lines] == list(comparison.OF_LABELS)
    expected = label_intervals.paired("auroc_macro", labels, good[None], bad[None], people, seed=results.BOOTSTRAP_SEED)
    found = lines[0].difference
    assert (found.point, found.low, found.high, found.p) == (
        expected.difference.point, expected.difference.low, expected.difference.high, expected.p,
    )  # fmt: skip
    assert found.low > 0
    for others in (
        labelled(tmp_path, "turned", 1 - labels, bad),
        labelled(tmp_path, "others", labels, bad, ["q"] * 60),
    ):
        with pytest.raises(comparison.DataError, match="on other rows or labels"):
            compare(tmp_path, one, others)
    (other / "seed-1/labels.npy").unlink()
    with pytest.raises(comparison.DataError, match="holds no labels of its rows"):
        compare(tmp_path, one, other)


def test_the_table_says_what_differs_and_of_what(better, worse, tmp_path, capsys):
    """Print a line a score with the difference, its interval, p and the verdict; then seeds, and that nothing was real."""
    assert cli.main(["compare", "better", "worse", "--score", "accuracy", "--root", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"A  {better}", f"B  {worse}"]
    assert lines[3].split() == ["score", "A", "B", "A", "-", "B", "95", "%", "interval", "p", "holds"]
    assert lines[4].split()[0] == "accuracy"
    assert lines[4].split()[3:] == ["+0.0980", "+0.0980", "to", "+0.0980", "0.0010", "yes"]
    assert lines[5].startswith("seeds: 2 and 2; patients")
    for name in ("better", "worse"):
        scored(tmp_path, name, [[40] * PATIENTS], provenance={"synthetic": True})
    assert cli.main(["compare", "better", "worse", "--root", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "synthetic: measured on made-up recordings" in out
