"""Boosted trees in two steps for beats of patients never seen: which kind of beat, then whether it comes from above the ventricles.

The first step tells N and S together from the other classes, by all columns of rhythm and shape. The second tells S from N,
by a few columns of rhythm and of the P wave, each bound to one direction: the earlier a beat, the likelier S. Free trees
over all columns learn the shapes of the train patients' S beats, which are no one else's. How long the heart's own interval
is can be asked in three ways, one that suits single S beats, one that suits runs of them, and one between: three models,
averaged. Columns, trees and threshold were chosen by cross-validation over the patients of DS1.

Ours, from scikit-learn's HistGradientBoostingClassifier; that rhythm decides S is in de Chazal et al., IEEE Trans Biomed Eng
51(7), 2004, after whose classes and division of patients this is built.

>>> build(("before",), ("N", "S"), 0, Params(), (2, 240))
Traceback (most recent call last):
...
pqrst.errors.SettingsError: classifiers.beat_cascade needs before_over_q95_usual and 11 more columns beside the rows
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier

from pqrst.errors import SettingsError
from pqrst.parsing import Between

ACCEPTS = "side"
TASKS = ("single",)
TRUSTED = (  # types of this estimator that a file may hold
    "pqrst.classifiers.beat_cascade.BeatCascade",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
# column: the direction in which S grows likelier as it rises
RHYTHM = {
    "before_over_mean_10": -1,
    "before_over_q80_60": -1,
    "before_over_after": -1,
    "disorder_30": -1,
    "disorder_around": -1,
}
P_WAVE = {"p_0_like_late": -1, "p_0_like_late_past": 1, "p_0_off_late": 1}
OWN_INTERVAL = (
    {"before_over_q95_usual": -1},
    {"before_over_q75_all": -1, "before_over_q90_all": -1},
    {"before_over_q75_usual": -1, "before_over_q95_usual": -1},
)
Count = Annotated[int, Between(1)]
Share = Annotated[float, Between(0.001, 0.999)]


@dataclass(frozen=True)
class Params:
    """The trees, how many fits are averaged, and from which probability on a beat of the first group is S."""

    fits: Count = 3
    every: Count = 3  # of the N beats one in so many is learnt from, another one in each fit
    threshold: Share = 0.45
    group_columns: Share = 0.3  # the share of columns that a split of the first step chooses from
    early_columns: Share = 0.6
    learning_rate: Annotated[float, Between(0)] = 0.08
    iterations: Count = 60
    leaves: Annotated[int, Between(2)] = 6
    least_rows: Count = 40  # of a leaf
    l2: Annotated[float, Between(0)] = 5.0


class BeatCascade(ClassifierMixin, BaseEstimator):
    """Average the two steps over several fits; class 0 is N, class 1 is S."""

    def __init__(self, columns: tuple[str, ...], n_classes: int, seed: int, settings: dict[str, Any]) -> None:
        self.columns = columns
        self.n_classes = n_classes
        self.seed = seed
        self.settings = settings

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Learn from rows (rows, columns) and class indices."""
        self.groups_, self.early_ = [], []
        for fit in range(self.seed * self.settings["fits"], (self.seed + 1) * self.settings["fits"]):
            kept = (y != 0) | (np.arange(len(y)) % self.settings["every"] == fit % self.settings["every"])
            first = kept & (y < 2)
            self.groups_.append(_fitted(self._trees(fit, "group"), x[kept], np.where(y == 1, 0, y)[kept]))
            for directions in self._directions():
                trees = self._trees(fit, "early", monotonic_cst=list(directions.values()))
                self.early_.append(_fitted(trees, x[first][:, self._places(directions)], y[first]))
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Give probabilities (rows, classes); S is moved so that the threshold lies where N and S are equal."""
        groups = np.mean([_by_class(model, x, self.n_classes) for model in self.groups_], axis=0)
        places = [self._places(directions) for directions in self._directions()] * self.settings["fits"]
        early = np.mean([_by_class(m, x[:, at], 2)[:, 1] for m, at in zip(self.early_, places, strict=True)], axis=0)
        t = self.settings["threshold"]
        early = early * (1 - t) / (early * (1 - t) + (1 - early) * t)
        return np.column_stack([groups[:, 0] * (1 - early), groups[:, 0] * early, groups[:, 2:]])

    def _directions(self) -> list[dict[str, int]]:
        return [own | RHYTHM | P_WAVE for own in OWN_INTERVAL]

    def _places(self, directions: dict[str, int]) -> list[int]:
        return [self.columns.index(name) for name in directions]

    def _trees(self, seed: int, step: str, **more: Any) -> HistGradientBoostingClassifier:
        s = self.settings
        return HistGradientBoostingClassifier(
            learning_rate=s["learning_rate"], max_iter=s["iterations"], max_leaf_nodes=s["leaves"], max_bins=64,
            l2_regularization=s["l2"], min_samples_leaf=s["least_rows"], max_features=s[f"{step}_columns"],
            early_stopping=False, random_state=seed, **more,
        )  # fmt: skip


def _fitted(trees: HistGradientBoostingClassifier, x: np.ndarray, y: np.ndarray) -> ClassifierMixin:
    """Fit the trees, or say the one class that there is; made-up recordings may lack the others."""
    return (trees if len(np.unique(y)) > 1 else DummyClassifier()).fit(x, y)


def _by_class(model: Any, x: np.ndarray, n_classes: int) -> np.ndarray:
    """Give probabilities by class index, 0 for a class that had no train row."""
    found = np.zeros((len(x), n_classes))
    found[:, model.classes_] = model.predict_proba(x)
    return found


def build(
    columns: tuple[str, ...], classes: tuple[str, ...], seed: int, p: Params, _shape: tuple[int, ...]
) -> BeatCascade:
    """Build the estimator for rows with these columns beside them."""
    needed = dict.fromkeys(name for directions in (*OWN_INTERVAL, RHYTHM, P_WAVE) for name in directions)
    missing = [name for name in needed if name not in columns]
    if missing:
        more = f" and {len(missing) - 1} more columns" if len(missing) > 1 else ""
        raise SettingsError(f"classifiers.beat_cascade needs {missing[0]}{more} beside the rows")
    if classes[:2] != ("N", "S") or len(classes) < 3:
        raise SettingsError(f"classifiers.beat_cascade needs the classes N, S and others, got {', '.join(classes)}")
    settings = {name: getattr(p, name) for name in Params.__dataclass_fields__}
    return BeatCascade(columns, len(classes), seed, settings)
