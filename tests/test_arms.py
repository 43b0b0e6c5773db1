"""Runs in arms, drawings and frontends of a run, first weights, and what a profile cuts down."""

import hashlib
import json
import re
import shutil
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import pytest

from pqrst import catalog, params, resolved, resolver
from pqrst.errors import SettingsError
from pqrst.files import file_digest
from pqrst.params import Run

FILE = Path(__file__).parents[1] / "params.yaml"
SETTINGS = params.load(FILE)
DEMO = replace(SETTINGS.profiles["demo"], brief=False, most_epochs=0, pixels=0, recordings={}, train={}, systems={})
PLAIN = Run("heartbeat", "heartbeat", "heartbeat", "windows/heartbeat", "kaggle", "simple_cnn")
DRAWN = Run(
    "beats", "images", "heartbeat_context", "windows/heartbeat_context", "patients", "picture_cnn", drawing="beat_rows"
)
STORED = Run("icwa", "images", "heartbeat", "images/heartbeat_rows", "patients", "efficientnet_b0")
CORPUS = Run("icwa", "images", "cpsc2018", "windows/cpsc2018", "published", "efficientnet_b0", drawing="lead_rows")
CLASSIFIER = replace(CORPUS, model="lead_ensemble", drawing="", over={"part": ("clean",)})


