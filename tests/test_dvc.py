"""The graph: every stage depends on the code that makes its output, and on nothing that is gone."""

import ast
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "dvc.yaml").read_text()
GRAPH = yaml.safe_load(TEXT)
SETTINGS = yaml.safe_load((ROOT / "params.yaml").read_text())
STAGES = {name: told.get("do", told) for name, told in GRAPH["stages"].items()}

PLUMBING = {"_stage", "errors", "console", "catalog", "parsing", "params", "published", "resolver", "__init__"}
SETTLES = {"resolve": {"params", "published", "resolver"}}  # for these stages, this plumbing makes the output
KINDS = {"datasets", "made_up", "frontends", "encodings", "models", "losses", "classifiers"}
# What a component leans on counts for the stage that its work is: the digests of its own files enter through resolved/.
THROUGH = {"download": ("datasets", "made_up"), "segment": ("datasets",)}
SHIPPED = ("heartbeat", "attention", "ptbxl", "challenge", "images")  # families of runs
FETCHES = {"downloads", "transport"}  # `segment` reads by the datasets too, but fetches nothing


def script(stage: str) -> str:
    """Give the script that a stage runs."""
    return re.search(r"stages/\w+\.py", STAGES[stage]["cmd"]).group()


def code(stage: str) -> set[str]:
    """List the dependencies of a stage that are this project's code."""
    return {dep for dep in STAGES[stage]["deps"] if dep.startswith(("src/", "stages/"))}


@cache
def imported(file: str) -> frozenset[str]:
    """List the files of the package that a file imports, at its top and inside functions."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        found |= {own for own in map(in_package, names) if own}
    return frozenset(found)


def in_package(name: str) -> str | None:
    """Give the file of the package, or beside the stages, that a dotted name lies in, or nothing."""
    parts = name.split(".")
    if (ROOT / "stages" / f"{parts[0]}.py").exists():
        return f"stages/{parts[0]}.py"
    for length in range(len(parts), 1, -1) if parts[0] == "pqrst" else ():
        file = f"src/{'/'.join(parts[:length])}.py"
        if (ROOT / file).exists():
            return file
    return None


def reached(stage: str) -> set[str]:
    """Walk the imports of a stage's script, through plumbing, and through the components where they are its work."""
    components = [file for kind in THROUGH.get(stage, ()) for file in ROOT.glob(f"src/pqrst/{kind}/*.py")]
    waiting, found = [script(stage), *(file.relative_to(ROOT).as_posix() for file in components)], set()
    while waiting:
        more = imported(waiting.pop()) - found
        found |= more
        waiting += sorted(more)
    return found


def needed(stage: str) -> set[str]:
    """List the modules whose change can change a stage's output."""
    passed = PLUMBING - SETTLES.get(stage, set()) | (FETCHES if stage == "segment" else set())
    files = {file for file in reached(stage) if Path(file).stem not in passed and Path(file).parent.name not in KINDS}
    beside = {path for file in files for path in (ROOT / file).parent.glob(f"{Path(file).stem}_*.csv")}
    return files | {path.relative_to(ROOT).as_posix() for path in beside} | {script(stage)}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_that_it_imports(stage):
    """Run a stage anew whenever a module that it reaches changes."""
    assert sorted(needed(stage) - code(stage)) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_that_it_does_not_import(stage):
    """Keep no dependency that is gone or no longer reached."""
    assert [dep for dep in code(stage) if not (ROOT / dep).exists()] == []
    folders = {f"src/pqrst/{kind}" for kind in KINDS} if stage == "resolve" else set()
    assert sorted(code(stage) - needed(stage) - folders) == []


def test_resolve_depends_on_every_kind_that_has_components():
    """Take new digests whenever a component changes."""
    filled = {f"src/pqrst/{kind}" for kind in KINDS if list((ROOT / "src" / "pqrst" / kind).glob("[!_]*.py"))}
    assert filled <= code("resolve")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_passes_its_script_the_flags_that_it_takes(stage):
    """Name each keyword argument of the script's `main` as a flag, and no other."""
    tree = ast.parse((ROOT / script(stage)).read_text())
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    expected = {argument.arg.replace("_", "-") for argument in main.args.kwonlyargs}
    assert set(re.findall(r"--([a-z-]+)", STAGES[stage]["cmd"])) == expected


