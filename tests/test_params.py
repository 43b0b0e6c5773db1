"""The shipped params.yaml: it loads, DVC can edit it without harm, and every run that it names can learn."""

import difflib
import re
import shutil
from dataclasses import asdict, fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pqrst import (
    arrays,
    catalog,
    estimators,
    images,
    loaders,
    networks,
    params,
    resolved,
    resolver,
    results,
    segmentation,
    training,
)
from pqrst.errors import SettingsError
from pqrst.labels import of_task
from pqrst.parsing import parse
from pqrst.standardisation import Standardisation, fit_standardisation
from pqrst.treatment import beside

ROOT = Path(__file__).parents[1]
FILE = ROOT / "params.yaml"
TEXT = FILE.read_text()
GIVEN = yaml.safe_load(TEXT)
SETTINGS = params.load(FILE)
RUNS = list(SETTINGS.runs)
WHOLE = replace(SETTINGS, profiles=SETTINGS.profiles | {"demo": replace(SETTINGS.profiles["demo"], brief=False)})
VARIANTS = [run for variants in resolver.resolve(WHOLE).values() for run in variants]


def task_of(run: resolved.RunSettings) -> arrays.LabelTask | None:
    """Give the label task of the part that a run learns; None where its database has but one."""
    data = SETTINGS.datasets[run.dataset]
    split = params.parts_of(data.splits[run.split], run.split)[run.part]
    return getattr(catalog.load("datasets", data.database), "LABEL_TASKS", {}).get(split.task)


def network_of(run: resolved.RunSettings) -> str:
    """Name what a run builds: parts of a split with the same labels, and settings of a loss, make the same network."""
    if SETTINGS.runs[run.run].arms:
        before = [run.encoding, *run.encoding_settings.values(), run.frontend, *run.frontend_settings.values()]
        return f"{run.run}-{'-'.join(map(str, (run.model, run.loss, *before)))}"
    return f"{run.run}-{run.value if not run.part or task_of(run) else 'parts'}"


NETWORKS = {network_of(run): run for run in VARIANTS if run.kind == "models"}
CLASSIFIERS = [run for run in VARIANTS if run.kind == "classifiers"]
ROWS = 8  # of a batch
TRAIN = [one.name for one in fields(params.Train)]
LEFT_OUT = {("encodings", "lead_rows"): {"rows"}}  # in place of rows_per_lead; one of the two is enough
COMPONENTS = [
    *(
        (kind, name, GIVEN[kind][name])
        for kind in ("encodings", "frontends", "models", "classifiers", "losses")
        for name in GIVEN[kind]
    ),
    *(("datasets", name, GIVEN["databases"][name]) for name in GIVEN["databases"]),
]


@pytest.fixture
def copy(tmp_path):
    """Give a copy of params.yaml that DVC may change, with the tables beside it."""
    shutil.copytree(ROOT / "tables", tmp_path / "tables")
    file = tmp_path / "params.yaml"
    file.write_text(TEXT)
    return file


def changed_lines(before: str, after: str) -> list[str]:
    """List the lines of a diff without context."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("---", "+++")]


def override(file: Path, *given: str) -> None:
    """Change a file as `dvc exp run -S` does."""
    from dvc.utils.hydra import apply_overrides

    apply_overrides(str(file), list(given))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Make up a few short recordings of every dataset, and cut and encode them: input -> Bundle."""
    root, files = tmp_path_factory.mktemp("tiny"), resolver.resolved_files(SETTINGS)
    found = {}
    for name, data in SETTINGS.datasets.items():
        found[f"windows/{name}"] = cut(root, name, data)
    for name, image in SETTINGS.images.items():
        images.encode(
            root / "windows" / image.dataset,
            parse(resolved.Encode, files[f"encode/{name}.yaml"], name),
            root / "images" / name,
        )
        found[f"images/{name}"] = arrays.read(root / "images" / name)
    return found