@pytest.fixture(scope="module", autouse=True)
def _digested_once():
    """Hash the files of each component once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "digests", cache(catalog.digests))
        yield


def settings(runs, profile=DEMO, **more):
    """Give the shipped settings with these runs alone, no tables, and a profile that cuts nothing down."""
    return replace(SETTINGS, runs=runs, tables={}, profile="demo", profiles={"demo": profile}, **more)


def resolve(run, profile=DEMO, **more):
    """Resolve one run, and give its networks by value."""
    return {one.value: one for one in resolver.resolve(settings({"r": run}, profile, **more))["r"]}


def refusal(run, profile=DEMO, **more):
    """Give the line with which a run is refused."""
    with pytest.raises(SettingsError) as caught:
        resolve(run, profile, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_arm_is_a_network_of_its_name():
    """Name arms in their order, and lay each one's settings over the run's own `set`."""
    run = replace(
        PLAIN,
        set={"train.lr": 0.5, "model.kernel": 7},
        arms={"b": {"loss": "iwl", "losses.iwl.gamma": 2}, "a.1": {"train.lr": 0.25, "train.epochs": 3}, "plain": {}},
    )
    found = resolve(run)
    assert list(found) == ["b", "a.1", "plain"]
    assert [one.loss for one in found.values()] == ["iwl", "ce", "ce"]
    assert [one.train.lr for one in found.values()] == [0.5, 0.25, 0.5]
    assert {one.model_settings["kernel"] for one in found.values()} == {7}
    assert found["b"].loss_settings["gamma"] == 2
    assert found["a.1"].train.epochs == 3 != found["plain"].train.epochs
    assert {one.run for one in found.values()} == {"r"}


def test_arms_and_parts_multiply():
    """Train every arm on every part, arm first, as `arm/part`."""
    run = replace(CORPUS, arms={"ce": {"loss": "ce"}, "iwl": {"loss": "iwl"}}, over={"part": ("8-1", "clean")})
    found = resolve(run)
    assert list(found) == ["ce/8-1", "ce/clean", "iwl/8-1", "iwl/clean"]
    assert [(one.loss, one.part) for one in found.values()] == [
        ("ce", "8-1"), ("ce", "clean"), ("iwl", "8-1"), ("iwl", "clean"),
    ]  # fmt: skip


def test_an_arm_may_have_another_model_drawing_and_frontend():
    """Change the parts of the network and their settings, in that arm alone, and hash the code of each."""
    found = resolve(replace(DRAWN, arms={
        "rows": {},
        "small": {"drawing.size": 32},
        "field": {"drawing": "beat_gramian_difference", "frontend": "icwa", "frontend.mode": "se"},
        "signal": {"drawing": "", "model": "simple_cnn", "model.kernel": 3},
    }))  # fmt: skip
    rows, small, field, signal = found.values()
    assert (rows.encoding, rows.encoding_settings["size"], rows.frontend, rows.frontend_settings) == (
        "lead_rows",
        64,
        "",
        {},
    )
    assert small.encoding_settings == rows.encoding_settings | {"size": 32}
    assert (field.encoding, field.encoding_settings["method"], field.model) == ("gramian", "difference", "picture_cnn")
    assert (field.frontend, field.frontend_settings["mode"]) == ("icwa", "se")
    assert (signal.encoding, signal.encoding_settings, signal.model) == ("", {}, "simple_cnn")
    assert signal.model_settings["kernel"] == 3
    assert {"encodings/gramian.py", "frontends/icwa.py", "models/picture_cnn.py"} <= set(field.code)
    assert not {"encodings/lead_rows.py"} & set(field.code) | {name for name in signal.code if "encodings" in name}
    assert "frontends/icwa.py" not in rows.code


def test_a_drawing_lies_over_its_encoding():
    """Take what a drawing says, and the rest from `encodings`."""
    found = resolve(replace(CORPUS, drawing="lead_rows_36", set={"part": "clean"}))[""].encoding_settings
    own = resolve(replace(CORPUS, set={"part": "clean"}))[""].encoding_settings
    assert found == own | {"rows": 36}


def test_the_file_of_a_run_in_arms_holds_each_arm():
    """Write one entry a value, and read them back as they were."""
    run = replace(CORPUS, arms={"ce": {"loss": "ce"}}, over={"part": ("8-1", "clean")})
    s = settings({"r": run, "plain": PLAIN})
    files = resolver.resolved_files(s)
    assert list(files["runs/r.yaml"]["over"]) == ["ce/8-1", "ce/clean"]
    assert "over" not in files["runs/plain.yaml"]


def test_a_run_in_arms_survives_its_file(tmp_path):
    """Read every arm of a run from its file as it was resolved."""
    run = replace(DRAWN, arms={"a": {"frontend": "icwa"}, "b": {"drawing": "", "model": "simple_cnn"}})
    s = settings({"r": run})
    resolved.write(tmp_path / "r.yaml", resolver.resolved_files(s)["runs/r.yaml"])
    found, made = resolved.read_run(tmp_path / "r.yaml"), resolver.resolve(s)["r"]
    assert [json.dumps(asdict(one)) for one in found] == [json.dumps(asdict(one)) for one in made]


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"los": "ce"}, "runs.r.arms.y.los is not a setting; did you mean loss?"),
        ({"drawin": "beat_rows"}, "runs.r.arms.y.drawin is not a setting; did you mean drawing?"),
        ({"train.lrr": 1}, "runs.r.arms.y.train.lrr is not a setting; did you mean train.lr?"),
        ({"loss": "ilw"}, "runs.r.arms.y.loss: there is no 'ilw'; did you mean iwl?"),
        ({"part": "al"}, "runs.r.arms.y.part: there is no 'al'; known: "),
        ({"train.epochs": 0}, "runs.r.arms.y.train.epochs must be at least 1, got 0"),
        ({"train.epochs": "many"}, "runs.r.arms.y.train.epochs must be int, got 'many'"),
        ({"model": "picture_cn"}, "runs.r.arms.y.model: there is no 'picture_cn'; did you mean picture_cnn?"),
        ({"model": "simple_cnn"}, "runs.r.arms.y.model: simple_cnn takes a signal, windows/heartbeat_context drawn as beat_rows"),
        ({"drawing": ""}, "runs.r.arms.y.model: picture_cnn takes an image, windows/heartbeat_context holds signals"),
        ({"drawing": "beat_row"}, "runs.r.arms.y.drawing: there is no 'beat_row'; did you mean beat_rows?"),
        ({"frontend": "icw"}, "runs.r.arms.y.frontend: there is no 'icw'; did you mean icwa?"),
        ({"model.width": 1}, "runs.r.arms.y: models.picture_cnn.width is not a setting; did you mean widths?"),
        ({"loss": "iwl", "losses.iwl.gama": 1}, "runs.r.arms.y: losses.iwl.gama is not a setting; did you mean gamma?"),
        ({"drawing.sise": 1}, "runs.r.arms.y: encodings.lead_rows.sise is not a setting; did you mean size?"),
        (
            {"frontend": "icwa", "frontend.mod": "se"},
            "runs.r.arms.y: frontends.icwa.mod is not a setting; did you mean mode?",
        ),
        ({"frontend.mode": "se"}, "runs.r.arms.y.frontend.mode is set, but no frontend is; name one, or remove it"),
        (
            {"model": "simple_cnn", "drawing": "", "drawing.size": 8},
            "runs.r.arms.y.drawing.size is set, but no drawing is; ",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_an_arm_is_one_line(arm, message):
    """Name the arm, what stood there, and the nearest name."""
    assert refusal(replace(DRAWN, arms={"x": {}, "y": arm})).startswith(message)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"arms": {"a/b": {}}}, "runs.r.arms: 'a/b' cannot name a folder; use letters, digits, _ . + -"),
        ({"arms": {".a": {}}}, "runs.r.arms: '.a' cannot name a folder; "),
        ({"arms": {"": {}}}, "runs.r.arms: '' cannot name a folder; "),
        ({"arms": {"a": {}}, "over": {"train.lr": (1, "1")}}, "runs.r.over.train.lr must list different values, got 1, 1"),
        ({"set": {"drawing.size": 8}}, "runs.r.set.drawing.size is set, but no drawing is; name one, or remove it"),
        ({"brief": ("x",), "arms": {"y": {}}}, "runs.r.brief: there is no 'x'; known: y"),
        ({"brief": ("x",)}, "runs.r.brief: there is no 'x'; known: none"),
    ],
)  # fmt: skip
def test_arms_that_cannot_be_made_are_one_line(more, message):
    """Refuse names that are no folder, values twice, settings of nothing, and a brief list of arms that there are not."""
    assert refusal(replace(PLAIN, **more)).startswith(message)


def test_a_wrong_arm_is_told_though_the_profile_leaves_it_out():
    """Check the names in `brief` under every profile."""
    assert refusal(replace(PLAIN, arms={"a": {}}, brief=("b",)), replace(DEMO, brief=False)).startswith("runs.r.brief")


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (replace(STORED, drawing="beat_rows"), "images/heartbeat_rows holds images already; remove drawing and frontend"),
        (replace(STORED, frontend="icwa"), "images/heartbeat_rows holds images already; remove drawing and frontend"),
        (replace(CLASSIFIER, drawing="lead_rows"), "lead_ensemble is no network; remove drawing and frontend"),
        (replace(CLASSIFIER, frontend="icwa"), "lead_ensemble is no network; remove drawing and frontend"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(run, message):
    """Draw neither stored images again, nor for a classifier; and the same in an arm."""
    assert refusal(run).startswith(f"runs.r: {message}")
    own = {key: getattr(run, key) for key in ("drawing", "frontend") if getattr(run, key)}
    assert refusal(replace(run, drawing="", frontend="", arms={"y": own})).startswith(f"runs.r.arms.y: {message}")


def test_a_drawing_that_is_none_is_one_line():
    """Name the run and the nearest drawing or frontend."""
    assert (
        refusal(replace(DRAWN, drawing="beat_row")) == "runs.r.drawing: there is no 'beat_row'; did you mean beat_rows?"
    )
    assert refusal(replace(DRAWN, frontend="icw")) == "runs.r.frontend: there is no 'icw'; did you mean icwa?"


def test_a_brief_profile_trains_the_listed_arms_only():
    """Keep the arms that `brief` lists, on all parts, in its order; all of them where it lists none or the profile is not brief."""
    run = replace(
        CORPUS, arms={"a": {}, "b": {"loss": "iwl"}, "c": {}}, over={"part": ("8-1", "clean")}, brief=("b", "a")
    )
    brief = replace(DEMO, brief=True)
    every = [f"{arm}/{part}" for arm in "abc" for part in ("8-1", "clean")]
    assert list(resolve(run, brief)) == ["b/8-1", "b/clean", "a/8-1", "a/clean"]
    assert list(resolve(run)) == every
    assert list(resolve(replace(run, brief=()), brief)) == every
    assert resolve(run, brief)["b/8-1"] == resolve(run)["b/8-1"]


def test_no_run_is_trained_for_more_epochs_than_a_profile_allows():
    """Cut down what an arm says of itself, and leave what is less."""
    run = replace(PLAIN, arms={"long": {"train.epochs": 60}, "short": {"train.epochs": 2}, "edge": {"train.epochs": 4}})
    assert [one.train.epochs for one in resolve(run, replace(DEMO, most_epochs=4)).values()] == [4, 2, 4]
    assert [one.train.epochs for one in resolve(run).values()] == [60, 2, 4]


def test_an_override_says_more_than_the_most_epochs_of_a_profile():
    """Train as long as `-S train.epochs` asks where it reaches, and no pinned or unreached run any longer."""
    few, runs = (
        replace(DEMO, most_epochs=4),
        {"r": PLAIN, "pinned": replace(PLAIN, arms={"long": {"train.epochs": 60}})},
    )
    runs["elsewhere"] = replace(PLAIN, system="attention")
    found = resolver.resolve(settings(runs, few, train=SETTINGS.train | {"epochs": 9}, scope="heartbeat"))
    assert {name: one[0].train.epochs for name, one in found.items()} == {"r": 9, "pinned": 4, "elsewhere": 4}
    longer = resolver.resolve(settings(runs, few, train=SETTINGS.train | {"seeds": 9}))
    assert longer["r"][0].train.epochs == 4


def test_a_wrong_number_of_epochs_is_one_line_under_any_profile():
    """Refuse text before it is compared with the most that there may be."""
    said = refusal(PLAIN, replace(DEMO, most_epochs=4), train=SETTINGS.train | {"epochs": "many"})
    assert said == "runs.r.train.epochs must be int, got 'many'"


def test_a_profile_may_want_smaller_pictures():
    """Change the size of what is drawn while training, not that of stored images, nor of a drawing that has none."""
    small = replace(DEMO, pixels=24)
    s = settings({"r": DRAWN, "plain": PLAIN, "stored": STORED}, small)
    found = {name: variants[0] for name, variants in resolver.resolve(s).items()}
    assert found["r"].encoding_settings["size"] == 24
    assert found["plain"].encoding_settings == found["stored"].encoding_settings == {}
    whole, cut = (resolver.resolved_files(replace(s, profiles={"demo": one})) for one in (DEMO, small))
    assert {name for name in whole if whole[name] != cut[name]} == {"runs/r.yaml"}
    assert resolve(replace(DRAWN, arms={"a": {"drawing.size": 40}}), small)["a"].encoding_settings["size"] == 40


def test_a_changed_size_of_an_encoding_lies_over_the_profiles_pixels():
    """Draw as `-S encodings.lead_rows.size` asks, and other encodings as the profile does."""
    other = SETTINGS.encodings | {"lead_rows": SETTINGS.encodings["lead_rows"] | {"size": 96}}
    small, run = replace(DEMO, pixels=24), replace(CORPUS, set={"part": "clean"})
    assert resolve(run, small)[""].encoding_settings["size"] == 24
    assert resolve(run, small, encodings=other)[""].encoding_settings["size"] == 96
    assert resolve(replace(DRAWN, drawing="beat_gramian"), small, encodings=other)[""].encoding_settings["size"] == 24


SAID = [(name, arm, words) for name, run in SETTINGS.runs.items() for arm, words in run.arms.items()]
PRINTED = {
    (row.run, row.value): row.name for page in SETTINGS.tables.values() for table in page.values() for row in table.rows
}


@pytest.mark.parametrize(("name", "arm", "words"), SAID, ids=[f"{name}-{arm}" for name, arm, _ in SAID])
def test_an_arm_that_names_a_setting_sets_it(name, arm, words):
    """Write down the exponent or the mode that an arm's name, or its row's in print, promises: `-S` changes the others'."""
    exponent = re.search(r"(?:iwl_|IWL |γ = )(\d[.\d]*)", f"{arm} {PRINTED[name, arm]}")
    mode = re.search(r"(?:^|_)(power|se)_", arm)
    assert words.get("losses.iwl.gamma") == (float(exponent[1]) if exponent else None)
    assert words.get("frontend.mode") == (mode[1] if mode else None)
    assert words.get("losses.iwl.double_softmax", words.get("losses.ce.double_softmax", False)) == arm.endswith(
        "_twice"
    )


