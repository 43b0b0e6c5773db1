"""Targets of what a user or a stage writes as text: params.yaml, tables/*.yaml, contract.json, meta.json, the ledger."""

import io
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml

import toys
from fuzzing.core import Target, joined, laid, room, split, vouched
from pqrst import arrays, artifact, catalog, ledger, params, parsing, prediction, published, resolver, results
from pqrst.contracts import contract_of

ROOT = Path(__file__).parents[2]
RUNS = (
    "simple_cnn",
    "coupled_loss",
    "context",
    "attention",
    "attention_leaky",
    "incepse",
    "resu_dense",
    "heartbeat_rows",
    "beats",
)
ODD: tuple[Any, ...] = (None, True, False, 0, -1, 1, 2**63, 10**400, 1e300, -0.5, "", "auto", "../x", "a\n", "1e-5", "nan", [], [1], [[]],
                        {}, {"a": 1}, {1: 2}, "part", ["x", "x"], "\x00", "é" * 50)  # fmt: skip


# what reads the same files again and again
REMEMBERED = (
    (published, "read", cache(parsing.read)),
    (catalog, "digests", cache(catalog.digests)),
    (catalog, "names", cache(catalog.names)),
)


@cache
def shipped() -> Mapping[str, Any]:
    """Give params.yaml with as many runs as its paths through the resolver need."""
    given = yaml.load((ROOT / "params.yaml").read_text(), yaml.CSafeLoader)
    given["runs"] = {name: given["runs"][name] for name in RUNS}
    given["tables"] = ["attention"]
    return given


@cache
def places() -> list[tuple[Any, ...]]:
    """List the path of every setting and every mapping of settings."""
    found: list[tuple[Any, ...]] = []

    def walk(node: Any, path: tuple[Any, ...]) -> None:
        found.append(path)
        inside = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
        for key, value in inside:
            walk(value, (*path, key))

    for section, value in shipped().items():
        walk(value, (section,))
    return found


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def changed(tree: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Give a tree with another value at a path, or without that path where `new` is the path itself; the rest is shared."""
    if not path:
        return new
    inside = list(tree) if isinstance(tree, list) else dict(tree)
    if new is path and len(path) == 1:
        del inside[path[0]]
    elif new is path:
        inside[path[0]] = _without(tree[path[0]], path[1:])
    else:
        inside[path[0]] = changed(tree[path[0]], path[1:], new)
    return inside


def _without(tree: Any, path: tuple[Any, ...]) -> Any:
    return changed(tree, path, path)


def edited(data: bytes) -> Any:
    """Change the shipped settings as bytes say, four for each change: another value, another's, no setting, a new one."""
    tree: Any = shipped()
    for start in range(0, min(len(data), 12) - 3, 4):
        path = places()[int.from_bytes(data[start : start + 2], "little") % len(places())]
        how, which = data[start + 2], data[start + 3]
        try:
            here = at(tree, path)
            if how % 4 == 0:
                tree = changed(tree, path, ODD[which % len(ODD)])
            elif how % 4 == 1:
                tree = changed(tree, path, at(tree, places()[(which << 6 | how) % len(places())]))
            elif how % 4 == 2:
                tree = _without(tree, path)
            elif isinstance(here, Mapping):
                tree = changed(tree, (*path,), {**here, ODD[which % 12]: ODD[how >> 2 & 15]})
        except (KeyError, IndexError, TypeError):  # an earlier change took the place away
            continue
    return tree


def settings(data: bytes) -> bool:
    """Load and resolve changed settings; every run gets complete ones."""
    tree, read = edited(data), parsing.read

    def given(file: Path, called: str) -> Any:
        return tree if file.name == "params.yaml" else read(file, called)

    with ExitStack() as stack:
        stack.enter_context(patch.object(params, "read", given))
        for module, name, kept in REMEMBERED:
            stack.enter_context(patch.object(module, name, kept))
        loaded = params.load(ROOT / "params.yaml")
        found = resolver.resolved_files(loaded)
    assert all(isinstance(one, Mapping) for one in found.values())
    assert yaml.dump(found["scores.yaml"], Dumper=yaml.CSafeDumper)
    return True


def text(data: bytes) -> bool:
    """Read a file of settings; what it is, is a mapping."""
    found = parsing.read(laid(params_yaml=data) / "params.yaml", "params.yaml")
    assert isinstance(found, Mapping)
    parsing.parse(params.Train, found, "train")
    return True


def table(data: bytes) -> bool:
    """Read the tables of a family; published cells are numbers by score."""
    folder = laid() / "tables"
    folder.mkdir(exist_ok=True)
    (folder / "one.yaml").write_bytes(data)
    for one in published.load(folder.parent, "one").values():
        assert all(np.isfinite(cell) for row in one.rows for cell in row.published.values())
        assert all(set(row.published) <= set(one.scores) for row in one.rows)
    return True


def contract(data: bytes) -> bool:
    """Read a contract; read again from what was read it is the same."""
    found = artifact.read_contract(vouched(laid(contract_json=data)))
    again = json.loads(json.dumps(asdict(found)))
    assert asdict(contract_of(again, "again")) == asdict(found) or "NaN" in str(again) or "nan" in str(again)
    prediction.window_of(found)
    return True


def bundle(data: bytes) -> bool:
    """Open a Bundle; its arrays are of the shapes that its meta.json says."""
    meta, x, y, rows = split(data, 4)
    found = arrays.read(laid(meta_json=meta, x_npy=x, y_npy=y, rows_csv=rows))
    assert found.x.shape == (found.meta.rows, *found.meta.shape)
    assert len(found.x) == len(found.y) == len(found.rows)
    return True


def kept(data: bytes) -> bool:
    """Read a recorded result, and take its scores, as tables do."""
    folder = room() / "ledger" / "one"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "17.json").write_bytes(data)
    found = ledger.read(folder.parent, "one")
    assert all(np.isfinite(value) for value in results.values(found, "accuracy"))
    results.interval("patient", found, "accuracy")
    results.synthetic(found)
    return True


