"""A search over settings: its ranges checked, its trials proposed, pruned, remembered and taken up again."""

import multiprocessing
import sys
from dataclasses import asdict, replace
from functools import partial

import pytest
import yaml

import miniature
import toys
from pqrst import cli, resolved, search, spaces, trials
from pqrst.errors import DataError, SettingsError

LR = "train.lr=tag(log,interval(1e-4,1e-1))"
WANTED = search.Wanted("simple_cnn", (LR, "train.epochs=4"), trials=6)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Lay the pipeline out in miniature, with a run of every kind."""
    folder = tmp_path_factory.mktemp("checkout")
    miniature.lay_out(folder)
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=interval(0,2)", spaces.Dimension("a", (), 0.0, 2.0)),
        (LR, spaces.Dimension("train.lr", (), 1e-4, 1e-1, log=True)),
        ("a.b=int(tag(log,interval(1,8)))", spaces.Dimension("a.b", (), 1, 8, log=True, whole=True)),
        ("a=range(3,9,2)", spaces.Dimension("a", (), 3, 7, step=2, whole=True)),
        ("a=range(0.5,2,0.5)", spaces.Dimension("a", (), 0.5, 1.5, step=0.5)),
        ("a=choice(ce,iwl)", spaces.Dimension("a", ("ce", "iwl"))),
        ("a=8,16", spaces.Dimension("a", ("8", "16"))),
        ("a=choice([8,16],[16,32])", spaces.Dimension("a", ("[8,16]", "[16,32]"))),
    ],
)
def test_ranges_are_read_as_dvc_reads_them(text, expected):
    """Read each form of range in the words of -S."""
    assert spaces.space([text], "r").dimensions == (expected,)


def test_one_value_is_set_in_every_trial_and_scope_names_the_run():
    """Set what is no range alike, and narrow the override layer to the run unless a scope is given."""
    given = spaces.space([LR, "profile=paper"], "simple_cnn")
    assert given.overrides({"train.lr": 1e-05}) == ["profile=paper", "scope=simple_cnn", "train.lr=1e-05"]
    assert "scope=simple_cnn" not in spaces.space([LR, "scope=all"], "simple_cnn").fixed
    assert spaces.space(["models.simple_cnn.kernel=3,5"], "simple_cnn").fixed == ()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["train.lr=0.1"], "nothing is searched"),
        ([LR, LR], "train.lr is given twice"),
        (["a=interval(1,x)"], "-S a=interval"),
        (["a=interval(2,1)"], "a: from 2.0 to 1.0 is no such range"),
        (["a=tag(log,interval(0,1))"], "a: from 0.0 to 1.0 is no such range"),
        (["a=tag(logg,interval(1,2))"], "a: the tag logg is not known"),
        (["a=range(5,1)"], "a: range counts upwards"),
        (["a=ce,ce"], "a lists a value twice"),
    ],
)
def test_a_mistaken_range_is_one_line(given, line):
    """Refuse what is no range, or holds nothing, before anything is read."""
    with pytest.raises(SettingsError, match=r"^[^\n]+$") as told:
        spaces.space(given, "simple_cnn")
    assert str(told.value).startswith(line)


def checked(checkout, *given, run="simple_cnn", by="f1_macro"):
    return spaces.check(checkout, run, spaces.space(given, run), by)


def test_a_space_goes_through_the_real_parser(checkout):
    """Let every end and choice through that params.yaml may hold, and give the epochs of a trial."""
    assert checked(checkout, "train.lr=1e-5,0.1", "train.epochs=7", "profile=demo") == 7


@pytest.mark.parametrize(
    ("given", "more", "line"),
    [
        ("train.lrr=1,2", {}, "train.lrr is not a setting of params.yaml; did you mean lr?"),
        ("train.lr=interval(-1,1)", {}, "runs.simple_cnn.train.lr must be"),
        ("train.optimizer=adam,sgd", {}, "runs.simple_cnn.train.optimizer must be one of adam, adamw, got 'sgd'"),
        ("models.incepse.width=4,8", {}, "models.incepse.width: simple_cnn learns the same with 4 and 8"),
        ("train.lr=1e-4,1e-3", {"run": "simple_cn"}, "RUN: there is no 'simple_cn'; did you mean simple_cnn?"),
        ("loss=ce,focal", {"by": "loss"}, "loss changes what the loss is"),
        ("datasets.heartbeat.splits.kaggle.seed=1,2", {}, "datasets.heartbeat.splits.kaggle.seed changes which rows"),
        ("classifiers.beat_cascade.fits=1,2", {"run": "context"}, "context has a classifier"),
    ],
)
def test_a_mistaken_setting_is_one_line_before_the_first_trial(checkout, given, more, line):
    """Refuse what the parser refuses, what the run has no use for, and what cannot be compared."""
    with pytest.raises(SettingsError, match=r"^[^\n]+$") as told:
        checked(checkout, given, **more)
    assert str(told.value).startswith(line)


def test_test_rows_are_never_searched(checkout, tmp_path):
    """Refuse a run whose split lets its test rows choose the epoch."""
    settings = yaml.safe_load((checkout / "params.yaml").read_text())
    settings["datasets"]["heartbeat"]["splits"]["kaggle"]["test_chooses"] = True
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "tables").symlink_to(checkout / "tables")
    with pytest.raises(SettingsError, match="in the split kaggle test rows choose the epoch"):
        checked(tmp_path, "train.lr=1e-4,1e-3")


def toy(figures, seen, _copy, _run, overrides, _by, watch):
    """Learn for four epochs what the learning rate says, in no time."""
    lr = float(dict(one.split("=") for one in overrides)["train.lr"])
    seen.append(lr)
    for epoch in range(1, 5):
        if watch(epoch, figures(lr, epoch)):
            return trials.Ended(epochs=epoch, pruned=True)
    return trials.Ended(figures(lr, 4), 4, 4)


def rising(lr, epoch):
    return epoch / 4 - lr


@pytest.fixture
def toys_only(monkeypatch):
    """Replace git, dvc and training by a toy; give what it has seen, and what was kept."""
    seen, kept = [], []
    monkeypatch.setattr(trials, "commit", lambda _root: "abc")
    monkeypatch.setattr(trials, "kept", lambda _root, _name: [])
    monkeypatch.setattr(trials, "forget", lambda _root, _name: None)
    monkeypatch.setattr(trials, "_clone", lambda _root, folder: folder)
    monkeypatch.setattr(spaces, "check", lambda *_: 4)
    monkeypatch.setattr(trials, "train", partial(toy, rising, seen))
    monkeypatch.setattr(trials, "keep", lambda _copy, _run, name, told: kept.append((name, told)))
    return seen, kept


def searched(root, wanted=WANTED):
    search.begin(root, wanted)
    search.share(root, wanted, 1)
    return search._study(root, wanted).get_trials()


def test_the_same_seed_proposes_the_same_trials(toys_only, tmp_path):
    """Draw the same settings from the same seed, others from another."""
    seen, kept = toys_only
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        searched(tmp_path, replace(WANTED, study=name, seed=seed))
    assert seen[:6] == seen[6:12]
    assert set(seen[:6]) & set(seen[12:]) == set()
    assert [name for name, _ in kept[:2]] == ["a-0000", "a-0001"]
    assert kept[0][1] == {"validation_f1_macro": round(1 - seen[0], 6), "epoch": 4, "epochs": 4, "trial": 0}


def test_a_hopeless_trial_is_pruned_and_says_so(toys_only, tmp_path, monkeypatch):
    """Stop a trial that lies below the median of those before it, keep no experiment of it, and tell the reason."""
    _, kept = toys_only
    counted = iter([0.9] * 5 + [0.1])

    def train(*given):
        value = next(counted)
        return toy(lambda _lr, _epoch: value, [], *given)

    monkeypatch.setattr(trials, "train", train)
    found = searched(tmp_path)
    assert [one.state.name for one in found] == ["COMPLETE"] * 5 + ["PRUNED"]
    assert found[5].user_attrs["reason"] == "pruned after epoch 2"
    assert len(kept) == 5
    told = search.tell(tmp_path, WANTED, every=True)
    assert told[5].endswith("pruned: pruned after epoch 2")
    assert told[-3] == "study simple_cnn in search/simple_cnn.journal: 5 complete, 1 pruned"
    assert "`dvc exp apply simple_cnn-0000`" in told[-1]


def test_a_search_that_was_cut_off_comes_to_the_same_trials(toys_only, tmp_path, monkeypatch):
    """Tell the trial at which a search was killed, run its settings again, and go on as if nothing had been."""
    seen, _ = toys_only
    searched(tmp_path, replace(WANTED, study="whole"))
    expected, learn = list(seen), trials.train
    seen.clear()

    def killed(*given):
        if len(seen) == 3:
            learn(*given)
            raise KeyboardInterrupt
        return learn(*given)

    monkeypatch.setattr(trials, "train", killed)
    with pytest.raises(SettingsError, match="was cut off; the same command goes on"):
        searched(tmp_path)
    monkeypatch.setattr(trials, "train", learn)
    found = searched(tmp_path)
    assert seen == [*expected[:4], *expected[3:]]
    assert [one.state.name for one in found] == ["COMPLETE"] * 3 + ["FAIL"] + ["COMPLETE"] * 3
    assert "cut off, and run again" in search.line(found[3], "f1_macro")
    assert found[4].user_attrs["repeats"] == 3
    assert searched(tmp_path) == found


@pytest.mark.usefixtures("toys_only")
def test_a_study_goes_on_only_as_it_was_begun(tmp_path):
    """Refuse other ranges under the name of a study, and take a larger number of trials."""
    searched(tmp_path, replace(WANTED, trials=2))
    assert len(searched(tmp_path, replace(WANTED, trials=3))) == 3
    with pytest.raises(SettingsError, match="study simple_cnn was begun with by=f1_macro, not accuracy"):
        searched(tmp_path, replace(WANTED, by="accuracy"))


@pytest.mark.usefixtures("toys_only")
def test_processes_share_a_study(tmp_path):
    """Give each of two processes trials of its own, and both together as many as were wanted."""
    wanted = replace(WANTED, trials=8, pruner="none")
    search.begin(tmp_path, wanted)
    crew = [multiprocessing.get_context("fork").Process(target=search.go_on, args=(tmp_path, wanted)) for _ in range(2)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    found = search._study(tmp_path, wanted).get_trials()
    assert [one.exitcode for one in crew] == [0, 0]
    assert [one.state.name for one in found] == ["COMPLETE"] * 8
    assert len({one.params["train.lr"] for one in found}) == 8
    assert not list((tmp_path / trials.COPIES).glob("*/"))


def test_settings_that_were_tried_are_not_trained_again(toys_only, tmp_path):
    """Take the figure of the trial before where a small space proposes its settings once more."""
    seen, kept = toys_only
    found = searched(tmp_path, replace(WANTED, space=("train.lr=0.1,0.2",)))
    assert len(seen) == len(kept) == 2
    assert len(found) == 6
    assert {one.value for one in found} == {0.9, 0.8}


@pytest.mark.usefixtures("toys_only")
def test_trials_that_fail_end_the_search(tmp_path, monkeypatch):
    """Tell why a trial failed, and give up after three in a row."""
    monkeypatch.setattr(trials, "train", lambda *_: trials.Ended(reason="train: lower train.lr"))
    with pytest.raises(SettingsError, match=r"3 trials in a row failed, the last: train: lower train\.lr"):
        searched(tmp_path)


@pytest.mark.usefixtures("toys_only")
def test_a_broken_study_is_one_line(tmp_path):
    """Say which file cannot be read."""
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "simple_cnn.journal").write_text("{\n{}\n")
    with pytest.raises(DataError, match=r"simple_cnn\.journal cannot be read"):
        searched(tmp_path)


def test_without_optuna_a_line_names_the_extra(monkeypatch, capsys):
    """Name the pip command where the extra is not installed."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "pqrst.search")
    monkeypatch.delattr("pqrst.search")
    assert cli.main(["search", "simple_cnn", "-S", LR]) == 1
    assert 'pip install "pqrst[search]"' in capsys.readouterr().err


