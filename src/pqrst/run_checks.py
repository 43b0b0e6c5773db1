"""What a run names, held against what there is: its parts fit one another, and its training fits its rows."""

from typing import Literal

from pqrst import catalog, challenge
from pqrst.errors import SettingsError
from pqrst.params import Run, Settings, Train, known, parts_of


def kind_of(s: Settings, model: str) -> Literal["models", "classifiers"]:
    """Say under which section of params.yaml a model stands."""
    return "classifiers" if model in s.classifiers else "models"


def serves(loss: str, task: str) -> bool:
    """Say whether a loss has a form for a task."""
    return task in catalog.load("losses", loss).TASKS


def undrawable(s: Settings, run: Run) -> str:
    """Say why nothing can stand before a run's model, neither a drawing nor a frontend; nothing where it can."""
    if run.input.startswith("images/"):
        return f"{run.input} holds images already; remove drawing and frontend, or take windows/{run.dataset}"
    return f"{run.model} is no network; remove drawing and frontend" if kind_of(s, run.model) == "classifiers" else ""


def check(s: Settings, run: Run, path: str) -> str:
    """Check the names that a run gives; return the task of its dataset."""
    known(run.system, s.systems, f"{path}.system")
    over = ".over" if "model" in run.over else ""
    known(run.model, s.models | s.classifiers, f"{path}{over}.model")
    known(run.dataset, s.datasets, f"{path}.dataset")
    known(run.split, s.datasets[run.dataset].splits, f"{path}.split")
    known(run.drawing, {"": 0} | s.drawings, f"{path}.drawing")
    known(run.frontend, {"": 0} | s.frontends, f"{path}.frontend")
    if (run.drawing or run.frontend) and (reason := undrawable(s, run)):
        raise SettingsError(f"{path}: {reason}")
    task = str(catalog.load("datasets", s.datasets[run.dataset].database).TASK)
    _check_model(s, run, task, path)
    return task


def _check_model(s: Settings, run: Run, task: str, path: str) -> None:
    """Check that a run's model can take its rows, what stands beside them, and their task."""
    inputs = {f"windows/{run.dataset}": "image" if run.drawing else "signal"} | {
        f"images/{n}": "image" for n, i in s.images.items() if i.dataset == run.dataset
    }
    known(run.input, inputs, f"{path}.input")
    module = catalog.load(kind_of(s, run.model), run.model, f"{path}.model")
    accepts = module.ACCEPTS
    beside = accepts == "side" or getattr(module, "SIDE", ())
    if beside and s.datasets[run.dataset].window.side == "none":
        raise SettingsError(
            f"{path}.model: {run.model} takes what stands beside rows; {run.dataset} has window.side none"
        )
    if accepts not in (inputs[run.input], "side"):
        one = {"image": "an image"}.get(accepts, f"a {accepts}")
        holds = f"drawn as {run.drawing} is an image" if run.drawing else f"holds {inputs[run.input]}s"
        raise SettingsError(f"{path}.model: {run.model} takes {one}, {run.input} {holds}")
    if kind_of(s, run.model) == "classifiers" and task not in module.TASKS:
        raise SettingsError(f"{path}.model: {run.model} has no {task}-label form, and {run.dataset} is {task}-label")


def check_training(s: Settings, run: Run, part: str, train: Train, path: str) -> None:
    """Refuse what the rows of a network cannot be trained with; else it would be told after they are cut."""
    if kind_of(s, run.model) == "classifiers":
        return
    database = catalog.load("datasets", s.datasets[run.dataset].database)
    if run.input.startswith("images/") and (train.crop or train.augment.startswith("transforms")):
        raise SettingsError(
            f"{path}.train: {run.input} holds images, which have no time to crop or to transform; set crop to 0 and "
            "augment to none, or narrow scope"
        )
    if database.TASK == "multi" and (train.class_weight_alpha or train.sampler_ratio):
        raise SettingsError(
            f"{path}.train: class_weight_alpha and sampler_ratio need one class a row; set both to 0, or narrow scope"
        )
    split = parts_of(s.datasets[run.dataset].splits[run.split], path)[part]
    classes = database.LABEL_TASKS[split.task].classes if split.task else split.classes or database.CLASSES
    if database.TASK == "multi" and train.thresholds == "challenge" and len(classes) != len(challenge.CLASSES):
        raise SettingsError(
            f"{path}.train: thresholds by the Challenge's score are of its {len(challenge.CLASSES)} labels, and this "
            f"task has {len(classes)}; set thresholds to youden or f1, or narrow scope"
        )