def as_json(content: Any) -> bytes:
    return json.dumps(content).encode()


@cache
def contracts() -> list[bytes]:
    whole = {"cut": "whole", "samples": 4, "filter": {"low": 0.5, "high": 40.0}}
    seen = asdict(toys.CONTRACT) | {"input": asdict(toys.CONTRACT.input) | {"window": whole, "lead_names": [{"I": 3}]}}
    return [as_json(asdict(toys.CONTRACT)), as_json(asdict(toys.COUPLED)), as_json(seen)]


def bundles() -> list[bytes]:
    def npy(values: np.ndarray) -> bytes:
        file = io.BytesIO()
        np.save(file, values)
        return file.getvalue()

    meta = asdict(toys.META) | {"shape": [1, 4], "rows": 2}
    rows = b"record,patient,start,fold_cut\nr,p,0,train\nr,q,4,test\n"
    return [joined(as_json(meta), npy(np.zeros((2, 1, 4), np.float32)), npy(np.array([0, 1], np.int16)), rows)]


RESULT = {
    "seed": 17, "parameters": 99, "provenance": {"synthetic": False}, "classes": ["a", "b"], "scores": {"accuracy": 0.5, "f1_macro": None},
    "confusion": [[3, 1], [1, 3]], "by_patient": {"p": "2 0 0 1", "q": "1 1 1 2"}, "predicted": "eJxjYAAAAAIAAQ==",
}  # fmt: skip
TABLE = (
    b"one:\n  title: 't'\n  scores:\n    accuracy: Acc\n    f1_macro: F1\n  tested: accuracy\n  baseline: b\n  rows:\n"
    b"  - {name: b, run: r, published: [98.1, ~]}\n  - {name: c, published: [1e1, 2], misprinted: {accuracy: 3}}\n"
)
YAMLS = (b"a: &x [1, 2]\nb: *x\n", b"a: {b: 1e-05, c: !!float 2, d: 2001-01-01, e: 0x1f, f: 1:30}\n<<: {g: ~}\n")
TARGETS = {
    "settings": Target(settings, lambda: [b"", *(bytes([k, k >> 4, k % 5, 3 * k % 256]) for k in range(0, 256, 17))], 12, 12),
    "yaml": Target(text, lambda: [yaml.safe_dump(asdict(toys.TRAIN)).encode(), *YAMLS], 1024, 150),
    "tables": Target(table, lambda: [TABLE], 512, 150),
    "contract": Target(contract, contracts, 4096, 300),
    "bundle": Target(bundle, bundles, 4096, 150),
    "ledger": Target(kept, lambda: [as_json(RESULT), as_json(RESULT | {"confusion": None, "by_patient": {}})], 1024, 300),
}  # fmt: skip
