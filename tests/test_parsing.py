"""The strict parser: what it takes, and the exact line that it answers to each mistake."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pqrst.errors import SettingsError
from pqrst.parsing import Between, convert, describe, nearest, number, parse, read


@dataclass(frozen=True)
class Inner:
    """Settings inside settings."""

    depth: Annotated[int, Between(1)]
    width: int = 32


@dataclass(frozen=True)
class Outer:
    """One field of every kind that the parser knows."""

    count: Annotated[int, Between(1)]
    rate: Annotated[float, Between(0, 1)] = 0.5
    scale: float = 1.0
    highest: Annotated[float, Between(high=3)] = 0.0
    name: str = "x"
    flag: bool = False
    mode: Literal["row", "train"] = "row"
    level: Literal[1, 2] = 1
    inner: Inner = field(default_factory=lambda: Inner(1))
    sizes: tuple[Annotated[int, Between(1)], ...] = ()
    shares: dict[str, float] = field(default_factory=dict)
    parts: dict[str, Inner] = field(default_factory=dict)
    many: tuple[Inner, ...] = ()
    perhaps: Annotated[int, Between(1)] | None = None
    cell: dict[str, float | None] = field(default_factory=dict)
    anything: Any = None
    low: int = 0
    high: int = 1

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low {self.low} lies above high {self.high}")


WRONG = [
    (None, "p must be a mapping of settings, got None"),
    ([1], "p must be a mapping of settings, got [1]"),
    ("text", "p must be a mapping of settings, got 'text'"),
    ({}, "p.count is missing; it must be int at least 1"),
    ({"count": 1, "inner": {}}, "p.inner.depth is missing; it must be int at least 1"),
    ({"count": 1, "inner": {"dept": 6}}, "p.inner.dept is not a setting; did you mean depth?"),
    ({"count": 1, "inner": {"zzz": 6}}, "p.inner.zzz is not a setting; known: depth, width"),
    ({"count": 1, "flagg": True}, "p.flagg is not a setting; did you mean flag?"),
    ({"count": 1, "inner": {1: 6}}, "p.inner.1 is not a setting; known: depth, width"),
    ({"count": 1, "inner": {None: 6}}, "p.inner.None is not a setting; known: depth, width"),
    ({"count": 1, "inner": {True: 6}}, "p.inner.True is not a setting; known: depth, width"),
    ({"count": 1, "inner": {(1, 2): 6}}, "p.inner.(1, 2) is not a setting; known: depth, width"),
    ({"count": 1, "inner": 6}, "p.inner must be a mapping of settings, got 6"),
    ({"count": "six"}, "p.count must be int, got 'six'"),
    ({"count": "6"}, "p.count must be int, got '6'"),
    ({"count": 6.0}, "p.count must be int, got 6.0"),
    ({"count": True}, "p.count must be int, got True"),
    ({"count": None}, "p.count must be int, got None"),
    ({"count": 0}, "p.count must be at least 1, got 0"),
    ({"count": 1, "rate": 1.5}, "p.rate must be between 0 and 1, got 1.5"),
    ({"count": 1, "rate": "1.5"}, "p.rate must be between 0 and 1, got '1.5'"),
    ({"count": 1, "rate": "much"}, "p.rate must be float, got 'much'"),
    ({"count": 1, "rate": True}, "p.rate must be float, got True"),
    ({"count": 1, "rate": float("nan")}, "p.rate must be a finite float, got nan"),
    ({"count": 1, "scale": 10**400}, "p.scale must be float, got a whole number too large for one"),
    ({"count": 1, "highest": 4}, "p.highest must be at most 3, got 4"),
    ({"count": 1, "name": 5}, "p.name must be text, got 5"),
    ({"count": 1, "flag": 1}, "p.flag must be bool, got 1"),
    ({"count": 1, "flag": "yes"}, "p.flag must be bool, got 'yes'"),
    ({"count": 1, "mode": "raw"}, "p.mode must be one of row, train, got 'raw'; did you mean row?"),
    ({"count": 1, "mode": "zzz"}, "p.mode must be one of row, train, got 'zzz'; known: row, train"),
    ({"count": 1, "mode": 5}, "p.mode must be one of row, train, got 5"),
    ({"count": 1, "mode": None}, "p.mode must be one of row, train, got None"),
    ({"count": 1, "mode": ["row"]}, "p.mode must be one of row, train, got ['row']"),
    ({"count": 1, "mode": {"row": 1}}, "p.mode must be one of row, train, got {'row': 1}"),
    ({"count": 1, "level": True}, "p.level must be one of 1, 2, got True"),
    ({"count": 1, "level": 1.0}, "p.level must be one of 1, 2, got 1.0"),
    ({"count": 1, "level": "one"}, "p.level must be one of 1, 2, got 'one'; known: 1, 2"),
    ({"count": 1, "sizes": 3}, "p.sizes must be a list of int at least 1, got 3"),
    ({"count": 1, "sizes": "12"}, "p.sizes must be a list of int at least 1, got '12'"),
    ({"count": 1, "sizes": [1, 0]}, "p.sizes[1] must be at least 1, got 0"),
    ({"count": 1, "sizes": [1, "b"]}, "p.sizes[1] must be int, got 'b'"),
    ({"count": 1, "shares": [1]}, "p.shares must be a mapping, got [1]"),
    ({"count": 1, "shares": {"a": "b"}}, "p.shares.a must be float, got 'b'"),
    ({"count": 1, "parts": {"a": {"dept": 1}}}, "p.parts.a.dept is not a setting; did you mean depth?"),
    ({"count": 1, "many": [{"depth": 1}, {"depth": 0}]}, "p.many[1].depth must be at least 1, got 0"),
    ({"count": 1, "perhaps": 0}, "p.perhaps must be int at least 1 or null, got 0"),
    ({"count": 1, "perhaps": "two"}, "p.perhaps must be int at least 1 or null, got 'two'"),
    ({"count": 1, "cell": {"f1": "high"}}, "p.cell.f1 must be float or null, got 'high'"),
    ({"count": 1, "low": 3, "high": 2}, "p: low 3 lies above high 2"),
]

RIGHT = [
    ({"rate": 1}, "rate", 1.0),
    ({"rate": "1e-05"}, "rate", 1e-05),
    ({"scale": "-2.5"}, "scale", -2.5),
    ({"name": "1e-05"}, "name", "1e-05"),
    ({"name": ""}, "name", ""),
    ({"mode": "train"}, "mode", "train"),
    ({"level": 2}, "level", 2),
    ({"inner": {"depth": 6}}, "inner", Inner(6)),
    ({"sizes": [3, 2]}, "sizes", (3, 2)),
    ({"sizes": (3, 2)}, "sizes", (3, 2)),
    ({"sizes": []}, "sizes", ()),
    ({"shares": {"a": 1, "b": "1e-3"}}, "shares", {"a": 1.0, "b": 0.001}),
    ({"shares": {5: 1}}, "shares", {"5": 1.0}),
    ({"parts": {"a": {"depth": 2}}}, "parts", {"a": Inner(2)}),
    ({"many": [{"depth": 2}]}, "many", (Inner(2),)),
    ({"perhaps": None}, "perhaps", None),
    ({"perhaps": 4}, "perhaps", 4),
    ({"cell": {"f1": None, "f2": 1}}, "cell", {"f1": None, "f2": 1.0}),
    ({"anything": [{1: None}]}, "anything", [{1: None}]),
]

SCALARS = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.integers(-(10**400), 10**400), st.floats(), st.text(max_size=8)),
    *(st.dates(), st.datetimes(), st.binary(max_size=4)),
    st.sampled_from(["1e-05", "row", "nan", "inf", "1_0", "١"]),
)
FIELDS = tuple(Outer.__dataclass_fields__)
KEYS = st.one_of(
    st.sampled_from(FIELDS),
    st.text(max_size=6),
    st.none(),
    st.booleans(),
    st.integers(),
    st.dates(),
    st.tuples(SCALARS),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


def answer(value):
    """Give the line with which a value is refused, or say that it was taken."""
    try:
        parse(Outer, value, "p")
    except SettingsError as error:
        return str(error)
    return "parsed"


@pytest.mark.parametrize(("given_value", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_mistake_gets_exactly_one_line(given_value, message):
    """Answer each wrong input with its place, what was expected, what stood there and the nearest name."""
    with pytest.raises(SettingsError) as caught:
        parse(Outer, given_value, "p")
    assert str(caught.value) == message


@pytest.mark.parametrize(("more", "name", "expected"), RIGHT)
def test_a_right_value_arrives_with_its_type(more, name, expected):
    """Convert whole numbers and numbers written as text to float, lists to tuples, and nothing else."""
    found = getattr(parse(Outer, {"count": 1} | more, "p"), name)
    assert found == expected
    assert type(found) is type(expected)


def test_what_is_not_given_takes_its_default():
    """Fill every field but the required one."""
    assert parse(Outer, {"count": 2}, "p") == Outer(2)


def test_an_error_hides_where_it_came_from():
    """Show no chain of exceptions for a rule that the dataclass itself checks."""
    with pytest.raises(SettingsError) as caught:
        parse(Outer, {"count": 1, "low": 3}, "p")
    assert caught.value.__suppress_context__


@settings(deadline=None)
@given(VALUES)
def test_any_value_parses_or_is_refused(value):
    """Raise SettingsError, and never anything else, whatever YAML holds."""
    assert answer(value).startswith(("parsed", "p ", "p."))


@settings(deadline=None)
@given(st.sampled_from(FIELDS), VALUES)
def test_any_value_of_any_field_parses_or_is_refused(name, value):
    """Raise SettingsError with the field's path, and never anything else, whatever a field is given."""
    assert answer({"count": 1, name: value}).startswith(("parsed", f"p.{name}", "p: low"))


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_that_is_yaml_parses_or_is_refused(text):
    """Raise SettingsError, and never anything else, for what PyYAML makes of a text."""
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return
    assert answer(value).startswith(("parsed", "p ", "p."))


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=4), st.floats(allow_nan=False, allow_infinity=False), max_size=4))
def test_numbers_keep_their_value(numbers):
    """Give every float back as it came."""
    assert convert(dict[str, float], numbers, "p") == numbers


