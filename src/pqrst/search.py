"""A search over settings: Optuna proposes, trials are trained and pruned by their validation figures, and a file remembers them."""

import json
import logging
import math
import multiprocessing
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pqrst import console, processes, spaces, trials
from pqrst.console import log
from pqrst.errors import DataError, PqrstError, SettingsError

try:
    import optuna
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import FrozenTrial, TrialState
except ImportError as missing:
    raise SettingsError(f'a search needs Optuna ({missing}); pip install "pqrst[search]"') from None

FOLDER = Path("search")  # of the studies, a file each
STARTUP = 5  # trials before the sampler and the pruner have something to go by
FAILURES = 3  # in a row, after which a search ends
_CONTEXT = multiprocessing.get_context("spawn")  # a journal that is open must not be forked
Pruner = Literal["median", "hyperband", "none"]


@dataclass(frozen=True)
class Wanted:
    """What is searched, and how."""

    run: str
    space: tuple[str, ...]  # as -S takes it, with ranges
    by: str = "f1_macro"  # of validation rows; the lower the better for loss, the higher for all others
    trials: int = 20  # in all, those of earlier searches of the study included
    study: str = ""
    seed: int = 17
    pruner: Pruner = "median"
    wait: int = 1  # epochs before any trial is pruned

    @property
    def name(self) -> str:
        return self.study or self.run

    @property
    def higher(self) -> bool:
        return self.by != "loss"


def begin(root: Path, wanted: Wanted) -> None:
    """Check a search, and create its study or find the one that it goes on with."""
    optuna.logging.set_verbosity(logging.WARNING)
    if wanted.trials < 1 or wanted.wait < 0:
        raise SettingsError(f"--trials must be at least 1 and --wait at least 0, got {wanted.trials} and {wanted.wait}")
    told = {**asdict(wanted), "commit": trials.commit(root), "space": list(wanted.space)}
    told = {key: told[key] for key in told if key not in ("trials", "study")}  # what may change between two searches
    if not _file(root, wanted).exists():
        told["epochs"] = spaces.check(root, wanted.run, spaces.space(wanted.space, wanted.run), wanted.by)
    with _turn(root, wanted):
        found = _study(root, wanted)
        if not found.user_attrs:
            _refuse_kept(root, wanted)
            for key, value in told.items():
                found.set_user_attr(key, value)
    for key, value in told.items():
        if found.user_attrs.get(key) != value:
            raise SettingsError(
                f"study {wanted.name} was begun with {key}={found.user_attrs.get(key)}, not {value}; search as it was begun, or name another --study"
            )


def _refuse_kept(root: Path, wanted: Wanted) -> None:
    old = trials.kept(root, wanted.name)
    if old:
        raise SettingsError(
            f"there are {len(old)} experiments such as {old[0].rpartition('/')[2]}, and no study that made them; `dvc exp remove` them, or name another --study"
        )


def _turn(root: Path, wanted: Wanted) -> Any:
    """Let one process at a time ask, so that each trial has its number and none is asked for twice."""
    (root / FOLDER).mkdir(exist_ok=True)
    return processes.alone(root / FOLDER / f"{wanted.name}.lock", f"another process asks for a trial of {wanted.name}")


def _file(root: Path, wanted: Wanted) -> Path:
    return root / FOLDER / f"{wanted.name}.journal"


def _study(root: Path, wanted: Wanted) -> "optuna.Study":
    file = _file(root, wanted)
    try:
        backend = JournalFileBackend(str(file))
        return optuna.create_study(
            storage=optuna.storages.JournalStorage(backend),
            study_name=wanted.name,
            direction="maximize" if wanted.higher else "minimize",
            load_if_exists=True,
        )
    except (ValueError, KeyError, json.JSONDecodeError) as error:
        raise DataError(f"{file} cannot be read ({error}); move it away to begin anew") from None


def go_on(root: Path, wanted: Wanted) -> None:
    """Run trials until the study has as many as are wanted."""
    searched = spaces.space(wanted.space, wanted.run)
    study = _study(root, wanted)
    study.pruner = _pruner(wanted, study.user_attrs["epochs"])
    with trials.copied(root) as copy:
        while (trial := _asked(study, wanted, searched, copy)) is not None:
            _one(study, wanted, searched, trial, copy)