def test_a_components_setting_reaches_pinned_runs_but_what_they_write_themselves():
    """Change the exponent of every IWL and the mode of every ICWA but where an arm names its own, whatever the scope."""
    losses = SETTINGS.losses | {"iwl": SETTINGS.losses["iwl"] | {"gamma": 0.5}}
    frontends = {"icwa": SETTINGS.frontends["icwa"] | {"mode": "se"}}
    before, s = (
        resolver.resolve(replace(SETTINGS, profile="paper")),
        replace(SETTINGS, profile="paper", scope="incepse"),
    )
    after = resolver.resolve(replace(s, losses=losses, frontends=frontends))
    reached = {
        (name, new.value.partition("/")[0])
        for name in before
        for old, new in zip(before[name], after[name], strict=True)
        if old != new
    }
    plain = {(name, arm) for name, arm, words in SAID if words.get("loss") == "iwl" and "losses.iwl.gamma" not in words}
    assert reached == plain | {("coupled_loss", "iwl")}
    assert {("beats", "iwl"), ("cpsc2018", "power_iwl")} <= reached


def test_a_single_database_may_lie_elsewhere():
    """Give its download that source, and made-up recordings to the others alone."""
    files = resolver.resolved_files(settings({"r": PLAIN}, replace(DEMO, source="synthetic", sources={"sph": "there"})))
    assert files["download/sph.yaml"]["source"] == "there"
    assert "records" not in files["download/sph.yaml"]
    assert files["download/mitdb.yaml"]["source"] == "synthetic"
    assert files["download/mitdb.yaml"]["records"] == DEMO.records
    made_up = resolver.resolved_files(
        settings({"r": PLAIN}, replace(DEMO, source="there", sources={"sph": "synthetic"}))
    )
    assert (made_up["download/sph.yaml"]["records"], "records" in made_up["download/mitdb.yaml"]) == (
        DEMO.records,
        False,
    )


