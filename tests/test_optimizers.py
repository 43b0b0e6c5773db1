"""The optimisers: torch's own numbers, without torch's compiler."""

import subprocess
import sys

import pytest
import torch

from pqrst.optimizers import eager


def steps(kind, resume=False):
    """Take three steps, the last after a change of hands where that is wanted, and give the weights."""
    torch.manual_seed(3)
    model = torch.nn.Linear(5, 2)
    x, y = torch.randn(8, 5), torch.randn(8, 2)

    def made():
        return kind(model.parameters(), lr=0.1, weight_decay=0.01, fused=True)

    optimizer = made()
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for step in range(3):
        if resume and step == 2:
            kept = optimizer.state_dict()
            optimizer = made()
            optimizer.load_state_dict(kept)
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
        schedule.step()
    return [one.detach().clone() for one in model.parameters()]


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("resume", [False, True])
def test_the_numbers_are_those_of_torch(kind, resume):
    """Take the same steps to the bit, and go on from a kept state."""
    for ours, theirs in zip(steps(eager(kind), resume), steps(kind, resume), strict=True):
        assert torch.equal(ours, theirs)


def test_a_step_loads_no_compiler():
    """Leave torch's compiler out of a process that trains: it costs a second."""
    code = """import sys, torch
from pqrst.optimizers import eager
w = torch.nn.Parameter(torch.ones(3))
optimizer = eager(torch.optim.AdamW)([w], lr=0.1, fused=True)
torch.optim.lr_scheduler.StepLR(optimizer, 1)
optimizer.zero_grad()
w.sum().backward()
optimizer.step()
assert w.requires_grad
optimizer.load_state_dict(optimizer.state_dict())
print('torch._dynamo' in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