def share(root: Path, wanted: Wanted, jobs: int) -> None:
    """Run trials in so many processes; a search that is cut off here goes on where it was when it is called again."""
    try:
        if jobs > 1:
            _spread(root, wanted, jobs)
        else:
            go_on(root, wanted)
    except KeyboardInterrupt:
        raise SettingsError(f"search {wanted.name} was cut off; the same command goes on with it") from None


def _spread(root: Path, wanted: Wanted, jobs: int) -> None:
    """Let processes of their own search; where one fails, the others end with the trials they are at."""
    crew = [_CONTEXT.Process(target=_work, args=(root, wanted)) for _ in range(jobs)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    if any(one.exitcode for one in crew):
        raise DataError(
            f"{sum(bool(one.exitcode) for one in crew)} of {jobs} processes failed, as told above; the same command goes on"
        )


def _work(root: Path, wanted: Wanted) -> None:
    console.setup()
    processes.die_with_parent()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        go_on(root, wanted)
    except PqrstError as error:
        log.error("pqrst: %s", error)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(1) from None


def _pruner(wanted: Wanted, epochs: int) -> "optuna.pruners.BasePruner":
    if wanted.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=wanted.wait + 1)
    if wanted.pruner == "hyperband":
        least = min(wanted.wait + 1, epochs)
        return optuna.pruners.HyperbandPruner(min_resource=least, max_resource=epochs)
    return optuna.pruners.NopPruner()


def _asked(study: "optuna.Study", wanted: Wanted, searched: spaces.Space, copy: trials.Copy) -> "optuna.Trial | None":
    """Take the next trial, first those that a killed process left; none where there are as many as are wanted."""
    with _turn(copy.root, wanted):
        _tell_killed(study, copy.root, wanted)
        done = [one for one in study.get_trials(deepcopy=False) if _counts(one)]
        if len(done) >= wanted.trials:
            return None
        # by its place, so that a search that was cut off draws what it would have drawn
        study.sampler = optuna.samplers.TPESampler(seed=wanted.seed * 1_000_003 + len(done), n_startup_trials=STARTUP)
        trial = study.ask({one.key: _distribution(one) for one in searched.dimensions})
        trial.set_user_attr("process", copy.token)
    return trial


def _counts(one: "FrozenTrial") -> bool:
    return one.state != TrialState.WAITING and not _killed(one)


def _killed(one: "FrozenTrial") -> bool:
    """Say whether a trial failed without a reason: its process died."""
    return bool(one.state == TrialState.FAIL) and "reason" not in one.user_attrs


def _tell_killed(study: "optuna.Study", root: Path, wanted: Wanted) -> None:
    """Tell the trials whose process is dead, and have them run again."""
    for one in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trials.alive(root, one.user_attrs.get("process", "")):
            continue
        trials.forget(root, _name(wanted, one.number))
        study.tell(one.number, state=TrialState.FAIL)
        if "reason" in one.user_attrs:  # it had ended, and only its end was not told
            continue
        study.enqueue_trial(one.params, user_attrs={"repeats": one.number})
        log.info("trial %s was cut off; its settings are tried again", one.number)


def _distribution(one: spaces.Dimension) -> Any:
    if one.choices:
        return optuna.distributions.CategoricalDistribution(one.choices)
    if one.whole:
        return optuna.distributions.IntDistribution(int(one.low), int(one.high), one.log, int(one.step or 1))
    return optuna.distributions.FloatDistribution(one.low, one.high, one.log, one.step)


def _name(wanted: Wanted, number: int) -> str:
    return f"{wanted.name}-{number:04}"


