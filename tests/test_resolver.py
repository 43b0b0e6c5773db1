"""The resolver: which layer wins, whom an override reaches, what is refused, and what a change changes."""

import shutil
import types
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import yaml

from pqrst import catalog, params, resolved, resolver
from pqrst.errors import SettingsError

ROOT = Path(__file__).parents[1]
FILE = ROOT / "params.yaml"
SETTINGS = params.load(FILE)
# a run that is made over the parts of a split is told what it learns by them, not how
PINNED = {name for name, run in SETTINGS.runs.items() if run.set or run.arms or set(run.over) - {"part"}}
FREE = set(SETTINGS.runs) - PINNED
SYSTEMS = dict.fromkeys(run.system for name, run in SETTINGS.runs.items() if name in FREE)


@pytest.fixture(scope="module", autouse=True)
def _digested_once():
    """Hash the files of each component once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "digests", cache(catalog.digests))
        yield


@cache
def shipped():
    """Resolve the shipped settings, once."""
    return resolver.resolve(SETTINGS), resolver.resolved_files(SETTINGS)


def resolve(settings):
    """Resolve every run, and give the first value of those that are made over several."""
    return {name: variants[0] for name, variants in resolver.resolve(settings).items()}


def changed(**more):
    """Change fields of the shipped settings."""
    return replace(SETTINGS, **more)


def overriding(**train):
    """Change settings of the override layer's `train`."""
    return changed(train=SETTINGS.train | train)


def with_run(name, **more):
    """Change fields of one run."""
    return changed(runs=SETTINGS.runs | {name: replace(SETTINGS.runs[name], **more)})


def files_changed(other):
    """List the resolved files in which other settings differ from the shipped ones."""
    one, two = shipped()[1], resolver.resolved_files(other)
    return {name for name in one | two if one.get(name) != two.get(name)}


def runs_changed(other):
    """List the runs whose resolved settings differ from the shipped ones."""
    one, two = shipped()[0], resolver.resolve(other)
    return {name for name in one if one[name] != two[name]}


def refusal(settings):
    """Give the line with which settings are refused."""
    with pytest.raises(SettingsError) as caught:
        resolve(settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def layered(layers):
    """Set weight_decay in the first so many of the six layers, each to its own number; give what simple_cnn gets."""
    system, profile, run = SETTINGS.systems["heartbeat"], SETTINGS.profiles["demo"], SETTINGS.runs["simple_cnn"]
    recipe = {key: value for key, value in system.train.items() if key != "weight_decay"}
    bare = SETTINGS.systems | {"heartbeat": replace(system, train=recipe)}
    s = changed(defaults=SETTINGS.defaults | {"weight_decay": 1}, systems=bare)
    if layers > 1:
        s = replace(s, systems=s.systems | {"heartbeat": replace(system, train=recipe | {"weight_decay": 2})})
    if layers > 2:
        s = replace(s, profiles=s.profiles | {"demo": replace(profile, train=profile.train | {"weight_decay": 3})})
    if layers > 3:
        both = replace(s.profiles["demo"], systems={"heartbeat": {"weight_decay": 4}})
        s = replace(s, profiles=s.profiles | {"demo": both})
    if layers > 4:
        s = replace(s, train=s.train | {"weight_decay": 5})
    if layers > 5:
        s = replace(s, runs=s.runs | {"simple_cnn": replace(run, set={"train.weight_decay": 6})})
    return resolve(s)["simple_cnn"].train.weight_decay


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 5, 6])
def test_a_later_layer_lies_over_an_earlier_one(layers):
    """Take defaults, the system's recipe, the profile, the profile's own for the system, the override, last the run's set."""
    assert layered(layers) == layers


def test_a_loss_override_reaches_exactly_the_unpinned_runs():
    """Give every unpinned run the other loss, and leave pinned runs as they are."""
    s = changed(loss="iwl")
    assert PINNED
    assert runs_changed(s) == FREE
    assert {resolve(s)[name].loss for name in FREE} == {"iwl"}
    assert files_changed(s) == {f"runs/{name}.yaml" for name in FREE}


