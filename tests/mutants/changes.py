"""Change a module in one small place: what a mutation tester asks of each change is that some test turns red.

Left alone, since no test of ours is meant to see them: what an error says, f-strings, docstrings, annotations but for the
limits of settings (`Between`), decorators, imports, `super().__init__()`, and the arguments `strict` (a guard) and `device` (tests run on a CPU).
"""

import ast
import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass

LEFT_ALONE = (ast.JoinedStr, ast.Import, ast.ImportFrom, ast.arguments, ast.Lambda)
UNSEEN = ("strict", "device")  # arguments
TYPES = ("Annotated", "Callable", "Literal", "Mapping", "Sequence")
COMPARED = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
}  # fmt: skip
PAIRS = (
    ("min", "max"), ("minimum", "maximum"), ("amin", "amax"), ("argmin", "argmax"), ("any", "all"), ("ceil", "floor"),
    ("sum", "mean"), ("zeros", "ones"), ("sin", "cos"), ("real", "imag"),
)  # fmt: skip
SYMMETRIC = ("min", "max", "minimum", "maximum", "logaddexp")  # the order of what they take says nothing
RENAMED = dict(PAIRS) | {second: first for first, second in PAIRS}


@dataclass(frozen=True)
class Place:
    """Where something may change: the node, its statement, the function or class around them."""

    node: ast.AST
    statement: ast.stmt
    scope: str  # as `code.co_qualname` has it; "" is the module
    in_body: bool  # of a function; all else is made at import


@dataclass(frozen=True)
class Mutant:
    """One change: the how-manieth place, the how-manieth change there, and how its statement reads before and after."""

    place: int
    change: int
    scope: str
    in_body: bool
    line: int
    of_word: bool
    told: str


def mutants(source: str) -> list[Mutant]:
    """List every change of a module."""
    tree, found = ast.parse(source), []
    for number, at in enumerate(list(_places(tree))):
        before = _text(at.statement)
        for change, new in enumerate(_changes(at.node)):
            after = _text(new if at.node is at.statement else _swapped(at.statement, at.node, new))
            _swapped(at.statement, new, at.node)
            word = isinstance(at.node, ast.Constant) and isinstance(at.node.value, str)
            told = f"{at.scope or 'module'}: {before}  →  {after}"
            found.append(Mutant(number, change, at.scope, at.in_body, at.statement.lineno, word, told))
    return found


def plain(told: str) -> str:
    """Leave out what versions of Python write differently of the same code: brackets, quotes, blanks."""
    return re.sub(r"[()\s'\"]", "", told)


def mutated(source: str, mutant: Mutant) -> ast.Module:
    """Make the change."""
    tree = ast.parse(source)
    node = list(_places(tree))[mutant.place].node
    return ast.fix_missing_locations(_swapped(tree, node, ast.copy_location(list(_changes(node))[mutant.change], node)))


def _swapped(tree: ast.AST, old: ast.AST, new: ast.AST) -> ast.AST:
    """Put one node in the place of another."""
    for each in ast.walk(tree):
        for name, value in ast.iter_fields(each):
            if value is old:
                setattr(each, name, new)
            elif isinstance(value, list):
                value[:] = [new if one is old else one for one in value]
    return tree


def _text(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).split("\n")[0]


def _places(node: ast.AST, around: ast.stmt | None = None, scope: str = "", in_body: bool = False) -> Iterator[Place]:
    """Walk through what may change."""
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, LEFT_ALONE) or name == "decorator_list":
                continue
            statement = child if isinstance(child, ast.stmt) else around
            if name in {"annotation", "returns"} or _is_type(child):
                limits = [each for each in ast.walk(child) if isinstance(each, ast.Call)] if not in_body else []
                for limit in limits:
                    yield from _places(limit, statement, scope, in_body)
            elif isinstance(child, ast.FunctionDef):
                own = scope if in_body else f"{scope}.{child.name}".lstrip(".")
                yield from _places(child, statement, own, in_body=True)
                yield from _places(child.args, statement, own)  # defaults are made at import
            elif isinstance(child, ast.ClassDef):
                yield from _places(child, statement, f"{scope}.{child.name}".lstrip("."))
            elif not _is_left(child):
                yield Place(child, statement, scope, in_body)
                if not isinstance(child, ast.Raise):
                    yield from _places(child, statement, scope, in_body)


def _is_type(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in TYPES


def _is_left(node: ast.AST) -> bool:
    text = isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or _text(node) == "super().__init__()")
    return text or (isinstance(node, ast.keyword) and node.arg in UNSEEN)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    new = copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """Give every other form of a node."""
    yield from _of_statement(node) if isinstance(node, ast.stmt) else _of_expression(node)


def _of_statement(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.AugAssign():
            yield _with(node, op=COMPUTED[type(node.op)]())
            yield ast.Pass()
        case ast.If() | ast.While():
            yield from (_with(node, test=test) for test in _negated(node.test))
        case ast.Return() if node.value is not None and _text(node.value) != "None":
            yield _with(node, value=ast.Constant(None))
        case (
            ast.Raise()
            | ast.Break()
            | ast.Continue()
            | ast.Expr(value=ast.Call())
            | ast.Assign(targets=[ast.Subscript()])
        ):
            yield ast.Pass()
        case ast.Assign(targets=[ast.Name(id=name)]):  # of a name that has a value already
            if name in {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}:
                yield ast.Pass()


def _of_expression(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BinOp() if type(node.op) in COMPUTED:
            yield _with(node, op=COMPUTED[type(node.op)]())
        case ast.BoolOp():
            yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield node.operand
        case ast.Constant():
            yield from (_with(node, value=value) for value in _values(node.value))
        case ast.Call():
            yield from _calls(node)
        case ast.IfExp():
            yield from (_with(node, test=test) for test in _negated(node.test))
        case ast.comprehension():
            yield from (_with(node, ifs=[new]) for test in node.ifs for new in _negated(test))


def _comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    for at, op in enumerate(node.ops):
        for other in COMPARED[type(op)]:
            yield _with(node, ops=[*node.ops[:at], other(), *node.ops[at + 1 :]])


def _values(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 2, value / 2] if value else [1.0]
    return [value + "_"] if isinstance(value, str) else []


def _negated(test: ast.expr) -> Iterator[ast.expr]:
    """Turn a condition round, where no other change does."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1) and not isinstance(test, ast.UnaryOp):
        yield ast.UnaryOp(ast.Not(), test)


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    """Leave an argument that has a name away, exchange the first two, call the function's opposite."""
    for at, argument in enumerate(node.keywords):
        if argument.arg not in UNSEEN:
            yield _with(node, keywords=node.keywords[:at] + node.keywords[at + 1 :])
    match node.args:
        case [first, second, *rest] if _text(first) != _text(second) and not isinstance(second, ast.Starred):
            if _text(node.func).split(".")[-1] not in SYMMETRIC:
                yield _with(node, args=[second, first, *rest])
    match node.func:
        case ast.Attribute(attr=name) if name in RENAMED:
            yield _with(node, func=_with(node.func, attr=RENAMED[name]))
        case ast.Name(id=name) if name in RENAMED:
            yield _with(node, func=_with(node.func, id=RENAMED[name]))
