"""The graph: every stage depends on the code that makes its output, and on nothing that is gone."""

import ast
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
import yaml

from pqrst import reached

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "dvc.yaml").read_text()
GRAPH = yaml.safe_load(TEXT)
SETTINGS = yaml.safe_load((ROOT / "params.yaml").read_text())
STAGES = {name: told.get("do", told) for name, told in GRAPH["stages"].items()}

SHIPPED = ("heartbeat", "attention", "ptbxl", "challenge", "images")  # families of runs


def script(stage: str) -> str:
    """Give the script that a stage runs."""
    return re.search(r"stages/\w+\.py", STAGES[stage]["cmd"]).group()


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "resolve"])
def test_a_stage_depends_on_its_code_through_resolved(stage):
    """Depend on the one file that lists the code by digest, and on no code beside it: each path costs time at every stage."""
    assert f"resolved/code/{Path(script(stage)).stem}.yaml" in STAGES[stage]["deps"]
    assert [dep for dep in STAGES[stage]["deps"] if dep.startswith(("src/", "stages/"))] == []


def test_resolve_depends_on_all_code():
    """Take new digests whenever a file changes."""
    assert {"src/pqrst", "stages", "tables", "params.yaml"} == set(STAGES["resolve"]["deps"])


@pytest.mark.parametrize(
    ("stage", "inside", "outside"),
    [
        ("download", {"downloads", "transport", "packs", "challenge_weights"}, {"windows", "training"}),
        ("segment", {"windows", "preparation", "packs"}, {"downloads", "transport", "splits"}),
        ("encode", {"images", "standardisation"}, {"training", "scores"}),
        ("split", {"sides", "splits", "labels"}, {"loaders", "windows"}),
        ("train", {"training", "fitting", "loaders", "scores", "_log"}, {"scoring", "figures", "windows", "serve"}),
        ("evaluate", {"scoring", "scores", "figures", "networks"}, {"training", "fitting", "tables"}),
        ("tables", {"tables", "results", "figures", "ledger"}, {"training", "scoring", "loaders"}),
    ],
)
def test_the_code_of_a_stage_is_what_it_reaches(stage, inside, outside):
    """List every module that a stage imports, however far, and none that its output does not hang on."""
    found = {Path(file).stem for file in reached.needed(ROOT, stage)}
    assert inside | {stage} <= found
    assert not found & (outside | {"_stage", "errors", "console", "resolver", "params"})


def test_an_edit_shows_in_the_stages_that_it_reaches(tmp_path):
    """Give other digests where a module, or a table beside it, has changed, and the same elsewhere."""
    for folder in ("src", "stages"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    before = reached.code(tmp_path)
    for file in ("windows.py", "challenge_weights.csv"):
        (tmp_path / "src" / "pqrst" / file).write_text("# edited\n")
    after = reached.code(tmp_path)
    assert {stage for stage in before if "src/pqrst/windows.py" in before[stage]} == {"segment"}
    assert [stage for stage in before if after[stage] == before[stage]] == ["encode", "split"]


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
    entries = [entry for key in ("deps", "outs", "metrics") for entry in told.get(key, [])]
    declared = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
    paths = re.findall(r"--[a-z-]+ (\S+)", told["cmd"])
    assert [
        path for path in paths if not any(entry == path or entry.startswith(f"{path}/") for entry in declared)
    ] == []


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "resolve"])
def test_only_resolve_reads_params_yaml(stage):
    """Let every other stage read its own file under resolved/."""
    assert "params.yaml" not in STAGES[stage]["deps"]
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
    assert path.stem == "_stage" or "_stage" in names[:ours]


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