OVER_PARTS = {name for name, run in SETTINGS.runs.items() if set(run.over) == {"part"} and not run.set and not run.arms}


def test_an_override_reaches_runs_that_are_made_over_parts_only():
    """Give every part of such a run the other loss: parts say what is learned, not how."""
    assert OVER_PARTS
    found = resolver.resolve(changed(loss="iwl"))
    assert {one.loss for name in OVER_PARTS for one in found[name]} == {"iwl"}
    assert runs_changed(replace(overriding(lr=0.5), scope="incepse")) == {"incepse"}


def parts(name):
    """List the parts of the split that a run learns from."""
    run = SETTINGS.runs[name]
    return list(SETTINGS.datasets[run.dataset].splits[run.split].parts)


def test_a_run_over_parts_learns_each_part_of_its_split():
    """Name part and value alike, and change nothing else."""
    found = resolver.resolve(SETTINGS)["incepse"]
    assert [one.part for one in found] == [one.value for one in found] == parts("incepse")
    assert len({replace(one, part="", value="") for one in map(hashable, found)}) == 1
    assert {one.part for one in resolver.resolve(SETTINGS)["simple_cnn"]} == {""}


def hashable(run):
    """Leave out what is a mapping."""
    return replace(run, model_settings=(), loss_settings=(), code=(), frontend_settings=(), encoding_settings=())


def test_a_run_may_be_told_its_one_part():
    """Take a part by `set`, without a value."""
    found = resolver.resolve(with_run("incepse", over={}, set={"part": "form"}))["incepse"]
    assert [(one.part, one.value) for one in found] == [("form", "")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (with_run("incepse", over={"part": ("al",)}), "runs.incepse.set.part: there is no 'al'; did you mean all?"),
        (with_run("incepse", over={}), "runs.incepse.set.part: there is no ''; known: all, diagnostic, sub, "),
        (with_run("incepse", over={}, set={"part": "fold"}), "runs.incepse.set.part: there is no 'fold'; "),
        (with_run("simple_cnn", set={"part": "all"}), "runs.simple_cnn.set.part: there is no 'all'; "),
        (with_run("incepse", over={"prt": ("all",)}), "runs.incepse.set.prt is not a setting; did you mean part?"),
    ],
)
def test_a_part_that_is_none_is_one_line(settings, message):
    """Name the run, what stood there, and the parts there are."""
    assert refusal(settings).startswith(message)


def profiled(**more):
    """Change fields of the demo's profile."""
    return changed(profiles=SETTINGS.profiles | {"demo": replace(SETTINGS.profiles["demo"], **more)})


def test_a_profile_may_train_single_systems_otherwise():
    """Reach the runs of one system, also those over parts, and no others."""
    own = SETTINGS.profiles["demo"].systems
    s = profiled(systems=own | {"incepse": own.get("incepse", {}) | {"batch_size": 5}})
    assert runs_changed(s) == {name for name, run in SETTINGS.runs.items() if run.system == "incepse"}
    assert {one.train.batch_size for one in resolver.resolve(s)["incepse"]} == {5}


def test_a_profile_may_make_up_more_recordings_of_single_databases():
    """Count them in the file of that database's download."""
    found = resolver.resolved_files(profiled(recordings={"ptbxl": 7}))
    assert found["download/ptbxl.yaml"]["records"] == 7
    assert found["download/mitdb.yaml"]["records"] == SETTINGS.profiles["demo"].records
    paper = resolver.resolved_files(changed(profile="paper"))
    assert "records" not in paper["download/ptbxl.yaml"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"systems": {"incepse": {"cropp": 9}}},
            "profiles.demo.systems.incepse: there is no 'cropp'; did you mean crop?",
        ),
        ({"systems": {"incepze": {"crop": 9}}}, "profiles.demo.systems: there is no 'incepze'; did you mean incepse?"),
        ({"recordings": {"ptbx": 9}}, "profiles.demo.recordings: there is no 'ptbx'; did you mean ptbxl?"),
    ],
)
def test_a_profiles_mistake_is_one_line(more, message):
    """Name the place, what stood there, and the nearest name."""
    with pytest.raises(SettingsError) as caught:
        resolver.resolved_files(profiled(**more))
    assert str(caught.value) == message


