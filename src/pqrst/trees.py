"""What a fitted estimator out of a file may be: types that its classifier uses, and trees whose nodes stay inside their arrays.

scikit-learn follows the numbers of a tree's nodes without looking whether they lie in the tree, and its wrappers of older libraries do
so with their own arrays. skops looks at types alone, and trusts all estimators of scikit-learn.
"""

from collections.abc import Collection, Iterator
from types import FunctionType
from typing import Any

import numpy as np

from pqrst.errors import DataError

OF_SKLEARN = {  # what the classifiers here are made of; a type that is not named is refused, unless its classifier trusts it
    "DecisionTreeClassifier", "DummyClassifier", "FeatureUnion", "FunctionTransformer", "HalfBinomialLoss", "HalfMultinomialLoss",
    "HistGradientBoostingClassifier", "Interval", "LabelEncoder", "LogitLink", "MultinomialLogit", "PCA", "Pipeline",
    "RandomForestClassifier", "SimpleImputer", "StandardScaler", "Tree", "TreePredictor", "_BinMapper",
    "CyHalfBinomialLoss", "CyHalfMultinomialLoss",
}  # fmt: skip
LEAF = -1


def check(estimator: Any, trusted: Collection[str]) -> None:
    """Refuse an estimator that holds an unknown type of scikit-learn, or a tree that leads outside its arrays."""
    for part in _parts(estimator, {}):
        kind = type(part)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if kind.__module__.startswith("sklearn.") and kind.__name__ not in OF_SKLEARN and name not in trusted:
            raise DataError(f"it holds a {name}, which is none of its classifier's types")
        if kind.__name__ in ("RandomForestClassifier", "DecisionTreeClassifier"):
            _check_forest(part)
        elif kind.__name__ == "HistGradientBoostingClassifier":
            _check_boosted(part)


def _parts(part: Any, seen: dict[int, Any]) -> Iterator[Any]:
    """Walk through everything that an object holds, each once."""
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | type | FunctionType | None):
            continue
        seen[id(one)] = one
        yield one
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
        elif isinstance(one, np.ndarray):
            waiting += one.ravel().tolist() if one.dtype == object else []
        else:
            waiting += getattr(one, "__dict__", {}).values()


def _check_forest(part: Any) -> None:
    """Hold the nodes of a forest's trees, or of one tree, against the width that it looks at."""
    width = getattr(part, "n_features_in_", None)  # none of what a forest copies its trees from
    for member in getattr(part, "estimators_", ()):
        if member.n_features_in_ != width:  # a forest looks at the width of its first tree alone
            raise DataError(f"one of its trees takes {member.n_features_in_} features, the others {width}")
    if hasattr(part, "tree_"):
        tree = part.tree_
        inner = (tree.children_left != LEAF) | (tree.children_right != LEAF)
        if tree.n_features != width or tree.n_outputs != 1:
            raise DataError(f"one of its trees is of {tree.n_features} features where {width} are given")
        _check_nodes(tree.children_left[inner], tree.children_right[inner], tree.feature[inner], (inner, width))


def _check_boosted(part: Any) -> None:
    for one in (predictor for stage in getattr(part, "_predictors", ()) for predictor in stage):
        nodes, width = one.nodes, part.n_features_in_
        if (
            nodes.ndim != 1 or nodes["is_categorical"].any()
        ):  # whose bits lie in further arrays; nothing here has categories
            raise DataError("one of its trees asks for categories, which no classifier here has")
        inner = nodes["is_leaf"] == 0
        told = nodes[inner]
        _check_nodes(told["left"], told["right"], told["feature_idx"], (inner, width))


def _check_nodes(left: np.ndarray, right: np.ndarray, feature: np.ndarray, within: tuple[np.ndarray, int]) -> None:
    """Refuse a node whose feature is not there, or whose children do not come behind it: then no way through a tree goes round."""
    inner, width = within
    own = np.flatnonzero(inner)
    ends = [np.asarray(child, np.int64) for child in (left, right)]
    inside = all(((child > own) & (child < len(inner))).all() for child in ends)
    column = np.asarray(feature, np.int64)
    if len(inner) == 0 or not inside or not ((column >= 0) & (column < width)).all():
        raise DataError("one of its trees leads outside its own nodes or features")