@pytest.mark.parametrize(
    ("value", "expected"), [("1e-05", 1e-05), ("7", 7.0), ("adam", "adam"), (3, 3), (None, None), ([1], [1])]
)
def test_only_text_that_is_a_number_becomes_one(value, expected):
    """Leave everything else as it is."""
    assert number(value) == expected


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("incepse", ["inception", "incepse_meta"], "did you mean incepse_meta?"),
        ("focal", ["ce", "iwl"], "known: ce, iwl"),
        ("focal", [], "known: none"),
    ],
)
def test_nearest_suggests_a_name_or_lists_them(name, names, expected):
    """End a message with a likely name, or with all names where none is likely."""
    assert nearest(name, names) == expected


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int, "int"),
        (str, "text"),
        (Any, "anything"),
        (Inner, "a mapping"),
        (dict[str, int], "a mapping"),
        (tuple[str, ...], "a list of text"),
        (float | None, "float or null"),
        (Literal["a", 2], "one of a, 2"),
        (Annotated[int, Between(2, 5)], "int between 2 and 5"),
    ],
)
def test_describe_names_a_type_in_plain_words(hint, expected):
    """Name what a setting must be as a user would."""
    assert describe(hint) == expected


BOMB = "\n".join(["a0: &a0 [x, x]", *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 20))])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: \xff\n", "is not YAML in UTF-8"),
        (b"a: 2001-99-99\n", "is not YAML in UTF-8"),
        (b"a: [1\n", "is not YAML: "),
        (b"[" * 5000, "is nested too deep"),
        (b"- 1\n", "must be a mapping of settings, got [1]"),
        (b"", "must be a mapping of settings, got None"),
        (b"a: &a [*a]\n", "refers to a value from inside itself"),
        (BOMB.encode(), "holds more than 100000 values, references written out"),
        (b"a: 1\n" * 300_000, "is larger than 1048576 bytes"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_holds_no_settings_is_one_line(tmp_path, content, said):
    """Of another encoding, with a date that is none, torn, too deep, without end, too large, not there."""
    if content is not None:
        (tmp_path / "p.yaml").write_bytes(content)
    with pytest.raises(SettingsError, match=re.escape(f"p.yaml {said}")) as caught:
        read(tmp_path / "p.yaml", "p.yaml")
    assert str(caught.value).isprintable()


def test_references_within_reason_are_read(tmp_path):
    """A list that two settings share is theirs both."""
    (tmp_path / "p.yaml").write_text("a: &x [1, 2]\nb: *x\n")
    assert read(tmp_path / "p.yaml", "p.yaml") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, list(range(10**6)), [[[[[[[["x"]]]]]]]], 16**9000, {"k" * 10**5: 1}, {16**9000: 1}],
    ids=range(6),
)
def test_a_value_is_shown_in_short(value):
    """A megabyte, a number that Python will not write, a key of pages."""
    for wrong in (
        [value],
        {"count": [value]},
        {"count": 1, "mode": value},
        {"count": 1, "perhaps": [value]},
        {"count": 1, "x" * 10**5: 1},
    ):
        with pytest.raises(SettingsError) as caught:
            parse(Outer, wrong, "p")
        assert len(str(caught.value)) < 700