def test_the_file_of_a_split_holds_the_tasks_of_its_database():
    """Tell the stage of what each task is made, and nothing where a database has none."""
    files = shipped()[1]
    told = files["split/ptbxl.yaml"]["tasks"]
    assert told["super"]["members"]["NORM"] == ("NORM",)
    assert (told["all"]["least"], told["likelihood"]["least"]) == (1, 2)
    assert files["split/mitdb.yaml"]["tasks"] == {}
    assert set(files["split/ptbxl.yaml"]["splits"]["official"]["parts"]) == set(parts("incepse"))


def test_a_loss_override_brings_the_losses_own_settings():
    """Resolve the settings of the loss that was switched to."""
    found = resolve(changed(loss="iwl"))["simple_cnn"]
    assert found.loss_settings == {"gamma": 0.3, "double_softmax": False}
    assert "losses/iwl.py" in found.code
    assert "losses/ce.py" not in found.code


@pytest.mark.parametrize("train", [{"lr": 0.5}, {"epochs": 7, "optimizer": "adam"}])
def test_a_pinned_run_is_passed_by(train):
    """Keep each pinned run as it is under any override."""
    assert runs_changed(overriding(**train)) == FREE


@pytest.mark.parametrize("train", [{"seeds": 9}, {"threads": 2}, {"device": "cuda"}, {"processes": 2}])
def test_how_often_and_where_is_not_pinned(train):
    """Let the number of seeds, the threads, the device and the processes reach pinned runs too."""
    assert runs_changed(overriding(**train)) == set(SETTINGS.runs)


@pytest.mark.parametrize(
    ("scope", "reached"),
    [
        ("all", FREE),
        *((system, {name for name in FREE if SETTINGS.runs[name].system == system}) for system in SYSTEMS),
        ("simple_cnn", {"simple_cnn"}),
    ],
)
def test_scope_narrows_an_override(scope, reached):
    """Reach all runs, those of one system, or one."""
    assert runs_changed(replace(overriding(lr=0.5), scope=scope)) == reached


def test_a_number_that_dvc_writes_as_text_is_a_number(tmp_path):
    """Read `-S train.lr=0.00001`, which DVC writes as 1e-05 and PyYAML reads as text, as a float."""
    from dvc.utils.hydra import apply_overrides

    copy = tmp_path / "params.yaml"
    copy.write_text(FILE.read_text())
    shutil.copytree(ROOT / "tables", tmp_path / "tables")
    apply_overrides(str(copy), ["train.lr=0.00001"])
    assert yaml.safe_load(copy.read_text())["train"]["lr"] == "1e-05"
    rates = {name: run.train.lr for name, run in resolve(params.load(copy)).items()}
    assert {rates[name] for name in FREE} == {1e-05}
    assert isinstance(rates["simple_cnn"], float)


@pytest.mark.parametrize("scope", sorted(PINNED))
def test_an_override_that_no_run_takes_is_refused(scope):
    """Refuse at once what would change nothing."""
    said = f"no run in scope {scope} takes this; set scope to all, or name an unpinned run"
    assert refusal(changed(loss="iwl", scope=scope)) == f"loss=iwl: {said}"
    assert refusal(replace(overriding(lr=0.5), scope=scope)) == f"train.lr=0.5: {said}"


def test_an_override_equal_to_what_stands_there_is_taken():
    """Let the baseline point of a sweep pass."""
    assert runs_changed(changed(loss="ce", scope="heartbeat")) == set()
    same_rate = overriding(lr=SETTINGS.systems["heartbeat"].train["lr"])
    assert runs_changed(replace(same_rate, scope="heartbeat")) == set()


