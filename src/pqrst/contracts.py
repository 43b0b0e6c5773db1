"""What a trained run says of itself: all that a program must know to use it on a recording that nobody has seen."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pqrst import schemas
from pqrst.arrays import Form
from pqrst.decisions import Calibration
from pqrst.parsing import parse
from pqrst.treatment import Crop, Standardisation

if TYPE_CHECKING:
    from torch import Tensor

OLDEST, SCHEMA = 5, 6  # that are read; 5 does not say what was fitted on which rows, nor the sums of what was learned
SEALED = 6


@dataclass(frozen=True)
class Fitted:
    """The rows that a run's numbers come from, as `leaks.mark` names them; of a schema that did not say so, nothing."""

    learned: str = ""  # weights, standardisation, class counts
    chose: str = ""  # epoch, temperature, thresholds; nothing of an estimator, which chooses none
    class_counts: tuple[int, ...] = ()  # as loss and sampler were given them


@dataclass(frozen=True)
class Contract:
    """All that is needed to use the weights on a recording that was never seen."""

    run: str
    system: str
    seed: int
    task: str
    classes: tuple[str, ...]
    model: str
    model_settings: dict[str, Any]
    parameters: int | None  # none of an estimator
    input: Form
    standardise: Standardisation
    output: str
    split: str
    best_epoch: int
    provenance: dict[str, Any]  # of the data, with its digest
    settings_digest: str
    train: dict[str, Any] = field(default_factory=dict)  # the settings of the training, its loss among them
    epochs: int = 0  # that were run, of those that were allowed
    value: str = ""  # of the setting that the run is made over
    kind: str = "models"  # or classifiers
    side: tuple[str, ...] = ()  # the numbers beside a row that the model takes
    standardise_side: Standardisation = field(default_factory=lambda: Standardisation("none"))
    leak: str = ""  # whom train and test share
    calibration: Calibration = field(default_factory=Calibration)
    thresholds: tuple[float, ...] = ()  # of each label of a multi-label task; none: 0.5
    thresholds_by: str = ""  # what they were chosen for, on validation rows
    part: str = ""  # of the split
    crop: Crop = field(default_factory=Crop)
    frontend: str = ""  # what the network computes of a row first, and how it draws it as an image; part of the network
    frontend_settings: dict[str, Any] = field(default_factory=dict)
    encoding: str = ""
    encoding_settings: dict[str, Any] = field(default_factory=dict)
    weights: str = ""  # SHA-256 of the file that the first weights came from; none: they were drawn at random
    place: int = 0  # of its value among those that the run is made over
    fitted: Fitted = field(default_factory=Fitted)
    files: dict[str, str] = field(default_factory=dict)  # name -> SHA-256 of what was learned, as it was written
    schema: int = SCHEMA

    @property
    def pictures(self) -> bool:
        """Say whether the model sees images, whoever draws them."""
        return bool(self.encoding or self.input.encoding)

    def prepared(self, rows: "Tensor") -> "Tensor":
        """Bring a batch of rows, as they are stored, into what was trained on."""
        from pqrst.standardisation import decoded, standardise  # noqa: PLC0415 (torch, which reading a contract needs not)

        return standardise(decoded(rows, self.input.steps), self.standardise)


def contract_of(given: Any, place: str) -> Contract:
    """Check a contract that was read from a place."""
    schemas.check(given, place, SCHEMA, OLDEST, "train the run anew")
    return parse(Contract, given, place)
