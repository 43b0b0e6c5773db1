"""Every setting, typed: the shape of params.yaml, and of what the resolver makes of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pqrst import catalog, published
from pqrst.errors import SettingsError
from pqrst.parsing import Between, convert, named, nearest, parse, read, shown
from pqrst.quality import Policy, Quality

AUTO = "auto"
Count = Annotated[int, Between(1)]
Share = Annotated[float, Between(0, 1)]
Positive = Annotated[float, Between(0)]


@dataclass(frozen=True)
class Train:
    """How a network is trained; params.yaml says what each setting means."""

    epochs: Count
    seeds: Count
    batch_size: Annotated[int, Between(2)]
    optimizer: Literal["adam", "adamw"]
    lr: Positive
    weight_decay: Positive
    scheduler: Literal["none", "plateau", "one_cycle", "cosine", "step"]
    scheduler_factor: Share
    scheduler_patience: Annotated[int, Between(0)]
    scheduler_epochs: Count
    cycle_epochs: Annotated[int, Between(0)]
    cycle_warmup: Share
    min_lr: Positive
    clip_norm: Positive
    clip_value: Positive
    crop: Annotated[int, Between(0)]
    crop_step: Annotated[int, Between(0)]
    crop_pool: Literal["max", "mean"]
    select: Literal["loss", "accuracy", "auroc_macro", "average_precision_macro", "last"]
    thresholds: Literal["none", "youden", "f1", "challenge"]
    stop_patience: Annotated[int, Between(0)]
    class_weight_alpha: Positive
    sampler_ratio: Positive
    augment: Literal[
        "none",
        "noise",
        "noise_mask",
        "noise_mask2",
        "noise_scale",
        "noise_scale_mask",
        "noise_scale_mask2",
        "transforms",
        "transforms_published",
    ]
    standardise: Literal["none", "row", "train", "train_all"]
    precision: Literal["fp32", "bf16"]
    resident_gb: Positive
    threads: Count
    device: Literal["auto", "cpu", "cuda"]
    augment_side: Literal["train", "validation"] = "train"  # validation: as one original did by mistake
    processes: Count = 1
    shard_rows: Count = 1


@dataclass(frozen=True)
class BandPass:
    """A Butterworth band-pass over a whole recording, forward and backward."""

    low: float  # Hz
    high: float  # Hz
    order: Annotated[int, Between(1, 10)] = 5

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise SettingsError(f"a band-pass needs 0 < low < high, got {self.low:g} and {self.high:g} Hz")


# settings of a window that only some cuts read
OF_CUTS = {
    "step": ("equal",),
    "every": ("beats", "around"),
    "tail": ("beats",),
    "before": ("around",),
    "pieces": ("whole",),
    "from_start": ("whole",),
}


@dataclass(frozen=True)
class Window:
    """How a recording is cut into rows."""

    cut: Literal["beats", "around", "equal", "whole"]
    samples: Count
    step: Count = 1  # samples between the starts of windows of equal length
    every: Count = 1  # keep every n-th sample of a beat
    tail: Share = 0.0  # the part of the interval after the next mark that a beat's window still holds
    before: Count = 1  # samples of the recording before a mark that a window around it holds
    leads: Literal["first", "all"] = "all"
    side: Literal["none", "beats", "record"] = "none"  # numbers beside each row: of its beat, or of its recording
    zscore: bool = False  # each lead of the whole recording to mean 0 and deviation 1, before all else
    filter: BandPass | None = None  # of the whole recording, before it is cut
    rate: Positive = 0.0  # Hz that recordings are brought to, after the filter; 0 = their own
    pieces: Count = 1  # rows, evenly spread, that a recording longer than one row gives
    from_start: bool = False  # a single row of a longer recording is its beginning, not its middle
    steps: Annotated[int, Between(0, 10_000)] = 0  # stored as whole numbers, so many a unit; 0 = as they come

    def __post_init__(self) -> None:
        usual = {one.name: one.default for one in fields(Window)}
        for key, cuts in OF_CUTS.items():
            if self.cut not in cuts and getattr(self, key) != usual[key]:
                raise SettingsError(f"the cut {self.cut} takes no {key}; remove it, or cut {' or '.join(cuts)}")


@dataclass(frozen=True)
class Split:
    """Which rows train, choose and test: by a published membership (`fold`), or drawn; `parts` are splits that differ in little."""

    fold: str = ""
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    # row: test rows are drawn of all rows; group: with all rows of a patient, a recording or a signal on one side
    # beat, recording: as published, whoever's they are
    by: Literal["beat", "recording", "patient", "row", "group"] = "patient"
    validation: Annotated[float, Between(0.01, 0.9)] = 0.2
    seed: int = 42
    classes: tuple[str, ...] = ()  # the task's classes in their order; rows of others are left out; () = all
    shared: tuple[str, ...] = ()  # parts whose patients the publication left on two sides, told wherever it is used
    whole: tuple[str, ...] = ()  # parts whose patients recur but are not named: they train where test rows are drawn
    doubles: Annotated[int, Between(0)] = 0  # rows of equal signals that the publication left on two sides
    mixed: bool = False  # exchange the sides at random within each class, so that only the patients' places change
    test_share: Annotated[float, Between(0, 0.9)] = 0.0  # of the rows, where they are drawn
    task: str = ""  # of a database whose labels make several
    held: tuple[str, ...] = ()  # published validation parts; without any, a share of train is drawn
    test_chooses: bool = False  # as published: there are no validation rows, the test rows choose the epoch
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> what differs

    def __post_init__(self) -> None:
        if self.parts:
            return
        published = [name for name in ("fold", "train", "test") if getattr(self, name)]
        if self.by == "row" and (published or not self.test_share):
            raise SettingsError("a split by row draws its test rows: set test_share, and none of fold, train, test")
        if self.by == "group" and (
            self.train or bool(self.test_share) == bool(self.test) or bool(self.test) > bool(self.fold)
        ):
            raise SettingsError("a split by group needs test_share, or fold and test; all else trains")
        if self.by in ("beat", "recording", "patient") and (len(published) < 3 or self.test_share):
            raise SettingsError(f"a split by {self.by} needs fold, train and test, and no test_share")
        if self.test_chooses and (self.by == "row" or self.held):
            raise SettingsError("test_chooses leaves no room for validation rows; remove held, or do not split by row")


def parts_of(split: Split, path: str) -> dict[str, Split]:
    """Give each part of a split complete, by its name; a split without parts is its own, without a name."""
    if not split.parts:
        return {"": split}
    shared = {key: value for key, value in asdict(split).items() if key != "parts"}
    return {name: parse(Split, shared | dict(given), f"{path}.parts.{name}") for name, given in split.parts.items()}


@dataclass(frozen=True)
class Dataset:
    """The rows of one database: how cut, how split."""

    database: str
    on_bad_record: Literal["stop", "skip"]
    window: Window
    splits: dict[str, Split]
    quality: dict[str, str] = field(default_factory=dict)  # what differs from quality.policy


@dataclass(frozen=True)
class Image:
    """Images of one dataset that are drawn ahead of training and stored."""

    dataset: str
    drawing: str
    dtype: Literal["float32", "float16", "uint8"] = "float32"  # of the stored values


@dataclass(frozen=True)
class Drawing:
    """A way of drawing signals: an encoding, with what differs from its own settings."""

    encoding: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """The recipe that a published system prescribes."""

    loss: str
    train: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One trained model that some table shows, or one for each of its arms and each value of the setting in `over`.

    A run with `set`, `arms` or `over` is pinned: the override layer passes it by.
    """

    system: str
    family: str
    dataset: str
    input: str
    split: str
    model: str
    frontend: str = ""  # what the signal passes first, learned with the network where it has weights
    drawing: str = ""  # signals are drawn as images in every batch, on the device that trains
    set: dict[str, Any] = field(default_factory=dict)
    over: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # in params.yaml also `part`: all parts of the split
    arms: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> what differs, in the words of `set`
    brief: tuple[str, ...] = ()  # the arms that a brief profile trains; none: all