WRONG = [
    (changed(loss="ilw"), "loss: there is no 'ilw'; did you mean iwl?"),
    (changed(scope="hartbeat"), "scope: there is no 'hartbeat'; did you mean heartbeat?"),
    (
        with_run("simple_cnn", model="simple_cn"),
        "runs.simple_cnn.model: there is no 'simple_cn'; did you mean simple_cnn?",
    ),
    (with_run("simple_cnn", system="heart"), "runs.simple_cnn.system: there is no 'heart'; did you mean heartbeat?"),
    (with_run("simple_cnn", split="patient"), "runs.simple_cnn.split: there is no 'patient'; did you mean patients?"),
    (with_run("simple_cnn", dataset="mitd"), "runs.simple_cnn.dataset: there is no 'mitd'; did you mean mitdb?"),
    (
        with_run("simple_cnn", input="windows/mitdb"),
        "runs.simple_cnn.input: there is no 'windows/mitdb'; did you mean windows/heartbeat?",
    ),
    (
        with_run("simple_cnn", model="efficientnet_b0"),
        "runs.simple_cnn.model: efficientnet_b0 takes an image, windows/heartbeat holds signals",
    ),
    (
        with_run("heartbeat_rows", model="simple_cnn"),
        "runs.heartbeat_rows.model: simple_cnn takes a signal, images/heartbeat_rows holds images",
    ),
    (overriding(epochz=3), "train: there is no 'epochz'; did you mean epochs?"),
    (overriding(epochz="auto"), "train: there is no 'epochz'; did you mean epochs?"),
    (overriding(epochs=0), "runs.simple_cnn.train.epochs must be at least 1, got 0"),
    (overriding(epochs=2.5), "runs.simple_cnn.train.epochs must be int, got 2.5"),
    (overriding(lr="fast"), "runs.simple_cnn.train.lr must be float, got 'fast'"),
    (
        overriding(optimizer="adamww"),
        "runs.simple_cnn.train.optimizer must be one of adam, adamw, got 'adamww'; did you mean adamw?",
    ),
    (changed(defaults={"lrr": 1}), "defaults: there is no 'lrr'; did you mean lr?"),
    (
        changed(systems=SETTINGS.systems | {"heartbeat": params.System("ce", {"epoch": 1})}),
        "systems.heartbeat.train: there is no 'epoch'; did you mean epochs?",
    ),
    (
        changed(profiles={"demo": params.Profile("synthetic", {"epoch": 1})}),
        "profiles.demo.train: there is no 'epoch'; did you mean epochs?",
    ),
    (with_run("simple_cnn", set={"los": "iwl"}), "runs.simple_cnn.set.los is not a setting; did you mean loss?"),
    (
        with_run("simple_cnn", set={"train.lrr": 1}),
        "runs.simple_cnn.set.train.lrr is not a setting; did you mean train.lr?",
    ),
    (with_run("simple_cnn", set={"losses.ilw.gamma": 1}), "runs.simple_cnn.set.losses.ilw.gamma is not a setting; "),
    (
        with_run("simple_cnn", over={"loss": ("iwl",), "train.lr": (1,)}),
        "runs.simple_cnn.over names loss and train.lr; ",
    ),
    (
        with_run("simple_cnn", over={"train.lr": ("a/b",)}),
        "runs.simple_cnn.over.train.lr: 'a/b' cannot name a folder; ",
    ),
    *(
        (
            with_run("simple_cnn", over={"train.lr": (value,)}),
            f"runs.simple_cnn.over.train.lr: {value!r} cannot name a ",
        )
        for value in ("", "..", ".hidden", "0.1 or so")
    ),
    (with_run("simple_cnn", over={"train.lr": ("fast",)}), "runs.simple_cnn.train.lr must be float, got 'fast'"),
    (with_run("simple_cnn", over={"train.augment": ("noisy",)}), "runs.simple_cnn.train.augment must be one of none, "),
    (
        with_run("simple_cnn", over={"model": ("efficientnet_b0",)}),
        "runs.simple_cnn.model: efficientnet_b0 takes an image, windows/heartbeat holds signals",
    ),
    (
        with_run("simple_cnn", over={"train.lr": ()}),
        "runs.simple_cnn.over.train.lr must list different values, got none",
    ),
    (
        with_run("simple_cnn", over={"train.lr": (1, 1)}),
        "runs.simple_cnn.over.train.lr must list different values, got 1, 1",
    ),
    (with_run("simple_cnn", over={"model": ("simple",)}), "runs.simple_cnn.over.model: there is no 'simple'; "),
    (with_run("simple_cnn", over={"train.lrr": (1,)}), "runs.simple_cnn.set.train.lrr is not a setting; "),
    (
        with_run("simple_cnn", model="beat_cascade"),
        "runs.simple_cnn.model: beat_cascade takes what stands beside rows; ",
    ),
    (with_run("simple_cnn", set={"losses.iwl": 1}), "runs.simple_cnn.set.losses.iwl is not a setting; "),
    (with_run("simple_cnn", set={"model": 1}), "runs.simple_cnn.model: there is no 1; known: "),
    (with_run("simple_cnn", set={"model.kernl": 1}), "models.simple_cnn.kernl is not a setting; did you mean kernel?"),
    (with_run("simple_cnn", set={"model.kernel": 4}), "models.simple_cnn: kernel must be odd, got 4"),
    (with_run("simple_cnn", set={"loss": "ilw"}), "runs.simple_cnn.set.loss: there is no 'ilw'; did you mean iwl?"),
    (with_run("simple_cnn", set={"loss": ["iwl"]}), "runs.simple_cnn.set.loss: there is no ['iwl']; "),
    (
        with_run("simple_cnn", set={"loss": "iwl", "losses.iwl.gama": 1}),
        "losses.iwl.gama is not a setting; did you mean gamma?",
    ),
]


