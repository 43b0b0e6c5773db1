"""A training step of the heartbeat networks: ours against the loop that everybody writes."""

import copy
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from pqrst import catalog
from pqrst.loaders import batches
from pqrst.training import prepare_process

ROWS, BATCH, ROUNDS = 1024, 64, 7
NETWORKS = ("simple_cnn", "coupled_cnn")


def measure() -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
    """Time one pass over the rows for both sides, turn by turn."""
    x, y = torch.randn(ROWS, 1, 187), torch.randint(0, 5, (ROWS,))
    peer = f"Dataset, DataLoader, Conv1d, AdamW (torch {torch.__version__})"
    for name in NETWORKS:
        module = catalog.load("models", name)
        ours = module.build((1, 187), 5, module.Params())
        theirs = as_conv1d(ours)
        check_equal(ours, theirs, x[:8])
        prepare_process(threads=1)
        pair = peer_pass(theirs, x, y), our_pass(ours, x, y)
        for warm in pair:
            warm()
        yield (
            f"{name}, {ROWS} beats, batch {BATCH}",
            peer,
            [(cpu_seconds(pair[0]), cpu_seconds(pair[1])) for _ in range(ROUNDS)],
        )


def check_equal(ours: nn.Module, theirs: nn.Module, x: torch.Tensor) -> None:
    """Hold that both sides compute the same numbers."""
    with torch.inference_mode():
        ours.eval(), theirs.eval()
        assert torch.allclose(ours(x), theirs(x), atol=1e-5)


def as_conv1d(network: nn.Module) -> nn.Module:
    """Rebuild a network on Conv1d, as it is usually written, with the same weights."""
    flat = Flat(network)
    for parent in flat.modules():
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, conv1d(child))
            elif isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, batch_norm1d(child))
            elif isinstance(child, nn.MaxPool2d):
                setattr(parent, name, nn.MaxPool1d(2))
    return flat


class Flat(nn.Module):
    """The layers of a network without the row of height one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        twin = copy.deepcopy(network)
        self.features, self.head = twin.features, twin.head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        return self.head(x.mean(2) if isinstance(self.head, nn.Linear) else x.flatten(1))


def conv1d(layer: nn.Conv2d) -> nn.Conv1d:
    made = nn.Conv1d(layer.in_channels, layer.out_channels, layer.kernel_size[1], padding=layer.kernel_size[1] // 2)
    made.load_state_dict({"weight": layer.weight.detach().squeeze(2), "bias": layer.bias.detach()})
    return made


def batch_norm1d(layer: nn.BatchNorm2d) -> nn.BatchNorm1d:
    made = nn.BatchNorm1d(layer.num_features)
    made.load_state_dict(layer.state_dict())
    return made


def peer_pass(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Callable[[], None]:
    """Make the pass that everybody writes."""
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.AdamW(network.parameters())

    def run() -> None:
        network.train()
        for rows, labels in loader:
            optimizer.zero_grad()
            functional.cross_entropy(network(rows), labels).backward()
            optimizer.step()

    return run


def our_pass(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Callable[[], None]:
    """Make the pass that `training` takes: resident rows, channels last, a fused step."""
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)

    def run() -> None:
        network.train()
        for part in batches(torch.randperm(len(x)), BATCH):
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(network(x[part]), y[part]).backward()
            optimizer.step()

    return run


def cpu_seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