def test_a_source_of_a_database_that_is_none_is_one_line():
    """Name the place and the nearest database."""
    with pytest.raises(SettingsError, match=r"^profiles\.demo\.sources: there is no 'sphh'; did you mean sph\?$"):
        resolver.resolved_files(settings({"r": PLAIN}, replace(DEMO, sources={"sphh": "there"})))


FOUR = {
    "plain": PLAIN,
    "drawn": DRAWN,
    "stored": STORED,
    "classifier": CLASSIFIER,
    "arms": replace(PLAIN, arms={"a": {}}),
}


def test_a_frontend_override_reaches_networks_over_windows():
    """Pass by stored images, classifiers and pinned runs."""
    found = resolver.resolve(settings(FOUR, frontend="icwa"))
    assert {name for name, variants in found.items() if variants[0].frontend == "icwa"} == {"plain", "drawn"}
    assert found["plain"][0].frontend_settings == dict(SETTINGS.frontends["icwa"])
    assert "frontends/icwa.py" in found["drawn"][0].code
    before = resolver.resolve(settings(FOUR))
    assert {name for name in FOUR if found[name] != before[name]} == {"plain", "drawn"}


def test_a_frontend_override_may_take_a_runs_own_away():
    """Read '' as none, and auto as the run's own."""
    own = replace(DRAWN, frontend="icwa")
    assert resolve(own)[""].frontend == "icwa"
    bare = resolve(own, frontend="")[""]
    assert bare == resolve(DRAWN)[""]
    assert (bare.frontend, bare.frontend_settings) == ("", {})