def cut(root: Path, name: str, data: params.Dataset) -> arrays.Bundle:
    """Make up one database and cut it as params.yaml says."""
    module, raw, out = catalog.load("datasets", data.database), root / "raw" / name, root / "windows" / name
    raw.mkdir(parents=True)
    records = 4 if data.database in ("heartbeat", "mitdb") else 16
    catalog.load("made_up", data.database).write(raw, records, np.random.default_rng(0), 0.5)
    facts = {"dataset": name, "task": module.TASK, "classes": module.CLASSES, "provenance": {"synthetic": True}}
    found = module.records(raw, parse(module.Params, SETTINGS.databases[data.database], name))
    segmentation.segment(found, data.window, data.on_bad_record, facts, out)
    return arrays.read(out)


def test_the_shipped_file_loads():
    """Read every section into its type."""
    assert isinstance(SETTINGS, params.Settings)
    assert SETTINGS.profile == "demo"
    assert SETTINGS.loss == SETTINGS.train["lr"] == params.AUTO


def test_the_override_layer_is_shipped_untouched():
    """Commit no override: every run starts from its own system's recipe."""
    assert (GIVEN["loss"], GIVEN["frontend"], GIVEN["scope"]) == ("auto", "auto", "all")
    assert set(GIVEN["weights"].values()) == {""}
    assert set(GIVEN["train"].values()) == {"auto"}


def test_loading_and_dumping_by_dvc_changes_no_byte(copy):
    """Survive DVC's own editor without a change to edit."""
    from dvc.utils.serialize import modify_yaml

    with modify_yaml(str(copy)):
        pass
    assert changed_lines(TEXT, copy.read_text()) == []
    assert copy.read_text() == TEXT


def test_no_list_stands_last():
    """Let a list be followed by a setting: DVC's editor drops a comment or a blank line that comes right after one."""
    lines = [*TEXT.splitlines(), "end: of the file"]
    wrong = [
        f"params.yaml, line {number}: a comment or blank line follows the list item {line.strip()!r}, and DVC's editor drops it; "
        "write the list before another setting of its component"
        for number, (line, after) in enumerate(pairwise(lines), 1)
        if line.lstrip().startswith("- ") and (not after.strip() or after.lstrip().startswith("#"))
    ]
    assert not wrong, wrong[0]


@pytest.mark.parametrize(
    ("given", "before", "after"),
    [
        ("loss=iwl", "loss: auto", "loss: iwl"),
        ("profile=paper", "profile: demo", "profile: paper"),
        ("scope=heartbeat", "scope: all", "scope: heartbeat"),
        ("train.epochs=3", "  epochs: auto", "  epochs: 3"),
        ("train.lr=0.00001", "  lr: auto", "  lr: 1e-05"),
        ("runs.beats.arms.iwl.loss=focal", "      iwl: {loss: iwl}", "      iwl: {loss: focal}"),
        (
            "+runs.beats.arms.se_ce.loss=iwl",
            "      se_ce: {frontend: icwa, frontend.mode: se}",
            "      se_ce: {frontend: icwa, frontend.mode: se, loss: iwl}",
        ),
    ],
)
def test_an_override_by_dvc_changes_one_line(copy, given, before, after):
    """Let `dvc exp run -S` change one line, and lose no comment."""
    override(copy, given)
    assert changed_lines(TEXT, copy.read_text()) == [f"-{before}", f"+{after}"]
    params.load(copy)


@pytest.mark.parametrize("section", ["runs", "databases", "datasets", "images", "tables", "systems", "profiles"])
def test_names_suit_a_file_and_a_stage(section):
    """Use only what may stand in a path, in a stage's name and in -S."""
    assert [name for name in GIVEN[section] if not re.fullmatch(r"[a-z0-9_-]+", name)] == []


