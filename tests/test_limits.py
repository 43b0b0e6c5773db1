"""Where the settings of losses, encodings and frontends end: by hand, what is just taken and what is just refused."""

import pytest

from pqrst import catalog
from pqrst.errors import SettingsError
from pqrst.parsing import parse

SPAN = {"start": ([0], [-1]), "length": ([0], [-1])}  # of a picture's stretch of time, in samples
FROM_0, SHARE = ([0.0, 0.5], [-0.5]), ([0.0, 1.0], [-0.5, 1.5])
LIMITS = {  # by component and setting: what is taken, what is refused
    "losses.asymmetric": {"gamma_neg": FROM_0, "gamma_pos": FROM_0, "clip": SHARE},
    "losses.cb_focal": {"gamma": FROM_0, "beta": SHARE, "counts": (["train", "batch"], ["test"])},
    "losses.ce": {"label_smoothing": SHARE},
    "losses.challenge": {"score": FROM_0, "push": FROM_0},
    "losses.class_balanced": {"beta": SHARE, "counts": (["train", "batch"], ["test"])},
    "losses.focal": {"gamma": FROM_0},
    "losses.iwl": {"gamma": FROM_0},
    "losses.ldam": {"max_margin": FROM_0, "scale": FROM_0, "counts": (["train", "batch"], ["test"])},
    "losses.weighted_ce": {"power": SHARE},
    "encodings.cwt": SPAN | {"size": ([1], [0]), "omega": ([5.0], [4.5]), "floor": ([0.5], [-0.5])},
    "encodings.gramian": SPAN | {"size": ([0], [-1]), "low": ([-1.0, 0.5], [-1.5, 1.5]), "high": ([-0.5, 1.0], [-1.5, 1.5])},
    "encodings.lead_rows": {
        "start": ([0], [-1]), "length": ([1], [0]), "rows_per_lead": ([1], [0]), "rows": ([1, None], [0]), "size": ([1], [0]),
        "channels": ([3], [0]),
    },
    "encodings.markov": SPAN | {"size": ([0], [-1]), "bins": ([2, 256], [1, 257])},
    "encodings.recurrence": SPAN | {
        "size": ([0], [-1]), "dimension": ([1], [0]), "delay": ([1], [0]), "threshold": (["none", "point", "distance", 0.5], [-0.5]),
        "percentage": ([0.0, 100.0], [-0.5, 100.5]),
    },
    "encodings.stacked_leads": SPAN | {"size": ([0], [-1])},
    "encodings.stft": SPAN | {
        "size": ([1], [0]), "window": ([0.5], [-0.5]), "step": FROM_0, "limit": FROM_0, "floor": ([0.5], [-0.5]),
    },
    "frontends.icwa": {"exponent": ([0.0, 0.5], [-0.5, 1.0]), "squeeze": ([1], [0])},
}  # fmt: skip
CASES = [(path, name, *values) for path, limits in LIMITS.items() for name, values in limits.items()]


@pytest.mark.parametrize(("path", "name", "taken", "refused"), CASES)
def test_a_setting_ends_where_the_table_says(path, name, taken, refused):
    """Take the last number that makes sense, and name the setting that lies beyond."""
    settings = catalog.load(*path.split(".")).Params
    for value in taken:
        assert getattr(parse(settings, {name: value}, path), name) == value
    for value in refused:
        with pytest.raises(SettingsError, match=rf"^{path}\.{name} must be "):
            parse(settings, {name: value}, path)