def _one(
    study: "optuna.Study", wanted: Wanted, searched: spaces.Space, trial: "optuna.Trial", copy: trials.Copy
) -> None:
    """Train one trial, keep it where it has learned, and tell the study."""
    started, epochs = time.monotonic(), study.user_attrs["epochs"]

    def watch(epoch: int, figure: float) -> bool:
        trial.report(figure, epoch)
        return epoch < epochs and trial.should_prune()

    same = _same(study, trial)
    if same is not None:
        trial.set_user_attr("reason", f"the same settings as trial {same.number}")
        study.tell(trial, same.value)
    else:
        ended = trials.train(copy, wanted.run, searched.overrides(trial.params), wanted.by, watch)
        trial.set_user_attr("seconds", round(time.monotonic() - started, 1))
        _tell(study, wanted, trial, ended, copy)
    _show(study.get_trials(deepcopy=False)[trial.number], wanted)
    _stop_failing(study)


def _same(study: "optuna.Study", trial: "optuna.Trial") -> "FrozenTrial | None":
    """Find a finished trial of the same settings, which would only be the same again."""
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((one for one in finished if one.params == trial.params), None)


def _tell(study: "optuna.Study", wanted: Wanted, trial: "optuna.Trial", ended: trials.Ended, copy: trials.Copy) -> None:
    figure = ended.figure
    if ended.pruned:
        trial.set_user_attr("reason", f"pruned after epoch {ended.epochs}")
        study.tell(trial, state=TrialState.PRUNED)
    elif figure is None or not math.isfinite(figure):
        trial.set_user_attr("reason", ended.reason or f"its {wanted.by} is {figure}")
        study.tell(trial, state=TrialState.FAIL)
    else:
        found = {
            f"validation_{wanted.by}": round(figure, 6),
            "epoch": ended.epoch,
            "epochs": ended.epochs,
            "trial": trial.number,
        }
        trials.keep(copy, wanted.run, _name(wanted, trial.number), found)
        trial.set_user_attr("epoch", ended.epoch)
        trial.set_user_attr("epochs", ended.epochs)
        trial.set_user_attr("experiment", _name(wanted, trial.number))
        study.tell(trial, figure)


def _stop_failing(study: "optuna.Study") -> None:
    done = [one for one in study.get_trials(deepcopy=False) if _counts(one) and one.state.is_finished()]
    last = done[-FAILURES:]
    if len(last) == FAILURES and all(one.state == TrialState.FAIL for one in last):
        raise SettingsError(f"{FAILURES} trials in a row failed, the last: {last[-1].user_attrs['reason']}")


def _show(one: "FrozenTrial", wanted: Wanted) -> None:
    log.info("%s", line(one, wanted.by))


def line(one: "FrozenTrial", by: str) -> str:
    """Say what became of a trial."""
    told = one.user_attrs
    settings = " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in one.params.items()
    )
    if one.state == TrialState.COMPLETE and "experiment" in told:
        end = f"validation {by} {one.value:.4f} at epoch {told['epoch']:g} of {told['epochs']}, experiment {told['experiment']}"
    elif one.state == TrialState.COMPLETE:
        end = f"validation {by} {one.value:.4f}: {told['reason']}"
    elif _killed(one):
        end = "cut off, and run again"
    else:
        end = f"{one.state.name.lower()}{f': {reason}' if (reason := told.get('reason')) else ''}"
    return f"trial {one.number}: {settings}: {end}"


def tell(root: Path, wanted: Wanted, every: bool = False) -> list[str]:
    """Say what a study holds and which trial is the best, a line each."""
    if not _file(root, wanted).exists():
        raise SettingsError(f"there is no study {FOLDER / wanted.name}.journal; search first, or name it by --study")
    study = _study(root, wanted)
    by = study.user_attrs["by"]
    found = study.get_trials(deepcopy=False)
    states = [one.state for one in found if _counts(one)]
    lines = [line(one, by) for one in found] if every else []
    counted = ", ".join(f"{states.count(state)} {state.name.lower()}" for state in TrialState if state in states)
    lines.append(f"study {wanted.name} in {_file(Path(), wanted)}: {counted}")
    if TrialState.COMPLETE in states:
        best = study.best_trial
        first = min(
            (o for o in found if o.state == TrialState.COMPLETE and o.params == best.params), key=lambda o: o.number
        )
        lines += [
            f"best: {line(first, by)}",
            f"`dvc exp apply {first.user_attrs['experiment']}` brings it, `dvc repro evaluate@{wanted.run}` then asks its test rows for the first time",
        ]
    return lines