@pytest.mark.parametrize("profile", SETTINGS.profiles)
def test_every_run_resolves_under_every_profile(profile):
    """Give each run complete settings, whatever the profile."""
    found = resolver.resolve(replace(SETTINGS, profile=profile))
    assert list(found) == RUNS
    assert all(run.seeds[0] == SETTINGS.seed for variants in found.values() for run in variants)


def inputs_of(run, bundle, module):
    """Give a batch of what a network sees in training: its crops, standardised, and what stands beside them."""
    rows = np.arange(min(ROWS, len(bundle.x)))
    fitted = Standardisation("none" if run.train.standardise == "none" else "row")
    x = loaders.resident(bundle.x, rows, fitted, torch.device("cpu"), steps=bundle.meta.steps)
    inputs = [loaders.cropped(x, run.train.crop)]
    if getattr(module, "SIDE", ()):
        side = beside(bundle.side, bundle.meta.side, module.SIDE)
        of_train = fit_standardisation("train", loaders.parts(side, rows))
        inputs.append(loaders.resident(side, rows, of_train, torch.device("cpu")))
    return inputs


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("run", NETWORKS.values(), ids=NETWORKS)
def test_every_network_of_every_run_takes_one_gradient_step(run, tiny):
    """Build each network on what it sees of its input, and let one batch move every weight that has a gradient."""
    torch.manual_seed(0)
    module, loss = catalog.load("models", run.model), catalog.load("losses", run.loss)
    bundle = of_task(tiny[run.input], task_of(run))
    shape = training.crop_of(run.train).shape(bundle.x.shape[1:])
    model = networks.build(run, shape, len(bundle.meta.classes), bundle.meta.fs)
    criterion = loss.build(run.task, bundle.class_counts(), parse(loss.Params, run.loss_settings, run.run))
    inputs = inputs_of(run, bundle, module)
    y = torch.from_numpy(bundle.y[:ROWS].astype(np.int64))
    optimizer, before = torch.optim.SGD(model.parameters(), lr=0.1), [w.detach().clone() for w in model.parameters()]
    criterion(model(*inputs), y).backward()
    optimizer.step()
    moved = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    assert sum(moved) > len(moved) / 2


@pytest.mark.parametrize("run", CLASSIFIERS, ids=[f"{run.run}-{run.value}" for run in CLASSIFIERS])
def test_every_classifier_of_every_run_learns_a_few_rows(run, tiny):
    """Fit each estimator to made-up rows, and get a probability for each class."""
    bundle, module = tiny[run.input], catalog.load("classifiers", run.model)
    p = parse(module.Params, run.model_settings, run.run)
    side = np.zeros((len(bundle.y), 0), np.float32) if bundle.side is None else bundle.side
    signals = module.ACCEPTS == "signal"
    given = estimators.beside_rows(side, np.array(bundle.x, np.float32)) if signals else side
    estimator = module.build(bundle.meta.side, bundle.meta.classes, 0, p, bundle.meta.shape).fit(given, bundle.y)
    assert estimator.predict_proba(given).shape == (len(bundle.y), len(bundle.meta.classes))


def test_every_row_of_a_table_is_a_run_of_its_family():
    """Show in a table only runs whose scores lie in the table's folder."""
    rows = [
        (row.run, family) for family, page in SETTINGS.tables.items() for table in page.values() for row in table.rows
    ]
    assert [run for run, family in rows if run and SETTINGS.runs[run].family != family] == []


def test_every_run_stands_in_a_table():
    """Train nothing that no table shows."""
    shown = {
        (row.run, results.value_of(row, column))
        for page in SETTINGS.tables.values()
        for table in page.values()
        for row in table.rows
        for column in table.scores
        if row.run
    }
    assert shown == {(run.run, run.value) for run in VARIANTS}


def test_a_misprint_stands_beside_the_number_that_mends_it():
    """Show what was printed only where another number is published in its place."""
    rows = [row for page in SETTINGS.tables.values() for table in page.values() for row in table.rows]
    misprints = [(row.published[score], printed) for row in rows for score, printed in row.misprinted.items()]
    assert misprints
    assert all(mended not in (None, printed) for mended, printed in misprints)