@dataclass(frozen=True)
class Profile:
    """Where recordings come from and how long training lasts."""

    source: str
    train: dict[str, Any]
    systems: dict[str, dict[str, Any]] = field(default_factory=dict)  # training settings of single systems
    sources: dict[str, str] = field(default_factory=dict)  # of single databases that lie elsewhere
    recordings: dict[str, int] = field(default_factory=dict)  # made-up recordings of single databases
    most_epochs: Annotated[int, Between(0)] = 0  # of any run, whatever it says; 0 = as many as it says
    brief: bool = False  # train some arms of each run only
    pixels: Annotated[int, Between(0)] = 0  # height and width of images drawn while training; 0 = the encoding's own
    records: Count = 10
    minutes: Annotated[float, Between(0.5)] = 3.0


@dataclass(frozen=True)
class Settings:
    """The whole of params.yaml."""

    profile: str
    seed: int
    loss: str
    frontend: str
    scope: str
    engine: str
    train: dict[str, Any]
    profiles: dict[str, Profile]
    defaults: dict[str, Any]
    databases: dict[str, Any]
    quality: Quality
    splits: dict[str, dict[str, Any]]  # shared: datasets name one in place of a split of their own
    datasets: dict[str, Dataset]
    images: dict[str, Image]
    drawings: dict[str, Drawing]
    encodings: dict[str, Any]
    frontends: dict[str, Any]
    models: dict[str, Any]
    classifiers: dict[str, Any]
    losses: dict[str, Any]
    weights: dict[str, str]
    systems: dict[str, System]
    runs: dict[str, Run]
    scores: tuple[str, ...]
    tables: dict[str, dict[str, published.Table]]  # family of runs -> its tables, each family in a file of its own


