"""The floors of the house: what each module may import, and how large it may grow."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "pqrst"
STAGES = ROOT / "stages"
KINDS = ("datasets", "made_up", "frontends", "encodings", "models", "losses", "classifiers")
COMPONENTS, STAGE = 5, 18

# A module imports only from lower floors; `pqrst` is the package's own file, which holds the version.
FLOORS = {
    0: "disk errors pqrst",
    1: "cards console files listings parsing schemas",
    2: "annotations arrays blocks handout catalog challenge convergence intervals label_scores mat5 operating processes optimizers published seals starters transport treatment weights",
    3: "scored parallel filters decisions downloads distant faults features labels reached splits scores standardisation trees workers clusters",
    4: "engines label_intervals leaks packs quality transforms",
    5: " ".join(KINDS),
    6: "params augmentation",
    7: "loaders networks ranks preparation resolved run_checks table_checks windows sides recordings",
    8: "charts images inference opened resolver sources evaluation figures paper ledger",
    9: "spaces trials contracts doctor plots results segmentation training",
    10: "comparison predictors search",
    11: "estimators audit examples",
    12: "artifact",
    13: "fitting scoring tables prediction explanations exported",
    14: "serve views export report_runs",
    15: "publish report",
    16: "cli",
    17: "__main__",
    18: "stages",
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names.split()}

TORCH = {
    "encodings",
    "models",
    "losses",
    "frontends",
    "standardisation",
    "loaders",
    "inference",
    "images",
    "networks",
    "weights",
    "optimizers",
    "training",
    "ranks",
    "contracts",
    "predictors",
    "estimators",
    "artifact",
    "fitting",
    "examples",
}
ALLOWED = {  # a library -> the modules or kinds that may import it
    "torch": TORCH | {"doctor", "explanations", "export", "publish", "serve"},
    "onnxruntime": {"exported"},
    "captum": {"explanations"},
    "edfio": {"recordings"},
    "pydicom": {"recordings"},
    "torchmetrics": {"evaluation"},
    "safetensors": {"training", "artifact", "weights"},
    "wfdb": {"annotations", "datasets", "made_up", "recordings"},
    "h5py": {"datasets", "made_up", "recordings"},
    "monai": {"models/vit"},
    "einops": {"models/vit"},
    "timm": {"models/timm_image"},
    "distributed": {"clusters"},
    "sklearn": {"splits", "classifiers"},
    "jinja2": {"report"},
    "markdown_it": {"report"},
    "markupsafe": {"report"},
    "vl_convert": {"report"},
    "matplotlib": {"figures", "paper"},
    "skops": {"estimators"},
    "optuna": {"search"},
    "hydra": {"spaces"},
    "dvc": {"spaces", "trials"},
    "dvclive": {"stages/_log"},
    "fsspec": {"distant", "downloads", "transport"},
    "packaging": {"doctor"},
    "shtab": {"cli"},
    "yaml": {"parsing", "resolved", "starters"},
    "tqdm": {"console"},
    "scipy": {
        "filters",
        "decisions",
        "label_intervals",
        "splits",
        "scores",
        "evaluation",
        "made_up",
        "encodings",
        "frontends",
        "prediction",
    },
}
ANYWHERE = {"numpy", "pandas"}  # but on the floors 0 and 1
SERVER = {"fastapi", "h11", "starlette", "uvicorn", "pydantic"}  # serve only


@cache
def modules() -> dict[str, Path]:
    """Give every module by its name: `arrays`, `models/simple_cnn`, `stages/train`."""
    files = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    found = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in files}
    found |= {path.parent.name: path for path in PACKAGE.rglob("__init__.py")}
    return found | {f"stages/{path.stem}": path for path in STAGES.glob("*.py")}


def area(module: str) -> str:
    """Give a module's place in the table: its own name, or that of its folder."""
    return module.partition("/")[0]