@pytest.mark.parametrize(("settings", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_mistake_gets_one_line_with_its_place(settings, message):
    """Refuse each mistake in one line: the key path, what stood there, the nearest valid name."""
    found = refusal(settings)
    assert found.startswith(message)
    assert message.endswith(" ") or found == message


def test_an_unknown_profile_is_refused(tmp_path):
    """Check the profile's name when the file is read."""
    copy = tmp_path / "params.yaml"
    copy.write_text(FILE.read_text().replace("profile: demo", "profile: papper", 1))
    shutil.copytree(ROOT / "tables", tmp_path / "tables")
    with pytest.raises(SettingsError, match=r"^profile: there is no 'papper'; did you mean paper\?$"):
        params.load(copy)


@pytest.fixture
def multi_only(monkeypatch):
    """Let `iwl` be a loss without a form for single-label tasks."""

    @dataclass(frozen=True)
    class Params:
        """Nothing to set."""

        gamma: float = 0.0
        double_softmax: bool = False

    fake, load = types.SimpleNamespace(TASKS=("multi",), Params=Params), catalog.load
    monkeypatch.setattr(catalog, "load", lambda kind, name, path="": fake if name == "iwl" else load(kind, name, path))


@pytest.mark.usefixtures("multi_only")
def test_a_loss_that_no_task_can_use_is_refused():
    """Count a run as not reached where the loss has no form for its task."""
    without = {name: SETTINGS.runs[name] for name in FREE if shipped()[0][name][0].task == "single"}
    assert refusal(changed(loss="iwl", runs=without)).startswith("loss=iwl: no run in scope all takes this; ")


@pytest.mark.usefixtures("multi_only")
def test_a_pinned_loss_without_a_form_for_the_task_is_refused():
    """Refuse a run whose own loss cannot serve its dataset, before any data is opened."""
    said = "runs.coupled_loss: the loss iwl has no single-label form, and heartbeat is single-label"
    assert refusal(SETTINGS) == said


def test_set_reaches_loss_training_model_and_the_losses_settings():
    """Lay a run's own words over its recipe, its model's and its loss's settings."""
    words = {"loss": "iwl", "train.epochs": 3, "train.lr": "1e-05", "model.kernel": 7, "losses.iwl.gamma": 2}
    found = resolve(with_run("simple_cnn", set=words))["simple_cnn"]
    assert (found.loss, found.loss_settings["gamma"]) == ("iwl", 2.0)
    assert (found.train.epochs, found.train.lr) == (3, 1e-05)
    assert found.model_settings == {"widths": (32, 64, 128), "kernel": 7}


def test_set_leaves_other_runs_alone():
    """Keep what one run sets for itself out of all others, also of those that share its model."""
    s = with_run("coupled_ratio", set={"loss": "iwl", "model.kernel": 7, "losses.iwl.gamma": 2})
    assert runs_changed(s) == {"coupled_ratio"}


def test_a_run_over_several_values_resolves_to_one_network_for_each():
    """Lay each value over the run's own `set`, name it, and keep everything else alike."""
    s = with_run("coupled_ratio", set={"train.epochs": 3}, over={"train.sampler_ratio": ("0.25", 1)})
    found = resolver.resolve(s)["coupled_ratio"]
    assert [(run.value, run.train.sampler_ratio, run.train.epochs) for run in found] == [
        ("0.25", 0.25, 3),
        ("1", 1.0, 3),
    ]
    alike = [replace(run, value="", train=replace(run.train, sampler_ratio=0.0)) for run in found]
    assert alike[0] == alike[1]


def test_a_run_over_models_takes_each_models_own_settings():
    """Build networks and estimators of one run from their own sections."""
    found = {run.value: run for run in resolver.resolve(SETTINGS)["context"]}
    assert {name: (run.model, run.kind) for name, run in found.items()} == {
        "coupled_cnn": ("coupled_cnn", "models"),
        "rhythm_cnn": ("rhythm_cnn", "models"),
        "beat_cascade": ("beat_cascade", "classifiers"),
    }
    assert found["beat_cascade"].model_settings["threshold"] == 0.45


def test_a_change_of_one_value_changes_one_runs_file():
    """Retrain one run when a value joins its list."""
    values = SETTINGS.runs["coupled_alpha"].over["train.class_weight_alpha"]
    s = with_run("coupled_alpha", over={"train.class_weight_alpha": (*values, 2.0)})
    assert files_changed(s) == {"runs/coupled_alpha.yaml"}


def test_the_file_of_a_run_over_values_holds_the_settings_of_each():
    """Write one complete set of settings for each value under `over`, and those of a plain run as they are."""
    files = resolver.resolved_files(SETTINGS)
    assert list(files["runs/coupled_alpha.yaml"]) == ["over"]
    told = files["runs/coupled_alpha.yaml"]["over"]
    assert {value: one["train"]["class_weight_alpha"] for value, one in told.items()} == {
        "0.1": 0.1,
        "0.5": 0.5,
        "1.0": 1.0,
    }
    assert {one["value"] for one in told.values()} == set(told)
    assert "over" not in files["runs/simple_cnn.yaml"]
    assert files["runs/simple_cnn.yaml"]["value"] == ""


@pytest.mark.parametrize("name", list(SETTINGS.models))
def test_a_models_setting_changes_only_the_runs_of_that_model(name):
    """Retrain the runs of a model, and nothing else, when a setting of it changes."""
    module = catalog.load("models", name)
    key = next(key for key in ("kernel", "dropout", "slope") if hasattr(module.Params(), key))
    given = SETTINGS.models | {name: SETTINGS.models[name] | {key: 7 if key == "kernel" else 0.25}}
    users = {run.run for variants in resolver.resolve(SETTINGS).values() for run in variants if run.model == name}
    expected = {f"runs/{run}.yaml" for run in users}
    assert files_changed(changed(models=given)) == expected


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        (changed(scores=tuple(SETTINGS.scores)), set()),
        (changed(scores=(*SETTINGS.scores[1:], "accuracy")), {"scores.yaml"}),
        (changed(images={}, runs={}, tables={}), None),
    ],
)
def test_other_settings_change_their_own_file(settings, files):
    """Write what concerns one stage into that stage's file only."""
    found = files_changed(settings)
    assert (
        found == files if files is not None else {name.split("/")[0] for name in found} == {"encode", "runs", "tables"}
    )


