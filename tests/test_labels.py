"""Labels of a split, of those that are stored."""

from dataclasses import replace

import numpy as np
import pytest

from pqrst.errors import SettingsError
from pqrst.labels import of_classes, of_task
from toys import LABELS, META, STORED, TASKS, bundle


@pytest.mark.parametrize(
    ("classes", "labels"),
    [((), [0, 0, 0, 0, 1, 1, 0, 1]), (("b", "a"), [1, 1, 1, 1, 0, 0, 1, 0]), (("b",), [-1, -1, -1, -1, 0, 0, -1, 0])],
)
def test_classes_are_chosen_in_their_order(classes, labels):
    """All classes, both the other way round, and one alone, with -1 for the rows of the other."""
    chosen = of_classes(bundle(), classes)
    assert chosen.y.tolist() == labels
    assert chosen.meta.classes == (classes or META.classes)
    assert len(chosen.x) == len(chosen.rows) == 8


def test_classes_of_a_multi_label_task_are_not_chosen():
    """Refuse to choose among labels that stand side by side."""
    several = replace(bundle(), meta=replace(META, task="multi"))
    with pytest.raises(SettingsError, match="toy: a split of a multi-label task keeps all classes; remove `classes`"):
        of_classes(several, ("a",))


def test_a_task_gathers_stored_labels_into_its_classes():
    """A class is there where any of its members is, whatever its number; 2 is needed where the task says so."""
    assert TASKS["super"].classes == ("NORM", "MI")
    assert TASKS["super"].of(STORED, LABELS).tolist() == [[1, 0], [0, 1], [0, 1], [0, 0], [1, 0], [0, 0]]
    assert TASKS["sure"].of(STORED, LABELS).tolist() == [[0, 0], [0, 0], [0, 1], [0, 0], [1, 0], [0, 0]]
    assert TASKS["sure"].of(STORED, LABELS).dtype == np.int16


def test_labels_of_a_task_stand_in_a_bundle_of_its_classes():
    """Give 0/1 labels under the task's names, and leave a bundle without a task as it is."""
    stored = replace(bundle(), meta=replace(META, task="multi", classes=LABELS), y=STORED)
    assert of_task(stored, None) is stored
    found = of_task(stored, TASKS["super"])
    assert found.meta.classes == ("NORM", "MI")
    assert found.y.tolist() == [[1, 0], [0, 1], [0, 1], [0, 0], [1, 0], [0, 0]]