def test_the_override_layer_lists_every_training_setting():
    """Offer each field of Train to -S, in the order of the type, and say what the recipes leave open."""
    assert list(GIVEN["train"]) == TRAIN
    assert list(GIVEN["defaults"]) == TRAIN


@pytest.mark.parametrize("name", TRAIN)
def test_every_training_setting_has_its_comment_line(name):
    """Explain each setting of the override layer in the line above it."""
    lines = TEXT[TEXT.index("\ntrain:\n") :].splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(f"  {name}: "))
    assert lines[place - 1].startswith("  # ")


@pytest.mark.parametrize(("kind", "name", "given"), COMPONENTS, ids=[f"{kind}-{name}" for kind, name, _ in COMPONENTS])
def test_params_yaml_holds_every_setting_of_a_component(kind, name, given):
    """Write down each field of each component, so that nothing is set by a default that nobody sees."""
    expected = {one.name for one in fields(catalog.load(kind, name).Params)}
    assert expected - set(given) == LEFT_OUT.get((kind, name), set())


# what ships otherwise than the code alone: a frontend that does something, and weights that begin as the benchmark's
APART = {("frontends", "icwa"): {"mode"}, ("models", "xresnet1d101"): {"zero_last"}}


@pytest.mark.parametrize(("kind", "name", "given"), COMPONENTS, ids=[f"{kind}-{name}" for kind, name, _ in COMPONENTS])
def test_defaults_in_code_are_what_is_shipped(kind, name, given):
    """Let the examples and parameter counts of docstrings speak of the networks that params.yaml trains."""
    kinds = catalog.load(kind, name).Params
    own, shipped = asdict(kinds()), asdict(parse(kinds, given, name))
    assert {key for key in own if own[key] != shipped[key]} == APART.get((kind, name), set())


def test_a_split_may_be_one_that_several_datasets_share():
    """Give each of them the whole split, as if it stood there."""
    shared = parse(params.Split, GIVEN["splits"]["tenths"], "splits.tenths")
    users = {name for name, data in GIVEN["datasets"].items() if "tenths" in map(str, data["splits"].values())}
    assert users == {"cpsc2018", "chapman", "sph"}
    assert {SETTINGS.datasets[name].splits["published"] == shared for name in users} == {True}


def test_a_run_may_be_made_over_all_parts_of_its_split():
    """Read `over: part` as the parts in their order."""
    short = {name for name, run in GIVEN["runs"].items() if run.get("over") == "part"}
    assert {"incepse", "resu_dense"} <= short
    for name in short:
        run = SETTINGS.runs[name]
        assert run.over == {"part": tuple(SETTINGS.datasets[run.dataset].splits[run.split].parts)}
    assert SETTINGS.runs["incepse"].over["part"] == ("all", "diagnostic", "sub", "super", "form", "rhythm")


@pytest.mark.parametrize("kind", ["databases", "encodings", "frontends", "models", "classifiers", "losses"])
def test_params_yaml_names_every_component(kind):
    """Give each component of the catalogue its settings."""
    assert set(GIVEN[kind]) == set(catalog.names("datasets" if kind == "databases" else kind))


def test_every_score_is_known():
    """Name only scores that exist, and show in tables only scores that are computed."""
    from pqrst import convergence, scores

    assert set(SETTINGS.scores) <= set(scores.names())
    columns = {column for page in SETTINGS.tables.values() for table in page.values() for column in table.scores}
    shown = {column.rpartition("/")[2] for column in columns}
    reckoned = {score for score in shown if scores.of_matrix(score) or convergence.names_one(score)}
    assert shown - reckoned <= set(SETTINGS.scores)


