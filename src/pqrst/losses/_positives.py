"""What losses of several labels share: how many times a label is absent for once present in the train rows."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def positive_weights(class_counts: Sequence[int] | np.ndarray, rows: int | None) -> Tensor:
    """Give the negatives per positive of each label, (classes,) float64; 1 where a label has no positive.

    Without the number of train rows each counts as having one label.
    """
    positives = torch.as_tensor(np.asarray(class_counts), dtype=torch.float64)
    negatives = (positives.sum() if rows is None else rows) - positives
    return torch.where(positives > 0, negatives / positives.clamp(min=1), 1.0)
