"""A training step of the networks: ours against the loop that everybody writes, and against tsai's InceptionTime.

Our side is `training` itself, with its heap; the peer is a Dataset that gives a tensor an item, a DataLoader, Conv1d and AdamW.
The limit beside a row is a bare convolution, forward, laid out as ours is, in the same run.
"""

import copy
import importlib.util
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from _table import Row
from _turns import Pass, apart, pairs
from pqrst import catalog, params, resolver, training
from pqrst.models._blocks import Dropout, channel_means

ROOT, TORCH = Path(__file__).resolve().parents[1], torch.__version__.partition("+")[0]
ROUNDS = 5
LOOP = f"Dataset, DataLoader, Conv1d, AdamW, float32 (torch {TORCH})"


@dataclass(frozen=True)
class Subject:
    """A network and the rows of one pass."""

    network: str
    shape: tuple[int, int]  # leads, samples
    classes: int
    rows: int
    batch: int
    floors: tuple[float, float]  # of the ratio, in float32 and bfloat16
    goals: tuple[float, float]

    def data(self) -> tuple[Tensor, Tensor]:
        """Make up rows and labels, the same in every process."""
        torch.manual_seed(0)
        return torch.randn(self.rows, *self.shape), torch.randint(0, self.classes, (self.rows,))


BEATS = {
    "simple_cnn": (1024, 1.9),
    "four_layer_cnn": (512, 1.7),
    "residual_cnn": (256, 1.45),
    "coupled_cnn": (512, 1.6),
}
SUBJECTS = [
    Subject(name, (1, 187), 5, rows, batch, (1.25, 1.75), (goal, 2.6))
    for name, (rows, goal) in BEATS.items()
    for batch in (64, 128)
]
INCEPTION_TIME = Subject("InceptionTime", (12, 1000), 71, 64, 32, (1.7, 2.6), (2.1, 3.3))


def measure() -> Iterator[Row]:
    """Time a pass over the rows for both sides, in float32 and in bfloat16."""
    for subject in SUBJECTS:
        check_equal(subject, ours(subject), as_conv1d(ours(subject), subject.network))
        yield from against(subject, LOOP, partial(their_pass, conv1d_twin))
    if importlib.util.find_spec("tsai"):
        theirs, same = tsai_and_ours()
        check_equal(INCEPTION_TIME, same, theirs)
        yield from against(INCEPTION_TIME, f"tsai {version('tsai')}, {LOOP}", partial(their_pass, tsai_twin))
    else:
        yield Row(
            "a training step of InceptionTime", "tsai", [], share="not measured: benchmarks/peers.txt is not installed"
        )


def against(subject: Subject, peer: str, make: Callable[[Subject], Pass]) -> Iterator[Row]:
    """Hold our pass in either precision against the peer's."""
    leads, samples = subject.shape
    with apart(make, subject) as theirs:
        for place, precision in enumerate(("fp32", "bf16")):
            told = f"a training step of {subject.network}, {leads} × {samples}, batch {subject.batch}, {precision}"
            row = Row(told, peer, [], subject.floors[place], subject.goals[place])
            try:
                with apart(our_pass, subject, precision) as own:
                    found = pairs(ROUNDS, theirs, own)
                reached = flops(subject) / statistics.median(seconds for _, seconds in found)
                yield row._replace(pairs=found, share=f"{reached / roof(precision):.0%} of a bare convolution")
            except EOFError:
                yield row._replace(share=f"not measured: this processor cannot compute in {precision}")


def ours(subject: Subject) -> nn.Module:
    """Build our network with the weights of seed 0."""
    torch.manual_seed(0)
    if subject == INCEPTION_TIME:
        return inception_time(subject)
    module = catalog.load("models", subject.network)
    return module.build(subject.shape, subject.classes, module.Params())


def our_pass(subject: Subject, precision: str) -> Pass:
    """Make our pass in a process that is set up for it."""
    training.prepare_process(threads=1)
    return learner_pass(subject, precision)


def learner_pass(subject: Subject, precision: str) -> Pass:
    """Make the pass that `training` takes over resident rows."""
    x, y = subject.data()
    run = next(iter(resolver.resolve(params.load(ROOT / "params.yaml"))["simple_cnn"]))
    settings = replace(run.train, batch_size=subject.batch, precision=precision, device="cpu", optimizer="adamw")
    lesson = training.Lesson(lambda: ours(subject), PlainLoss(), settings)
    data = training.Data((x,), y, (x,), y, subject.classes)
    learner = training._learner(lesson, data, 0)  # noqa: SLF001 (one epoch without its validation and its checkpoint)
    return lambda: training._train(learner, data, torch.randperm(len(x)))  # noqa: SLF001


class PlainLoss(nn.Module):
    """Cross-entropy, called as `training` calls a loss."""

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:  # noqa: ARG002
        return functional.cross_entropy(logits, target)


def their_pass(twin: Callable[[Subject], nn.Module], subject: Subject) -> Pass:
    """Make the pass that everybody writes."""
    torch.set_num_threads(1)
    network = twin(subject)
    loader = DataLoader(TensorDataset(*subject.data()), batch_size=subject.batch, shuffle=True)
    optimizer = torch.optim.AdamW(network.parameters())

    def run() -> None:
        network.train()
        for rows, labels in loader:
            optimizer.zero_grad()
            functional.cross_entropy(network(rows), labels).backward()
            optimizer.step()

    return run