def load(path: Path) -> Settings:
    """Read and check params.yaml as a whole, with the tables of the families that it names."""
    given = read(path, str(path))
    for key in given:
        if key not in {f.name for f in fields(Settings)}:
            raise SettingsError(
                f"{named(key)} is not a setting; {nearest(named(key), [f.name for f in fields(Settings)])}"
            )
    values: dict[str, Any] = {}
    for one in fields(Settings):
        if one.name not in given:
            raise SettingsError(f"{one.name} is missing from {path}")
        kind = tuple[str, ...] if one.name == "tables" else one.type
        values[one.name] = convert(kind, _spelt_out(one.name, given[one.name], values), one.name)
    values["tables"] = {family: published.load(path.parent, family) for family in values["tables"]}
    return _checked(Settings(**values))


def _spelt_out(section: str, given: Any, read_so_far: Mapping[str, Any]) -> Any:
    """Write out what datasets and runs say in one word; what has another shape is left to the parser."""
    if section not in ("datasets", "runs") or not isinstance(given, Mapping):
        return given
    write = _with_shared if section == "datasets" else _with_parts
    return {
        name: write(one, read_so_far, f"{section}.{name}") if isinstance(one, Mapping) else one
        for name, one in given.items()
    }


def _with_shared(data: Mapping[str, Any], read_so_far: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Put shared splits in place of their names."""
    shared, own = read_so_far["splits"], data.get("splits")
    if not isinstance(own, Mapping):
        return data
    for name, split in own.items():
        if isinstance(split, str):
            known(split, shared, f"{path}.splits.{name}")
    return {
        **data, "splits": {name: shared[split] if isinstance(split, str) else split for name, split in own.items()}
    }  # fmt: skip


def _with_parts(run: Mapping[str, Any], read_so_far: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Put all parts of its split in place of `over: part`."""
    if run.get("over") != "part":
        return run
    known(run.get("dataset"), read_so_far["datasets"], f"{path}.dataset")
    splits = read_so_far["datasets"][run["dataset"]].splits
    known(run.get("split"), splits, f"{path}.split")
    return {**run, "over": {"part": list(splits[run["split"]].parts)}}


def _checked(s: Settings) -> Settings:
    """Check every name that points to another place, and every component's own settings."""
    known(s.profile, s.profiles, "profile")
    for name in s.weights:
        known(name, s.models, "weights")
    for name, given in s.databases.items():
        component(("datasets", name), given, f"databases.{name}")
    for name, data in s.datasets.items():
        known(data.database, s.databases, f"datasets.{name}.database")
        quality_of(s, name)
        _check_splits(name, data)
    for kind, entries in (
        ("encodings", s.encodings),
        ("frontends", s.frontends),
        ("models", s.models),
        ("classifiers", s.classifiers),
        ("losses", s.losses),
    ):
        for name, given in entries.items():
            component((kind, name), given, f"{kind}.{name}")
    _check_drawings(s)
    for name in s.classifiers:
        if name in s.models:
            raise SettingsError(f"classifiers.{name} stands under models too; a run could mean either")
    for name, system in s.systems.items():
        known(system.loss, s.losses, f"systems.{name}.loss")
    return s


def _check_drawings(s: Settings) -> None:
    """Check what images and drawings name, and the settings of each drawing."""
    for name, image in s.images.items():
        known(image.dataset, s.datasets, f"images.{name}.dataset")
        known(image.drawing, s.drawings, f"images.{name}.drawing")
    for name, drawing in s.drawings.items():
        known(drawing.encoding, s.encodings, f"drawings.{name}.encoding")
        component(("encodings", drawing.encoding), drawing_settings(s, name), f"drawings.{name}.settings")


def _check_splits(name: str, data: Dataset) -> None:
    """Refuse a split's task or class that its database does not have."""
    module = catalog.load("datasets", data.database)
    tasks = getattr(module, "LABEL_TASKS", {})
    for split, given in data.splits.items():
        path = f"datasets.{name}.splits.{split}"
        for part, one in parts_of(given, path).items():
            place = f"{path}.parts.{part}" if part else path
            for label in one.classes:
                known(label, dict.fromkeys(module.CLASSES), f"{place}.classes")
            if one.task or tasks:
                known(one.task, tasks, f"{place}.task")


def known(name: Any, entries: Mapping[str, Any], path: str) -> None:
    """Refuse a name that points nowhere."""
    if not isinstance(name, str) or name not in entries:
        raise SettingsError(f"{path}: there is no {shown(name)}; {nearest(named(name), list(entries))}")


def component(which: tuple[str, str], given: Any, path: str) -> Any:
    """Build the Params of a component."""
    kind, name = which
    return parse(catalog.load(kind, name, path).Params, {} if given is None else given, path)


def quality_of(s: Settings, name: str) -> Quality:
    """Lay what a dataset says of its recordings' faults over what holds of all."""
    policy = asdict(s.quality.policy) | s.datasets[name].quality
    return replace(s.quality, policy=parse(Policy, policy, f"datasets.{name}.quality"))


def drawing_settings(s: Settings, name: str) -> dict[str, Any]:
    """Lay a drawing's own settings over those of its encoding."""
    drawing = s.drawings[name]
    own = component(("encodings", drawing.encoding), {}, f"encodings.{drawing.encoding}")
    for key in drawing.settings:
        known(key, asdict(own), f"drawings.{name}.settings")
    return dict(s.encodings[drawing.encoding] or {}) | drawing.settings
