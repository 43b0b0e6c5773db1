"""The mutation tester: which changes it makes, and that it tells a test that sees them from one that does not."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mutants.changes import mutants, mutated, plain

HERE = Path(__file__).parent / "mutants"
PACKAGE = Path(__file__).parents[1] / "src" / "pqrst"


def after(source):
    """List how the changed statements read."""
    return [mutant.told.split("  →  ")[1] for mutant in mutants(source)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("a = b < c", ["a = b <= c", "a = b >= c"]),
        ("a = b == c", ["a = b != c"]),
        ("a = b @ c - d", ["a = b @ c + d", "a = b * c - d"]),
        ("a = b and c", ["a = b or c"]),
        ("a = not b", ["a = b"]),
        ("a = 2", ["a = 3", "a = 1"]),
        ("a = 0.5", ["a = 1.0", "a = 0.25"]),
        ("a = True", ["a = False"]),
        ("a = 'b'", ["a = 'b_'"]),
        ("a += b", ["a -= b", "pass"]),
        ("a = f(a)", ["pass"]),
        ("a[b] = c", ["pass"]),
        ("f(a)", ["pass"]),
        ("f(a, b)", ["pass", "f(b, a)"]),
        ("a = max(b, c)", ["a = min(b, c)"]),
        ("a = b.sum(axis=c)", ["a = b.sum()", "a = b.mean(axis=c)"]),
        ("a = b if c else d", ["a = b if not c else d"]),
        ("if a:\n    raise b", ["if not a:", "pass"]),
        ("a = [b for b in c if d]", ["a = [b for b in c if not d]"]),
        ("def f(a=1):\n    return a", ["return None", "def f(a=2):", "def f(a=0):"]),
    ],
)
def test_every_kind_of_change(source, found):
    """Compare, compute, decide and count otherwise, leave out what is done, said and given back."""
    assert after(source) == found


@pytest.mark.parametrize(
    "source",
    [
        '"""Say 1."""',
        "raise ValueError('more than 1')",
        "a = f'{b:1}'",
        "a: int | Literal['b'] = c",
        "@dataclass(frozen=True)\nclass A:\n    '''Say 1.'''",
        "a = zip(strict=True)",
        "super().__init__()",
        "from a import b",
    ],
)
def test_what_is_left_alone(source):
    """Leave words for people, annotations, decorators and guards."""
    assert [text for text in after(source) if text != "pass"] == []


def test_limits_of_settings_change_though_they_are_annotations():
    """Move both ends."""
    source = "class Params:\n    a: Annotated[float, Between(0, 1)] = b"
    assert [re.search(r"Between\(.*?\)", text)[0] for text in after(source)] == [
        "Between(1, 1)", "Between(-1, 1)", "Between(0, 2)", "Between(0, 0)",
    ]  # fmt: skip


def test_one_change_is_made_and_no_other():
    """Differ from the source in the statement that is told."""
    source = (PACKAGE / "scores.py").read_text(encoding="utf-8")
    lines = ast.unparse(ast.parse(source)).splitlines()
    for mutant in mutants(source)[::25]:
        new = ast.unparse(mutated(source, mutant)).splitlines()
        assert sum(one != other for one, other in zip(lines, new, strict=False)) == 1
        assert len(new) == len(lines)


def test_every_explanation_is_of_a_mutant_that_there_is():
    """Keep no reason for code that has changed since."""
    for name, reasons in yaml.safe_load((HERE / "explained.yaml").read_text(encoding="utf-8")).items():
        there = {plain(mutant.told) for mutant in mutants((PACKAGE / name).read_text(encoding="utf-8"))}
        assert [told for told in reasons if plain(told) not in there] == []
        assert all(len(reason) > 10 for reason in reasons.values())


@pytest.mark.slow
@pytest.mark.parametrize(("tests", "code"), [("multilabel_losses", 0), ("optimizers", 1)])
def test_a_change_that_no_test_sees_is_told(tests, code):
    """Kill what the tests of a module see; name and fail for what tests of something else leave."""
    told = subprocess.run(
        [sys.executable, HERE / "run.py", "losses/_positives.py", "--tests", tests], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert told.returncode == code, told.stderr
    assert ("| 0.0 |" in told.stdout) == bool(code)
    assert ("losses/_positives.py:15: positive_weights: " in told.stdout) == bool(code)
