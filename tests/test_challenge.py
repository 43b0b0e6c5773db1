"""The Challenge 2021's classes and weights as their publisher gives them, and the loss that is made of them."""

import csv
import math
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst import challenge
from pqrst.errors import DataError, SettingsError
from pqrst.losses import challenge as loss_file
from pqrst.losses._positives import positive_weights
from pqrst.losses.challenge import Params, build

OFFICIAL = Path("challenge2021") / "evaluation-2021"
ORDER = """
164889003 AF, 164890007 AFL, 6374002 BBB, 426627000 Brady, 733534002 LBBB, 713427006 RBBB, 270492004 IAVB, 713426002 IRBBB,
39732003 LAD, 445118002 LAnFB, 164947007 LPR, 251146004 LQRSV, 111975006 LQT, 698252002 NSIVCB, 426783006 NSR, 284470004 PAC,
10370003 PR, 365413008 PRWP, 427172004 PVC, 164917005 QAb, 47665007 RAD, 427393009 SA, 426177001 SB, 427084000 STach,
164934002 TAb, 59931005 TInv
"""  # spec 5.1
COUNTS = np.full(26, 10)


def test_classes_stand_in_the_published_order():
    """List 26 abbreviations with the code that is kept, normal sinus rhythm among them."""
    assert list(zip(challenge.CODES, challenge.CLASSES, strict=True)) == [
        tuple(entry.split()) for entry in ORDER.replace("\n", " ").split(",")
    ]
    assert challenge.CODES[challenge.CLASSES.index(challenge.NORMAL)] == "426783006"


def test_four_codes_are_merged_into_others():
    """Send CRBBB's, PAC's, PVC's and CLBBB's twins to the codes that are kept."""
    kept = {"713427006": "RBBB", "284470004": "PAC", "427172004": "PVC", "733534002": "LBBB"}
    assert set(challenge.SAME_AS) == {"59118001", "63593006", "17338001", "164909002"}
    assert {code: challenge.CLASSES[challenge.CODES.index(code)] for code in challenge.SAME_AS.values()} == kept


def test_weights_are_symmetric_and_read_only():
    """Credit a right answer with 1, each other with less, both ways alike, and let nobody change that."""
    found = challenge.weights()
    assert (found.shape, found.dtype) == ((26, 26), np.float64)
    assert np.array_equal(found, found.T)
    assert np.array_equal(found == 1, np.eye(26, dtype=bool))
    assert found.min() == 0.15
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 2
    assert challenge.weights() is found


@pytest.mark.real
def test_weights_are_the_official_ones(recordings):
    """Match the publisher's table cell by cell, by code, with merged codes at either name of their row and column."""
    with (recordings / OFFICIAL / "weights.csv").open() as file:
        (_, *columns), *rows = csv.reader(file)
    assert [name for name, *_ in rows] == columns
    place = {code: challenge.CODES.index(challenge.SAME_AS.get(code, code)) for c in columns for code in c.split("|")}
    assert len(place) == 30
    for name, *cells in rows:
        for column, cell in zip(columns, cells, strict=True):
            for one in name.split("|"):
                for other in column.split("|"):
                    assert challenge.weights()[place[one], place[other]] == float(cell)


@pytest.mark.real
def test_codes_are_the_official_ones(recordings):
    """Know each of the 30 scored codes, and name the class of a kept one by one of the official abbreviations."""
    with (recordings / OFFICIAL / "dx_mapping_scored.csv").open() as file:
        names = {row["SNOMEDCTCode"]: row["Abbreviation"] for row in csv.DictReader(file)}
    assert set(names) == {*challenge.CODES, *challenge.SAME_AS}
    for place, code in enumerate(challenge.CODES):
        same = [code, *(other for other, kept in challenge.SAME_AS.items() if kept == code)]
        assert challenge.CLASSES[place] in {names[one] for one in same}


@pytest.mark.real
def test_the_licence_travels_with_the_table(recordings):
    """Carry the publisher's notice whole."""
    notice = [line[1:].strip() for line in challenge.WEIGHTS.read_text().splitlines() if line.startswith("#")]
    official = [line.strip() for line in (recordings / OFFICIAL / "LICENSE").read_text().strip().splitlines()]
    assert notice[-len(official) :] == official


def test_the_table_ships_with_the_package():
    """Be named among the data that an installation copies."""
    told = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    shipped = told["tool"]["setuptools"]["package-data"]["pqrst"]
    assert any(fnmatch(challenge.WEIGHTS.name, pattern) for pattern in shipped)


