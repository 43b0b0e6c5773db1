"""Age and sex as databases write them, in words and in numbers."""

import math

import pytest

from pqrst.datasets._person import person


@pytest.mark.parametrize(
    ("age", "sex", "told", "numbers"),
    [
        ("74", "Male", {"age": "74", "sex": "male"}, (74, 1)),
        ("0.5", "FEMALE", {"age": "0.5", "sex": "female"}, (0.5, 0)),
        ("nan", "M", {"age": "", "sex": "male"}, (math.nan, 1)),
        ("", "", {"age": "", "sex": ""}, (math.nan, math.nan)),
        ("-1", "Unknown", {"age": "", "sex": ""}, (math.nan, math.nan)),
        ("300", "F", {"age": ">89", "sex": "female"}, (90, 0)),
    ],
)
def test_people_are_told_in_words_and_in_numbers(age, sex, told, numbers):
    """What is not known is no number; a network is told 90 of those whose age is hidden."""
    assert person(age, sex) == (told, pytest.approx({"age": numbers[0], "male": numbers[1]}, nan_ok=True))
