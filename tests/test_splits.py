"""Who trains, chooses and tests."""

from types import SimpleNamespace

import numpy as np
import pytest

from pqrst import splits
from pqrst.errors import LeakError, SettingsError

FOLD = np.array(["train"] * 10 + ["test"] * 2)


def test_members_follow_the_published_parts():
    """Rows of neither part are left out."""
    fold = np.array(["DS1", "DS2", "paced"])
    assert splits.members(fold, ["DS1"], ["DS2"], "s").tolist() == [splits.TRAIN, splits.TEST, splits.UNUSED]


def test_an_unknown_part_is_one_line():
    """The message names the setting, the part, and the parts there are."""
    with pytest.raises(
        SettingsError, match=r"datasets\.x names the part 'DS3', but the rows only know 'test', 'train'"
    ):
        splits.members(FOLD, ["DS3"], ["test"], "datasets.x")


def test_a_part_on_two_sides_is_one_line():
    """What trains cannot test as well."""
    with pytest.raises(SettingsError, match="x names the part 'train' for train and for test; give it one side"):
        splits.members(FOLD, ["train"], ["train", "test"], "x")


def test_published_parts_may_be_held_for_validation():
    """Folds 1, 9 and 10 train, choose and test; fold 11 is in none."""
    sides = splits.members(np.array(["1", "9", "10", "11"]), ["1"], ["10"], "s", ["9"])
    assert sides.tolist() == [splits.TRAIN, splits.VALIDATION, splits.TEST, splits.UNUSED]


@pytest.mark.parametrize(
    ("train", "test", "held", "said"),
    [(["1"], ["2"], ["1"], "train and for validation"), (["1"], ["2"], ["2"], "validation and for test")],
)
def test_a_held_part_has_no_other_side(train, test, held, said):
    """What chooses neither trains nor tests."""
    with pytest.raises(SettingsError, match=rf"x names the part '.' for {said}; give it one side"):
        splits.members(np.array(["1", "2"]), train, test, "x", held)


def test_numbers_as_memberships_are_text():
    """Published folds 1, 2, 10 are chosen by their names."""
    sides = splits.members(np.array([1, 2, 10]).astype(str), ["1", "2"], ["10"], "s")
    assert sides.tolist() == [splits.TRAIN, splits.TRAIN, splits.TEST]


def test_validation_takes_a_share_of_each_class_rounded_down():
    """Of 7 and 3 train rows, a fifth is 1 and 0; test rows stay."""
    labels = np.array([0] * 7 + [1] * 3 + [0, 1])
    sides = splits.hold_out_by_class(
        splits.members(FOLD, ["train"], ["test"], "s"), labels, 0.2, np.random.default_rng(0)
    )
    held = sides == splits.VALIDATION
    assert np.bincount(labels[held], minlength=2).tolist() == [1, 0]
    assert (sides[10:] == splits.TEST).all()


def test_the_three_sides_cover_the_rows_once():
    """Ten train rows of two classes become eight and two; no row changes its class or is lost."""
    labels = np.array([0, 1] * 5 + [0, 1])
    sides = splits.hold_out_by_class(
        splits.members(FOLD, ["train"], ["test"], "s"), labels, 0.2, np.random.default_rng(0)
    )
    assert splits.class_table(sides, labels, 2).tolist() == [[4, 4], [1, 1], [1, 1]]


def test_rows_left_out_are_not_held_out():
    """Validation is drawn from train alone, and what was given stays as it was."""
    given = np.array([splits.UNUSED] * 5 + [splits.TRAIN] * 5, np.int8)
    sides = splits.hold_out_by_class(given, np.zeros(10, int), 0.4, np.random.default_rng(0))
    assert (sides[:5] == splits.UNUSED).all()
    assert (sides == splits.VALIDATION).sum() == 2
    assert (given == splits.VALIDATION).sum() == 0


def test_the_draw_is_seeded():
    """The same seed draws the same rows, another seed others."""
    sides, labels = np.zeros(200, np.int8), np.zeros(200, int)
    one, two, other = (splits.hold_out_by_class(sides, labels, 0.5, np.random.default_rng(s)) for s in (1, 1, 2))
    assert (one == two).all()
    assert (one != other).any()


def test_validation_by_patient_moves_whole_patients():
    """No patient is cut in two."""
    patients = np.repeat([f"p{i}" for i in range(10)], 20)
    labels = np.tile([0, 0, 0, 1], 50)
    sides = splits.hold_out_by_patient(np.zeros(200, np.int8), labels, patients, 0.2, 0)
    assert splits.overlap(sides, patients) == {}
    assert (sides == splits.VALIDATION).sum() == 40