WRONG = [
    ("profile: demo", "profile: dmo", "profile: there is no 'dmo'; did you mean demo?"),
    ("\nseed: 17", "\nseeed: 17", "seeed is not a setting; did you mean seed?"),
    ("\nseed: 17", "", "seed is missing from {file}"),
    ("\nseed: 17", "\nseed: many", "seed must be int, got 'many'"),
    (
        "  simple_cnn:\n",
        "  simpel_cnn:\n",
        "models.simpel_cnn: there is no model 'simpel_cnn'; did you mean simple_cnn?",
    ),
    (
        "    stochastic_depth: 0.2\n",
        "    stochastic_dept: 0.2\n",
        "models.efficientnet_b0.stochastic_dept is not a setting; did you mean stochastic_depth?",
    ),
    ("    gamma: 0.3", "    gamma: -1", "losses.iwl.gamma must be at least 0, got -1"),
    ("    loss: ce", "    loss: focall", "systems.heartbeat.loss: there is no 'focall'; did you mean focal?"),
    (
        "dataset: heartbeat\n    drawing",
        "dataset: mitbd\n    drawing",
        "images.heartbeat_rows.dataset: there is no 'mitbd'; did you mean mitdb?",
    ),
    (
        "encoding: lead_rows",
        "encoding: leads",
        "drawings.heartbeat_rows.encoding: there is no 'leads'; did you mean lead_",
    ),
    ("      size: 32", "      sise: 32", "drawings.heartbeat_rows.settings: there is no 'sise'; did you mean size?"),
    (
        "      channels: 1\n",
        "",
        "drawings.heartbeat_rows.settings: mean must give one number for each of the 3 channels",
    ),
    (
        "    origin: auto",
        "    origin: host",
        "databases.heartbeat.origin must be one of auto, mitdb, kaggle, ",
    ),
    (
        "      cut: beats",
        "      cut: beat",
        "datasets.heartbeat.window.cut must be one of beats, around, equal, whole, got 'beat'; ",
    ),
    (
        "    database: heartbeat",
        "    database: hartbeat",
        "datasets.heartbeat.database: there is no 'hartbeat'; did you mean heartbeat?",
    ),
    (
        "        - F\n",
        "        - Z\n",
        "datasets.heartbeat.splits.patients.classes: there is no 'Z'; known: N, S, V, F, Q",
    ),
    (
        "        mixed: true",
        "        mixed: often",
        "datasets.heartbeat.splits.patients_mixed.mixed must be bool, got 'often'",
    ),
    (
        "        shared:\n        - DS2 of",
        "        shared: DS2 of",
        'datasets.heartbeat.splits.patients_202.shared must be a list of text, got "DS2 of DS1\'s person"',
    ),
    (
        "      train.optimizer:\n      - adam\n",
        "      train.optimizer: adam\n",
        "runs.coupled_optimizer.over.train.optimizer must be a list of anything, got 'adam'",
    ),
    (
        "            task: rhythm\n",
        "            task: rythm\n",
        "datasets.ptbxl.splits.official.parts.rhythm.task: there is no 'rythm'; did you mean rhythm?",
    ),
    (
        "        task: likelihood\n",
        "",
        "datasets.ptbxl_original.splits.likelihood.task: there is no ''; known: all, diagnostic, sub, super, form, rhythm, ",
    ),
    (
        "            task: form\n",
        "            taks: form\n",
        "datasets.ptbxl.splits.official.parts.form.taks is not a setting; did you mean task?",
    ),
    (
        "            test_share: 0.2\n",
        "            test_share: 2\n",
        "datasets.challenge2021.splits.challenge.parts.random.test_share must be between 0 and 0.9, got 2",
    ),
    (
        "            test_share: 0.2\n",
        "            seed: 3\n",
        "datasets.challenge2021.splits.challenge.parts.random: a split by group needs test_share, or fold and test; ",
    ),
    (
        "        fold: source\n",
        "        fold: source\n        task: all\n",
        "datasets.challenge2021.splits.challenge.parts.random.task: there is no 'all'; ",
    ),
    ("      pieces: 4\n", "      pieces: 0\n", "datasets.challenge2021.window.pieces must be at least 1, got 0"),
    (
        "      side: record\n",
        "      side: recrd\n",
        "datasets.ptbxl_original.window.side must be one of none, beats, record, ",
    ),
    (
        "- attention\n",
        "- atention\n",
        "tables: there is no file tables/atention.yaml; did you mean tables/attention.yaml?",
    ),
    ("tables:\n- heartbeat\n", "tables:\n- heartbeat: {}\n", "tables[0] must be text, got {{'heartbeat': {{}}}}"),
    (
        "      published: tenths\n",
        "      published: tenth\n",
        "datasets.cpsc2018.splits.published: there is no 'tenth'; did you mean tenths?",
    ),
    (
        "    fold: tenths\n    by: recording\n",
        "    fold: tenths\n    by: recordin\n",
        "datasets.cpsc2018.splits.published.by must be one of ",
    ),
    (
        "    split: official\n    model: incepse\n",
        "    split: oficial\n    model: incepse\n",
        "runs.incepse.split: there is no 'oficial'; did you mean official?",
    ),
    ("    over: part\n", "    over: parts\n", "runs.incepse.over must be a mapping, got 'parts'"),
    ("profile: demo", "profile: [demo", "{file} is not YAML: while parsing a flow sequence"),
]