@pytest.mark.parametrize("stage", STAGES)
def test_every_path_of_a_command_is_a_dependency_or_an_output(stage):
    """Hide no file from DVC: each path after a flag lies in what the stage declares."""
    told = STAGES[stage]
    entries = [entry for key in ("deps", "params", "outs", "metrics") for entry in told.get(key, [])]
    declared = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
    paths = re.findall(r"--[a-z-]+ (\S+)", told["cmd"])
    assert [
        path for path in paths if not any(entry == path or entry.startswith(f"{path}/") for entry in declared)
    ] == []


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "resolve"])
def test_only_resolve_reads_params_yaml(stage):
    """Let every other stage read its own file under resolved/."""
    assert "params" not in STAGES[stage]
    assert [dep for dep in STAGES[stage]["deps"] if dep.startswith("resolved/")]


def test_every_script_is_a_stage():
    """Leave no script in stages/ that the graph does not run."""
    assert {script(stage) for stage in STAGES} == {f"stages/{path.name}" for path in (ROOT / "stages").glob("[!_]*.py")}


@pytest.mark.parametrize("path", sorted((ROOT / "stages").glob("*.py")), ids=lambda path: path.stem)
def test_a_stage_imports_the_code_of_its_own_checkout(path):
    """Import `_stage`, which sets the path, before anything of the package: what is installed may be another checkout."""
    found = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [getattr(node, "module", None) or node.names[0].name for node in found]
    ours = next((place for place, name in enumerate(names) if name.startswith("pqrst")), len(names))
    assert path.stem == "_stage" or ours == len(names) or "_stage" in names[:ours]


def test_no_interpolation_stands_in_a_flow_list():
    """Write lists as blocks: `[${x}]` is a mapping inside a list to YAML."""
    events = list(yaml.parse(TEXT))
    flows = [e for e in events if isinstance(e, yaml.SequenceStartEvent | yaml.MappingStartEvent) and e.flow_style]
    assert flows == []


def test_foreach_runs_over_sections_that_exist():
    """Expand stages over a section of params.yaml, under the names that its items have."""
    sections = {told["foreach"] for told in GRAPH["stages"].values() if "foreach" in told}
    assert {section.strip("${}") for section in sections} <= set(SETTINGS)
    for name, told in GRAPH["stages"].items():
        used = set(re.findall(r"\$\{item\.(\w+)\}", str(told)))
        items = SETTINGS[told["foreach"].strip("${}")].values() if used else []
        assert [item for item in items if not used <= set(item)] == [], name


def items_of(families: set[str]) -> dict[str, set[str]]:
    """Name the items of each section of params.yaml that the runs of some families lead to."""
    runs = {name: run for name, run in SETTINGS["runs"].items() if run["family"] in families}
    datasets = {run["dataset"] for run in runs.values()}
    databases = {SETTINGS["datasets"][name]["database"] for name in datasets}
    images = {run["input"].removeprefix("images/") for run in runs.values() if run["input"].startswith("images/")}
    return {"runs": {*runs}, "datasets": datasets, "databases": databases, "images": images, "tables": families}


def stages_of(items: Mapping[str, Collection[str]]) -> int:
    """Count the stages that the items of sections are expanded to."""
    sections = [told.get("foreach", "").strip("${}") for told in GRAPH["stages"].values()]
    return sum(len(items[section]) if section else 1 for section in sections)


def test_the_number_of_stages_stays_small():
    """Keep what ships under a hundred stages and the whole under two hundred, since DVC's cost grows with their square."""
    assert stages_of(items_of(set(SHIPPED))) < 100, (
        f"the families {', '.join(SHIPPED)} are full: make the run one of the values that another run is made `over`, "
        "or one of its `arms`, or give it a family of its own"
    )
    assert stages_of(SETTINGS) < 200, "too many stages: make several runs one, by `over` or `arms`"


def plotted() -> list[str]:
    """List the files that the plots read, as DVC fills in settings."""
    files = [file for plot in GRAPH["plots"] for told in plot.values() for file in told["y"]]
    return [re.sub(r"\$\{(\w+)\}", lambda found: str(SETTINGS[found[1]]), file) for file in files]


@pytest.mark.parametrize("file", plotted())
def test_a_plot_shows_a_run_that_exists(file):
    """Read the log of a run in params.yaml, from its first seed, or the shares of its rows."""
    found = re.fullmatch(r"metrics/(train|plots)/([a-z0-9_-]+)/(?:seed-(\d+)/plots/metrics/)?[\w/]+\.[ct]sv", file)
    assert found
    assert found[2] in SETTINGS["runs"]
    assert found[3] in (None, str(SETTINGS["seed"]))


def test_plots_follow_the_first_seed():
    """Write it as the setting that it is, so that `dvc plots show` finds what `-S seed=18` trained."""
    assert "seed-${seed}/" in TEXT
    assert not re.search(r"seed-\d", TEXT)


def test_every_table_has_a_run_of_its_family():
    """Find in the folder of a table's family at least one run."""
    families = {run["family"] for run in SETTINGS["runs"].values()}
    assert set(SETTINGS["tables"]) <= families