def test_validation_by_patient_is_seeded_and_drawn_from_train():
    """The same seed holds the same people out, another seed others; test rows stay."""
    patients, labels = np.repeat([f"p{i}" for i in range(12)], 10), np.tile([0, 1], 60)
    given = np.repeat([splits.TRAIN, splits.TEST], [100, 20]).astype(np.int8)
    held = [splits.hold_out_by_patient(given, labels, patients, 0.2, seed) for seed in (1, 1, 2)]
    assert (held[0] == held[1]).all()
    assert (held[0] != held[2]).any()
    assert all((sides[100:] == splits.TEST).all() for sides in held)
    assert all(splits.overlap(sides, patients) == {} for sides in held)


def test_two_patients_are_one_on_each_side():
    """The smallest division by patient there is."""
    patients = np.array(["a", "a", "b", "b"])
    sides = splits.hold_out_by_patient(np.zeros(4, np.int8), np.array([0, 1, 0, 1]), patients, 0.2, 0)
    assert sorted(sides.tolist()) == [splits.TRAIN] * 2 + [splits.VALIDATION] * 2
    assert splits.overlap(sides, patients) == {}


def test_a_large_share_by_patient_leaves_patients_to_train():
    """Hold out half of four patients where nine tenths are asked for: fewer than two parts are none."""
    patients = np.repeat(["a", "b", "c", "d"], 5)
    sides = splits.hold_out_by_patient(np.zeros(20, np.int8), np.zeros(20, int), patients, 0.9, 0)
    assert (sides == splits.VALIDATION).sum() == 10


def test_a_class_of_one_row_does_not_stop_a_division_by_patient():
    """Divide by what the commonest class allows; scikit-learn says that the rare one cannot stand on both sides."""
    patients, labels = np.array(["a", "a", "b", "b", "c", "c"]), np.array([0, 0, 0, 0, 0, 1])
    with pytest.warns(UserWarning, match="least populated class"):
        sides = splits.hold_out_by_patient(np.zeros(6, np.int8), labels, patients, 0.5, 0)
    assert set(sides.tolist()) == {splits.TRAIN, splits.VALIDATION}


def test_too_few_rows_cannot_be_divided_by_patient():
    """Two people with a row each, of different classes, give one line."""
    with pytest.raises(SettingsError, match="needs two rows of one class in train, each class has one"):
        splits.hold_out_by_patient(np.zeros(2, np.int8), np.array([0, 1]), np.array(["a", "b"]), 0.2, 0)


def test_one_patient_cannot_be_divided():
    """A single person in train gives one line."""
    with pytest.raises(SettingsError, match="needs two patients in train, there is 1"):
        splits.hold_out_by_patient(np.zeros(4, np.int8), np.zeros(4, int), np.array(["p"] * 4), 0.2, 0)


def test_the_gate_names_the_patient_on_two_sides():
    """201 and 202 are one person: with one in train and one in test the gate closes."""
    sides, patients = np.array([splits.TRAIN, splits.TEST, splits.TEST]), np.array(["201", "201", "100"])
    with pytest.raises(LeakError, match="1 patients stand on two sides, the first is 201 in train and test"):
        splits.gate(sides, patients, "mine")
    splits.gate(np.array([splits.TRAIN, splits.TRAIN, splits.TEST]), patients, "mine")


def test_the_gate_refuses_unknown_patients():
    """Rows without a patient cannot be promised apart."""
    with pytest.raises(LeakError, match="1 rows have no patient"):
        splits.gate(np.array([splits.TRAIN, splits.TEST]), np.array(["", "b"]), "mine")


def test_unknown_patients_of_rows_left_out_do_no_harm():
    """The gate asks only for the people of rows that are used."""
    splits.gate(np.array([splits.UNUSED, splits.TRAIN, splits.TEST]), np.array(["", "a", "b"]), "mine")


def test_the_gate_lets_named_patients_pass_and_no_other():
    """Pass 201, whose leak is published, and close for 100, who stands on two sides as well."""
    sides, patients = np.array([splits.TRAIN, splits.TEST] * 2), np.array(["201", "201", "100", "100"])
    splits.gate(sides, patients, "mine", {"201", "100"})
    with pytest.raises(LeakError, match="1 patients stand on two sides, the first is 100 in train and test"):
        splits.gate(sides, patients, "mine", {"201"})


def test_mixing_keeps_the_count_of_every_class_on_every_side():
    """Exchange whole sides of three classes: counts stay, rows left out stay out, and what was given stays as it was."""
    rng = np.random.default_rng(0)
    given, labels = rng.integers(-1, 3, 300).astype(np.int8), rng.integers(0, 3, 300)
    before = given.copy()
    mixed = splits.mix(given, labels, np.random.default_rng(1))
    assert splits.class_table(mixed, labels, 3).tolist() == splits.class_table(given, labels, 3).tolist()
    assert ((mixed == splits.UNUSED) == (given == splits.UNUSED)).all()
    assert (mixed != given).any()
    assert (given == before).all()