def write_log(folder, member, figures):
    """Write a training's log as DVCLive does."""
    place = folder / "metrics/train/tiny" / member / "plots/metrics/validation"
    place.mkdir(parents=True, exist_ok=True)
    for name, values in figures.items():
        lines = [f"step\t{name}", *(f"{step}\t{value}" for step, value in enumerate(values))]
        (place / f"{name}.tsv").write_text("".join(f"{line}\n" for line in lines))


def test_a_course_is_the_mean_of_all_networks(tmp_path):
    """Show the epochs that every network has ended, without a line that is on its way; keep each one's best epoch."""
    resolved.write(tmp_path / "resolved/runs/tiny.yaml", asdict(replace(toys.RUN, seeds=(1, 2))))
    assert trials.Course.of(tmp_path, "tiny", "f1_macro") is None
    write_log(tmp_path, "seed-1", {"loss": [3, 1, 2], "f1_macro": [0.1, 0.2, 0.3]})
    assert trials.Course.of(tmp_path, "tiny", "f1_macro").after(0) == []
    write_log(tmp_path, "seed-2", {"loss": [1, 2], "f1_macro": [0.5, 0.6]})
    file = tmp_path / "metrics/train/tiny/seed-2/plots/metrics/validation/f1_macro.tsv"
    file.write_text(file.read_text() + "2\t0.")
    course = trials.Course.of(tmp_path, "tiny", "f1_macro")
    assert course.after(1) == [(2, pytest.approx(0.4))]
    assert course.end() == trials.Ended(pytest.approx(0.35), 1.5, 3)


