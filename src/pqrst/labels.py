"""The labels that a split asks for, made from those that are stored."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pqrst.arrays import Bundle, LabelTask
from pqrst.errors import SettingsError


def of_task(bundle: Bundle, task: LabelTask | None) -> Bundle:
    """Turn a multi-label database's stored labels into those of a task."""
    if task is None:
        return bundle
    labels = task.of(bundle.y, bundle.meta.classes)
    return replace(bundle, meta=replace(bundle.meta, classes=task.classes), y=labels)


def of_classes(bundle: Bundle, classes: Sequence[str]) -> Bundle:
    """Keep only some classes of a single-label task, in the order given; rows of the others get the label -1."""
    if not classes:
        return bundle
    if bundle.meta.task == "multi":
        raise SettingsError(f"{bundle.meta.dataset}: a split of a multi-label task keeps all classes; remove `classes`")
    places = {name: place for place, name in enumerate(classes)}
    labels = np.array([places.get(name, -1) for name in bundle.meta.classes])
    return replace(bundle, meta=replace(bundle.meta, classes=tuple(classes)), y=labels[bundle.y])