def test_mixing_moves_patients_to_both_sides():
    """Of two people with 50 rows each, one on each side, both stand on both sides afterwards."""
    patients, given = np.repeat(["a", "b"], 50), np.repeat([splits.TRAIN, splits.TEST], 50).astype(np.int8)
    mixed = splits.mix(given, np.tile([0, 1], 50), np.random.default_rng(0))
    assert splits.overlap(given, patients) == {}
    assert splits.overlap(mixed, patients) == {"a": ["train", "test"], "b": ["train", "test"]}


def test_mixing_is_seeded():
    """The same seed exchanges the same rows, another seed others."""
    given, labels = np.repeat([splits.TRAIN, splits.TEST], 50).astype(np.int8), np.zeros(100, int)
    one, two, other = (splits.mix(given, labels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == two).all()
    assert (one != other).any()


def test_a_class_on_one_side_stays_there():
    """There is nothing to exchange where all rows of a class train."""
    given = np.array([splits.TRAIN, splits.TRAIN, splits.TEST, splits.TEST], np.int8)
    assert splits.mix(given, np.array([0, 0, 1, 1]), np.random.default_rng(0)).tolist() == given.tolist()


def test_overlap_names_all_sides_of_a_patient():
    """One person on three sides, one on one, one on two; nobody is no person."""
    sides = np.array([splits.TRAIN, splits.VALIDATION, splits.TEST, splits.TRAIN, splits.TRAIN, splits.TEST, 0, 2])
    patients = np.array(["a", "a", "a", "b", "c", "c", "", ""])
    assert splits.overlap(sides, patients) == {"a": ["train", "validation", "test"], "c": ["train", "test"]}


def test_rows_left_out_do_not_leak():
    """A patient who is unused on one side is on one side only."""
    assert splits.overlap(np.array([splits.TRAIN, splits.UNUSED]), np.array(["a", "a"])) == {}


def test_class_table_counts_rows_of_either_task():
    """Counts by side and class, for one class a row and for several."""
    sides = np.array([splits.TRAIN, splits.TRAIN, splits.TEST])
    assert splits.class_table(sides, np.array([0, 1, 1]), 2).tolist() == [[1, 1], [0, 0], [0, 1]]
    assert splits.class_table(sides, np.array([[1, 1], [0, 1], [0, 0]]), 2).tolist() == [[1, 2], [0, 0], [0, 0]]


def test_rows_at_random_are_drawn_as_the_original_drew_them():
    """Of 17,280 windows, 80/20 and again 80/20 leave 11,059 / 2,765 / 3,456."""
    sides = splits.at_random(17_280, 0.2, 0.2, 42)
    assert np.bincount(sides).tolist() == [11_059, 2_765, 3_456]
    assert np.array_equal(sides, splits.at_random(17_280, 0.2, 0.2, 42))
    assert not np.array_equal(sides, splits.at_random(17_280, 0.2, 0.2, 43))


def by_group(group):
    """List the rows of each group."""
    return sorted(np.flatnonzero(group == one).tolist() for one in np.unique(group))


def test_a_group_is_all_that_hangs_together_by_any_name():
    """Rows 0 and 1 share a patient, 1 and 2 a recording; 3 and 4 a signal; row 5 nothing."""
    patient = np.array(["a", "a", "", "", "", "b"])
    record = np.array(["r1", "r2", "r2", "r3", "r4", "r5"])
    signal = np.array(["s1", "s2", "s3", "s4", "s4", ""])
    assert by_group(splits.groups([patient, record, signal])) == [[0, 1, 2], [3, 4], [5]]


def test_an_empty_name_is_nobody():
    """Rows without any name are a group each, and do not hang together."""
    assert by_group(splits.groups([np.array(["", "", "a"])])) == [[0], [1], [2]]


def test_the_same_text_in_two_columns_is_two_names():
    """A patient 1 and a recording 1 have nothing to do with each other."""
    assert by_group(splits.groups([np.array(["1", "2"]), np.array(["2", "3"])])) == [[0], [1]]


def test_groups_are_those_of_a_plain_search():
    """Join names one row after the other, as one would by hand, on random names of which many are empty."""
    rng = np.random.default_rng(0)
    columns = [np.where(rng.random(60) < 0.5, "", rng.integers(0, 25, 60).astype(str)) for _ in range(3)]
    expected = list(range(60))
    for one, other in np.ndindex(60, 60):
        if any(column[one] == column[other] != "" for column in columns):
            expected = [expected[one] if place == expected[other] else place for place in expected]
    assert by_group(splits.groups(columns)) == by_group(np.array(expected))


def dealt(labels, shares, seed=0, sizes=None):
    """Deal units out."""
    sizes = np.ones(len(labels), int) if sizes is None else sizes
    return splits.stratified(labels, sizes, shares, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(10))
def test_the_rarest_label_is_dealt_first(seed):
    """Two units of eight have the rare label beside the common one: each side gets one, and four of the common."""
    labels = np.array([[1, 1], [1, 1], *[[0, 1]] * 6])
    sides = dealt(labels, (0.5, 0.5), seed)
    assert sorted(sides[:2].tolist()) == [0, 1]
    assert np.bincount(sides).tolist() == [4, 4]


def test_the_side_that_needs_a_label_most_gets_it_whatever_its_room():
    """Deal seven rows of a label in the order given: need decides, and room where both sides need alike.

    Need and room stand at 3.5, 3.5 and 9, 9; then at 2.5, 3.5 and -3, 9; 2.5, 1.5 and -3, 7; 1.5, 1.5 and -4, 7; 1.5, 0.5; 0.5, 0.5.
    """
    labels, in_turn = np.array([[1], [2], [1], [1], [1], [1]]), SimpleNamespace(permutation=lambda rows: rows)
    sides = splits.stratified(labels, np.array([12, 2, 1, 1, 1, 1]), (0.5, 0.5), in_turn)
    assert sides.tolist() == [0, 1, 0, 1, 0, 1]


def test_a_need_within_a_hundredth_is_alike():
    """Give a label to the side that has room where it needs 99 rows and the other 100; a third side has no share."""
    labels, in_turn = np.array([[1000], [999], [199]]), SimpleNamespace(permutation=lambda rows: rows)
    assert splits.stratified(labels, np.array([1, 200, 1]), (0.5, 0.5, 0.0), in_turn).tolist() == [0, 1, 0]


def test_units_without_a_label_are_dealt_by_size():
    """Of eight units of three rows without labels, three quarters are six."""
    sides = dealt(np.zeros((8, 2), int), (0.75, 0.25), sizes=np.full(8, 3))
    assert np.bincount(sides).tolist() == [6, 2]


SHARES = (0.72, 0.08, 0.2)


def many(units=3000, seed=0):
    """Make up labels from common to rare, and groups of one to three rows."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, units)
    rate = np.array([0.6, 0.3, 0.1, 0.03, 0.01, 0.005])
    return rng.binomial(sizes[:, None], rate), sizes


def test_every_side_gets_its_share_of_every_label():
    """Lie within two rows of the exact share of each label, and of all rows, on every side."""
    labels, sizes = many()
    sides = dealt(labels, SHARES, sizes=sizes)
    for side, share in enumerate(SHARES):
        assert np.abs(labels[sides == side].sum(axis=0) - share * labels.sum(axis=0)).max() <= 2
        assert abs(sizes[sides == side].sum() - share * sizes.sum()) <= 2


def test_no_unit_goes_to_a_side_without_a_share():
    """Give a test side of nothing nothing."""
    labels, sizes = many(500)
    assert set(dealt(labels, (0.9, 0.1, 0.0), sizes=sizes).tolist()) == {splits.TRAIN, splits.VALIDATION}


def test_dealing_is_seeded():
    """The same seed deals alike, another otherwise."""
    labels, sizes = many(300)
    one, two, other = (dealt(labels, SHARES, seed, sizes) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_groups_of_train_rows_are_dealt_as_wholes():
    """Three rows a group stay on one side; test and unused rows stay as they were, and so does what was given."""
    given = np.repeat([splits.TRAIN, splits.TEST, splits.UNUSED], [90, 6, 3]).astype(np.int8)
    group, labels = np.repeat([f"g{n}" for n in range(33)], 3), np.tile([[1, 0], [0, 1], [1, 1]], (33, 1))
    sides = splits.hold_out_by_group(given, labels, group, (0.5, 0.2, 0.3), np.random.default_rng(0))
    assert np.bincount(sides[:90]).tolist() == [45, 18, 27]
    assert splits.overlap(sides[:90], group[:90]) == {}
    assert np.array_equal(sides[90:], given[90:])
    assert (given[:90] == splits.TRAIN).all()


def test_nothing_is_dealt_where_nothing_trains():
    """Leave the sides of a part whose every row is a test row or unused."""
    given = np.array([splits.TEST, splits.UNUSED], np.int8)
    found = splits.hold_out_by_group(
        given, np.ones((2, 1), int), np.array(["a", "b"]), SHARES, np.random.default_rng(0)
    )
    assert found.tolist() == given.tolist()