def test_a_table_in_another_order_is_refused(tmp_path, monkeypatch):
    """Trust no column by its place alone."""
    text = challenge.WEIGHTS.read_text().replace("class,AF,AFL,", "class,AFL,AF,")
    (tmp_path / "weights.csv").write_text(text)
    monkeypatch.setattr(challenge, "WEIGHTS", tmp_path / "weights.csv")
    with pytest.raises(DataError, match=r"weights\.csv does not name the 26 classes in their order"):
        challenge.weights.__wrapped__()


def answers(rows=40, seed=0):
    """Make up labels and certain answers, some right, some missing, and one row with neither."""
    rng = np.random.default_rng(seed)
    labels = rng.random((rows, 26)) < 0.1
    output = labels ^ (rng.random((rows, 26)) < 0.05)
    labels[0], output[0] = False, False
    return labels, output


def test_certain_answers_earn_the_challenges_own_score():
    """Add W_jk / n for each label j and each answer k of a row, n being the classes in either."""
    labels, output = answers()
    loss = build("multi", COUNTS, Params(), rows=100)
    earned = loss.earned(torch.tensor(output, dtype=torch.float64), torch.tensor(labels, dtype=torch.float64))
    for row in range(len(labels)):
        pairs = [(j, k) for j in np.flatnonzero(labels[row]) for k in np.flatnonzero(output[row])]
        n = max((labels[row] | output[row]).sum(), 1)
        assert earned[row].item() == pytest.approx(sum(challenge.weights()[pair] for pair in pairs) / n, abs=1e-6)
    assert earned[0] == 0
    assert earned.max() > 1  # two labels that are credited for each other


def test_the_loss_of_an_undecided_row_by_hand():
    """Sum cross-entropy, the score of p = 1/2 everywhere, and a push of 1, for one row with AF alone."""
    target = torch.zeros(1, 26)
    target[0, 0] = 1
    found = build("multi", COUNTS, Params(), rows=40)(torch.zeros(1, 26), target).item()  # AF weighs 30 / 10
    crossed = (25 + 3) * math.log(2) / 26
    score = challenge.weights()[0].sum() / 2 / (1 + 25 / 2)
    assert found == pytest.approx(crossed - score + 1, rel=1e-6)
    found = build("multi", COUNTS, Params(score=0.5, push=0.25), rows=40)(torch.zeros(1, 26), target).item()
    assert found == pytest.approx(crossed - score / 2 + 0.25, rel=1e-6)


def test_without_score_and_push_it_is_weighted_cross_entropy():
    """Equal torch's own, the mean over rows and classes."""
    logits, target = torch.randn(7, 26), torch.randint(2, (7, 26)).float()
    counts = np.arange(1, 27)
    expected = F.binary_cross_entropy_with_logits(logits, target, pos_weight=torch.tensor((60 - counts) / counts))
    loss = build("multi", counts, Params(score=0.0, push=0.0), rows=60)
    torch.testing.assert_close(loss(logits, target), expected.float())


def test_the_batch_size_plays_no_part():
    """Give the same for a batch as for the batch twice."""
    labels, _ = answers()
    logits, target = torch.randn(len(labels), 26), torch.tensor(labels)
    loss = build("multi", COUNTS, Params(), rows=100)
    torch.testing.assert_close(loss(logits.repeat(2, 1), target.repeat(2, 1)), loss(logits, target))


def test_positives_weigh_the_negatives_beside_them():
    """Weigh 15/5 and 0/20 of 20 rows, and 1 where nothing is known; count a row for each label where none are given."""
    assert positive_weights([5, 0, 20], 20).tolist() == [3, 1, 0]
    assert positive_weights([5, 0, 20], None).tolist() == [4, 1, 0.25]


def test_a_class_without_positives_spoils_nothing():
    """Stay finite, with its gradient, where train rows lack a class, also if validation rows have it."""
    counts = COUNTS.copy()
    counts[3] = 0
    logits = torch.randn(6, 26, requires_grad=True)
    target = torch.zeros(6, 26)
    target[:3, 3] = 1
    loss = build("multi", counts, Params(), rows=260)(logits, target)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_other_classes_are_refused():
    """Say that the matrix belongs to 26 classes."""
    with pytest.raises(SettingsError, match=r"^losses\.challenge needs the 26 classes .* got 5$"):
        build("multi", [1] * 5, loss_file.Params())