def check_equal(subject: Subject, ours: nn.Module, theirs: nn.Module) -> None:
    """Hold that both sides compute the same logits, and the same gradient of the input."""
    found = []
    for network in (ours, theirs):
        x = subject.data()[0][:4].requires_grad_()
        out = network.eval()(x)
        out.square().sum().backward()
        found.append((out.detach(), x.grad))
    (our_out, our_gradient), (their_out, their_gradient) = found
    assert torch.allclose(our_out, their_out, atol=1e-4, rtol=1e-4)
    assert torch.allclose(our_gradient, their_gradient, atol=1e-4 * float(their_gradient.abs().max()), rtol=1e-3)


def conv1d_twin(subject: Subject) -> nn.Module:
    """Give our network as it is usually written."""
    return as_conv1d(ours(subject), subject.network)


def as_conv1d(network: nn.Module, name: str) -> nn.Module:
    """Rebuild a network of beats on Conv1d and torch's own dropout, with the same weights."""
    flat = Flat(network, flattened=name == "coupled_cnn")
    for parent in list(flat.modules()):
        for place, child in list(parent.named_children()):
            if type(child) in AS_USUAL:
                setattr(parent, place, AS_USUAL[type(child)](child))
    return flat


class Flat(nn.Module):
    """The layers of a network without the row of height one."""

    def __init__(self, network: nn.Module, *, flattened: bool) -> None:
        super().__init__()
        twin = copy.deepcopy(network)
        self.features, self.head, self.flattened = twin.features, twin.head, flattened

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        return self.head(x.flatten(1) if self.flattened else x.mean(2))


def conv1d(layer: nn.Conv2d) -> nn.Conv1d:
    made = nn.Conv1d(layer.in_channels, layer.out_channels, layer.kernel_size[1], padding=layer.kernel_size[1] // 2)
    made.load_state_dict({"weight": layer.weight.detach().squeeze(2), "bias": layer.bias.detach()})
    return made


def batch_norm1d(layer: nn.BatchNorm2d) -> nn.BatchNorm1d:
    made = nn.BatchNorm1d(layer.num_features)
    made.load_state_dict(layer.state_dict())
    return made


AS_USUAL = {
    nn.Conv2d: conv1d,
    nn.BatchNorm2d: batch_norm1d,
    nn.MaxPool2d: lambda _: nn.MaxPool1d(2),
    Dropout: lambda layer: nn.Dropout(layer.p),
}


def inception_time(subject: Subject) -> nn.Module:
    """Build our inception layers into the network that tsai has: its second shortcut and its head are plainer."""
    module = catalog.load("models", "inception1d")
    network = module.build(subject.shape, subject.classes, module.Params())
    channels = network.features[1].channels
    network.features[1].shortcut = nn.BatchNorm2d(channels)
    network.head = MeansHead(channels, subject.classes)
    return network


class MeansHead(nn.Linear):
    """Classify by the mean of each channel over time."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(channel_means(x))


def tsai_twin(subject: Subject) -> nn.Module:
    """Build tsai's network."""
    from tsai.models.InceptionTime import InceptionTime  # noqa: PLC0415 (not installed with the tests)

    return InceptionTime(subject.shape[0], subject.classes)


def tsai_and_ours() -> tuple[nn.Module, nn.Module]:
    """Build both networks with the same weights."""
    theirs, same = tsai_twin(INCEPTION_TIME), inception_time(INCEPTION_TIME)
    block = theirs.inceptionblock
    in_order = [*block.inception[:3], block.shortcut[0], *block.inception[3:], block.shortcut[1], theirs.fc]
    given = [w for part in in_order for w in nn.ModuleList([part]).state_dict().values()]
    for mine, own in zip(same.state_dict().values(), given, strict=True):
        mine.copy_(own.reshape(mine.shape))
    return theirs, same


def flops(subject: Subject) -> int:
    """Count the operations of a pass: forward and backward, convolutions and products of matrices."""
    network, (x, y) = ours(subject), subject.data()
    with FlopCounterMode(display=False) as counter:
        functional.cross_entropy(network(x[:8]), y[:8]).backward()
    return counter.get_total_flops() * subject.rows // 8


@cache
def roof(precision: str) -> float:
    """Measure a bare convolution in the layout of ours, operations a CPU second."""
    with apart(bare_convolution, precision) as ask:
        return 2 * 64 * 187 * 256 * 256 * 5 * REPEATS / min(ask() for _ in range(3))


REPEATS = 5


def bare_convolution(precision: str) -> Pass:
    """Make forward passes of one wide convolution, as long as those of the beats."""
    training.prepare_process(threads=1)
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    layer = nn.Conv2d(256, 256, (1, 5), padding=(0, 2)).to(kind, memory_format=torch.channels_last)
    x = torch.randn(64, 256, 1, 187).to(kind, memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(REPEATS):
                layer(x)

    return run