@pytest.mark.parametrize("name", ["stored", "classifier", "arms"])
def test_a_frontend_that_no_run_takes_is_refused(name):
    """Refuse what would change nothing."""
    with pytest.raises(SettingsError, match=f"^frontend=icwa: no run in scope {name} takes this; "):
        resolver.resolve(settings(FOUR, frontend="icwa", scope=name))


def test_an_unknown_override_is_one_line():
    """Name the nearest frontend; no loss is no loss."""
    assert refusal(PLAIN, frontend="icw") == "frontend: there is no 'icw'; did you mean icwa?"
    assert refusal(PLAIN, loss="").startswith("loss: there is no ''; known: ")


def test_first_weights_are_named_by_their_content(tmp_path):
    """Put the file's digest among the code of the networks of that model, so that another content is another training."""
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"one")
    runs = {"stored": STORED, "plain": PLAIN}
    s = settings(runs, weights={"efficientnet_b0": str(file)})
    found = {name: variants[0] for name, variants in resolver.resolve(s).items()}
    assert found["stored"].weights == str(file)
    assert found["stored"].code["weights"] == file_digest(file) == hashlib.sha256(b"one").hexdigest()
    assert (found["plain"].weights, "weights" in found["plain"].code) == ("", False)
    file.write_bytes(b"two")
    assert resolver.resolve(s)["stored"][0].code["weights"] == hashlib.sha256(b"two").hexdigest()
    bare = resolver.resolve(settings(runs, weights={"efficientnet_b0": ""}))["stored"][0]
    assert (bare.weights, "weights" in bare.code) == ("", False)


def test_a_missing_file_of_weights_is_one_line(tmp_path):
    """Say which, and what to do; a folder is no file."""
    for place in (tmp_path / "none.pth", tmp_path):
        said = refusal(STORED, weights={"efficientnet_b0": str(place)})
        assert said == f"weights.efficientnet_b0: there is no file {place}; give one, or '' for random weights"


def test_weights_of_a_network_that_is_none_are_one_line(tmp_path):
    """Name the nearest model when params.yaml is read."""
    copy = tmp_path / "params.yaml"
    copy.write_text(FILE.read_text().replace("weights:\n  efficientnet_b0:", "weights:\n  efficientnet_b00:"))
    shutil.copytree(FILE.parent / "tables", tmp_path / "tables")
    with pytest.raises(SettingsError, match=r"weights: there is no 'efficientnet_b00'; did you mean efficientnet_b0\?"):
        params.load(copy)