@cache
def imports(module: str) -> frozenset[str]:
    """List what a module imports, at its top and inside functions, with full dotted names."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def own(name: str) -> str | None:
    """Give the module of this project that a dotted name lies in, or nothing."""
    parts = name.split(".")
    if (STAGES / f"{parts[0]}.py").exists():
        return f"stages/{parts[0]}"
    if parts[0] != "pqrst":
        return None
    inside = "/".join(parts[1:])
    while inside and inside not in modules():
        inside = inside.rpartition("/")[0]
    return inside or "pqrst"


def libraries(module: str) -> set[str]:
    """List the libraries outside this project and the standard library that a module imports."""
    tops = {name.split(".")[0] for name in imports(module) if own(name) is None}
    return tops - set(sys.stdlib_module_names)


def may_import(importer: str, imported: str) -> bool:
    """Allow a lower floor, in one folder a file that begins with an underscore, and in `serve` its other files."""
    if area(importer) == area(imported) == "serve":
        return True
    if area(importer) == area(imported):
        return imported.rpartition("/")[2].startswith("_")
    return FLOOR_OF[area(imported)] < FLOOR_OF[area(importer)]


def allowed(library: str, module: str) -> bool:
    """Say whether a module may import a library."""
    if library in ANYWHERE:
        return FLOOR_OF[area(module)] > 1
    if library in SERVER:
        return area(module) == "serve"
    return bool({module, area(module)} & ALLOWED.get(library, set()))


@pytest.mark.parametrize("module", modules())
def test_every_module_stands_on_a_floor(module):
    """Place each module in the table, so that nobody adds one without saying where it stands."""
    assert area(module) in FLOOR_OF


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_from_lower_floors(module):
    """Look down only, and never at a sibling but for what a folder shares."""
    found = {own(name) for name in imports(module)} - {None}
    assert sorted(name for name in found if not may_import(module, name)) == []


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_the_libraries_of_its_place(module):
    """Keep each library where the table allows it, and dvc out of everything but a search."""
    assert sorted(name for name in libraries(module) if not allowed(name, module)) == []


@pytest.mark.parametrize(
    ("importer", "imported", "expected"),
    [
        ("catalog", "parsing", True),
        ("catalog", "arrays", False),
        ("parsing", "catalog", False),
        ("models/simple_cnn", "models/_blocks", True),
        ("models/simple_cnn", "models/coupled_cnn", False),
        ("models/simple_cnn", "losses/_weighting", False),
        ("stages/train", "stages/_stage", True),
        ("stages/train", "stages/split", False),
        ("params", "models/simple_cnn", True),  # by this rule; the next test keeps it to the catalogue
    ],
)
def test_the_rule_tells_up_from_down(importer, imported, expected):
    """Allow what lies below and what a folder shares, and refuse siblings and what lies above."""
    assert may_import(importer, imported) == expected


def test_components_are_reached_by_name_only():
    """Import no component from outside its folder: the catalogue loads it by its name."""
    pairs = [(module, own(name)) for module in modules() for name in imports(module)]
    outside = [(one, two) for one, two in pairs if two and area(two) in KINDS and area(one) != area(two)]
    assert outside == []


def test_the_table_knows_its_own_words():
    """Put each name on one floor, and let the kinds of components stand together."""
    assert sum(len(names.split()) for names in FLOORS.values()) == len(FLOOR_OF)
    assert {FLOOR_OF[kind] for kind in KINDS} == {COMPONENTS}
    assert FLOOR_OF["stages"] == STAGE == max(FLOORS)


def test_no_module_is_a_drawer():
    """Give every module a name that says what is in it."""
    names = {name.rpartition("/")[2].strip("_") for name in modules()}
    assert names & {"util", "utils", "common", "helper", "helpers", "base", "misc"} == set()


def longest(path: Path) -> dict[str, int]:
    """Give the lines of every function of a file, decorators and docstring included."""
    functions = [
        n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {f.name: f.end_lineno - min([f.lineno, *(d.lineno for d in f.decorator_list)]) + 1 for f in functions}


@pytest.mark.parametrize("module", modules())
def test_a_function_has_at_most_forty_lines(module):
    """Keep every function on one screen."""
    assert {name: lines for name, lines in longest(modules()[module]).items() if lines > 40} == {}


@pytest.mark.parametrize("module", modules())
def test_a_file_has_at_most_four_hundred_lines(module):
    """Split a file before it grows too long to read."""
    assert len(modules()[module].read_text().splitlines()) <= 400


def test_a_stage_has_at_most_forty_lines():
    """Keep science out of the scripts: settings in, one call, files out."""
    lines = {path.stem: len(path.read_text().splitlines()) for path in STAGES.glob("[!_]*.py")}
    assert {name: count for name, count in lines.items() if count > 40} == {}