TRAINER = """
import pathlib, sys, time
place = pathlib.Path("metrics/train/tiny/seed-9/plots/metrics/validation")
place.mkdir(parents=True)
for name in ("loss", "f1_macro"):
    (place / f"{{name}}.tsv").write_text("step" + chr(9) + name + chr(10))
for epoch in range(50):
    if epoch == {end}:
        sys.exit("train: the disk is full")
    for name in ("loss", "f1_macro"):
        with (place / f"{{name}}.tsv").open("a") as file:
            file.write(str(epoch) + chr(9) + "0.5" + chr(10))
    time.sleep(0.05)
pathlib.Path("ended").touch()
"""


@pytest.mark.parametrize(
    ("end", "expected"),
    [(99, trials.Ended(epochs=2, pruned=True)), (1, trials.Ended(reason="train: the disk is full"))],
)
def test_a_training_is_watched_and_stopped(tmp_path, monkeypatch, end, expected):
    """End `dvc repro` at the epoch at which the watch says so, and find the stage's own line where it fails."""
    copy = trials.Copy(tmp_path, tmp_path / "place" / "checkout")
    copy.folder.mkdir(parents=True)
    (copy.folder / "params.yaml").write_text("seed: 1\n")
    resolved.write(copy.folder / "resolved/runs/tiny.yaml", asdict(toys.RUN))
    (tmp_path / "trainer.py").write_text(TRAINER.format(end=end))
    monkeypatch.setattr(trials, "_said", lambda *_: "")
    monkeypatch.setattr(trials, "_dvc", lambda: [sys.executable, str(tmp_path / "trainer.py")])
    assert trials.train(copy, "tiny", ["seed=2"], "f1_macro", lambda epoch, _figure: epoch == 2) == expected
    assert (copy.folder / "params.yaml").read_text() == "seed: 2\n"
    assert not (copy.folder / "ended").exists()