def test_a_datasets_window_changes_only_its_segments():
    """Cut one dataset anew when its window changes; what depends on it learns so from the data."""
    data = SETTINGS.datasets["mitdb"]
    wider = replace(data, window=replace(data.window, samples=1800))
    assert files_changed(changed(datasets=SETTINGS.datasets | {"mitdb": wider})) == {"segment/mitdb.yaml"}


def test_a_databases_settings_reach_its_download_and_all_of_its_datasets():
    """Fetch one database anew when its settings change, and cut every dataset that is made of it."""
    given = SETTINGS.databases | {"heartbeat": {"origin": "mitdb"}}
    made = {name for name, data in SETTINGS.datasets.items() if data.database == "heartbeat"}
    assert len(made) > 1
    expected = {"download/heartbeat.yaml"} | {f"segment/{name}.yaml" for name in made}
    assert files_changed(changed(databases=given)) == expected


@pytest.mark.parametrize(
    "more", [{"classes": ("N", "V")}, {"shared": ("DS2",)}, {"mixed": True}], ids=["classes", "shared", "mixed"]
)
def test_a_splits_setting_changes_only_the_splits_of_its_dataset(more):
    """Split one dataset anew; what depends on it learns so from the split."""
    data = SETTINGS.datasets["heartbeat"]
    other = replace(data, splits=data.splits | {"patients": replace(data.splits["patients"], **more)})
    assert files_changed(changed(datasets=SETTINGS.datasets | {"heartbeat": other})) == {"split/heartbeat.yaml"}