@pytest.mark.parametrize(("before", "after", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_a_mistake_in_the_file_gets_one_line(copy, before, after, message):
    """Refuse each mistake in one line that begins with its place."""
    assert before in TEXT
    copy.write_text(TEXT.replace(before, after, 1))
    with pytest.raises(SettingsError) as caught:
        params.load(copy)
    assert str(caught.value).startswith(message.format(file=copy))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"by": "row", "test_share": 0.2, "parts": {"a": {"seed": 1}}}, ""),
        (
            {"by": "row", "parts": {"a": {"test_share": 0.2}, "b": {}}},
            "splits.x.parts.b: a split by row draws its test rows",
        ),
        ({"by": "row", "parts": {"a": {"test_share": 0.2, "parts": {}}}}, ""),
        (
            {"parts": {"a": {"fold": "f", "train": ["1"], "test": ["2"], "helt": ["3"]}}},
            "splits.x.parts.a.helt is not a ",
        ),
    ],
)
def test_a_part_is_checked_as_its_split_made_complete(given, message):
    """Take what is whole only together, and name the part whose whole is none."""
    split = parse(params.Split, given, "splits.x")
    if not message:
        assert params.parts_of(split, "splits.x")["a"].test_share == 0.2
        return
    with pytest.raises(SettingsError) as caught:
        params.parts_of(split, "splits.x")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["", "- 1", "word"])
def test_a_file_that_is_no_mapping_is_refused(copy, text):
    """Say what stands there in place of settings."""
    copy.write_text(text)
    with pytest.raises(SettingsError, match="must be a mapping of settings"):
        params.load(copy)


@pytest.mark.parametrize(
    ("cut", "more", "message"),
    [
        ("beats", {"pieces": 4}, "the cut beats takes no pieces; remove it, or cut whole"),
        ("whole", {"every": 3}, "the cut whole takes no every; remove it, or cut beats or around"),
        ("equal", {"from_start": True}, "the cut equal takes no from_start; remove it, or cut whole"),
    ],
)
def test_a_window_refuses_what_its_cut_does_not_read(cut, more, message):
    """Say which cuts take a setting, and let its default stand with any."""
    assert parse(params.Window, {"cut": cut, "samples": 5, "step": 1, "every": 1}, "w").step == 1
    with pytest.raises(SettingsError, match=f"^w: {message}$"):
        parse(params.Window, {"cut": cut, "samples": 5, **more}, "w")
