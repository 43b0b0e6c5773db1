"""What a trained run says of itself, and what it makes of rows before its model sees them."""

import json
from dataclasses import asdict, replace

import pytest
import torch

import toys
from pqrst.contracts import OLDEST, SCHEMA, contract_of
from pqrst.errors import DataError, SettingsError
from pqrst.standardisation import Standardisation

INPUT = replace(
    toys.META.form, shape=(2, 4), leads=("I", "II"), units="converter steps", window={"cut": "whole"},
    gain=(2.0, 4.0), zero=(10, 0), lead_names=({"I": 3}, {"II": 2, "MLII": 1}),
)  # fmt: skip
CONTRACT = replace(toys.CONTRACT, input=INPUT, standardise=Standardisation("train", (1.0, 2.0), (0.5, 4.0)))


def test_a_contract_comes_back_from_json():
    """Read what was written, with its tuples."""
    assert contract_of(json.loads(json.dumps(asdict(CONTRACT))), "here") == CONTRACT


def test_rows_are_brought_into_their_unit_and_then_standardised():
    """By hand: 12 steps of 2 from 10 on are 1, the mean; 24 of 4 are 6, one deviation above it."""
    rows = torch.tensor([[[12.0] * 4, [24.0] * 4]])
    assert CONTRACT.prepared(rows).tolist() == [[[0.0] * 4, [1.0] * 4]]


def test_pictures_are_seen_whoever_draws_them():
    """Tell them of a network that draws its own, and of one that learned stored ones."""
    assert not CONTRACT.pictures
    assert replace(CONTRACT, encoding="lead_rows").pictures
    assert replace(CONTRACT, input=replace(INPUT, encoding="lead_rows")).pictures


@pytest.mark.parametrize("given", [None, [], {}, {"schema": OLDEST - 1}, {"schema": SCHEMA + 1}])
def test_another_schema_is_one_line(given):
    """Name the place and what to do."""
    with pytest.raises(
        DataError, match=rf"^here has schema .*, this version reads {OLDEST} to {SCHEMA}.*train the run anew$"
    ):
        contract_of(given, "here")


@pytest.mark.parametrize("name", ["shape", "axes", "fs", "leads", "units", "window"])
def test_what_a_row_is_must_be_told(name):
    """Refuse a contract that leaves out what no program can guess."""
    told = json.loads(json.dumps(asdict(CONTRACT)))
    del told["input"][name]
    with pytest.raises(SettingsError, match=rf"^here\.input\.{name} is missing; it must be "):
        contract_of(told, "here")