def test_the_profile_changes_downloads_and_runs_only():
    """Fetch other recordings and train otherwise, and cut, split and score alike."""
    assert {name.split("/")[0] for name in files_changed(changed(profile="paper"))} == {"download", "runs"}


@pytest.mark.parametrize(("seed", "seeds", "expected"), [(17, 2, (17, 18)), (5, 3, (5, 6, 7)), (0, 1, (0,))])
def test_seeds_count_up_from_the_first(seed, seeds, expected):
    """Give a run with three seeds the first and the next two."""
    s = replace(overriding(seeds=seeds), seed=seed)
    assert resolve(s)["simple_cnn"].seeds == expected


def test_resolved_files_are_byte_stable_and_know_no_path(tmp_path):
    """Write the same bytes twice, with no absolute path in them and each readable by itself."""
    for place in ("one", "two"):
        for name, content in resolver.resolved_files(params.load(FILE)).items():
            resolved.write(tmp_path / place / name, content)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.yaml"))
    assert {str(file) for file in files} == set(resolver.resolved_files(SETTINGS))
    for file in files:
        text = (tmp_path / "one" / file).read_text()
        assert text == (tmp_path / "two" / file).read_text()
        assert not [path for path in (str(tmp_path), str(ROOT), str(Path.home())) if path + "/" in text]
        assert isinstance(yaml.safe_load(text), dict)


def test_every_stage_of_every_item_has_its_file():
    """Give each dataset, image, run and table the file that its stage reads."""
    expected = {f"{stage}/{name}.yaml" for stage in ("segment", "split") for name in SETTINGS.datasets}
    expected |= {f"download/{name}.yaml" for name in SETTINGS.databases}
    expected |= {f"encode/{name}.yaml" for name in SETTINGS.images} | {"scores.yaml", "engine.yaml"}
    expected |= {f"runs/{name}.yaml" for name in SETTINGS.runs} | {f"tables/{name}.yaml" for name in SETTINGS.tables}
    assert set(resolver.resolved_files(SETTINGS)) == expected


@pytest.mark.parametrize(("kind", "names"), [("segment", "datasets"), ("encode", "encodings"), ("runs", "losses")])
def test_resolved_files_name_the_digests_of_their_components(kind, names):
    """Let a stage see that the file of a component that it uses has changed."""
    found = resolver.resolved_files(SETTINGS)
    told = [found[name] for name in found if name.startswith(f"{kind}/")]
    for content in (one for given in told for one in given.get("over", {"": given}).values()):
        used = [file for file in content["code"] if file.startswith(f"{names}/")]
        assert all(content["code"][file] for file in used)
        assert used
