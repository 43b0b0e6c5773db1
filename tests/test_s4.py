"""The state-space network: its convolution is the recurrence it stands for, at any length and in single precision."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import cont2discrete

from pqrst.errors import SettingsError
from pqrst.models import s4
from pqrst.parsing import parse


@pytest.fixture
def deterministic():
    """Refuse operations whose result may differ between two runs, as training does."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(mode=True)
    yield
    torch.use_deterministic_algorithms(mode=before)


def space(width=3, states=6, seed=0):
    """Make a state space in double precision whose parameters have left their start."""
    torch.manual_seed(seed)
    made = s4.StateSpace(width, states).double()
    with torch.no_grad():
        made.log_step.uniform_(-3, -1)
        made.log_decay.add_(0.3 * torch.randn_like(made.log_decay))
        made.frequency.add_(torch.randn_like(made.frequency))
    return made


def recurrence(made, x):
    """Run x_{k+1} = Ā x_k + B̄ u_k sample by sample, both ways, with SciPy's zero-order hold: (width, T)."""
    found = np.zeros(x.shape)
    for channel, signal in enumerate(x):
        a = (-made.log_decay.exp() + 1j * made.frequency).detach().numpy()[channel]
        both = np.diag(np.concatenate([a, a.conj()]))
        step = made.log_step.exp()[channel].item()
        dynamics = (both, np.ones((len(both), 1)), np.ones((1, len(both))), np.zeros((1, 1)))
        a_bar, b_bar, *_ = cont2discrete(dynamics, step, method="zoh")
        read = (made.read[0] + 1j * made.read[1]).detach().numpy()[:, channel]  # (past and future, pairs)
        past, future = np.concatenate([read, read.conj()], axis=1)
        found[channel] = states(a_bar, b_bar, signal) @ past
        backwards = states(a_bar, b_bar, signal[::-1])[::-1] @ future
        found[channel, :-1] += backwards[1:].real  # of the samples after this one
        found[channel] += made.skip[channel].item() * signal
    return found


def states(a_bar, b_bar, signal):
    """Give the state after each sample, (T, states)."""
    state, found = np.zeros(len(a_bar), complex), []
    for value in signal:
        state = a_bar @ state + b_bar[:, 0] * value
        found.append(state)
    return np.array(found)


@pytest.mark.filterwarnings("ignore:Casting complex values to real")  # the conjugates have cancelled the rest
@pytest.mark.parametrize("samples", [1, 2, 3, 16, 37])
def test_the_convolution_is_the_recurrence(samples):
    """Equal the recurrence in double precision, at lengths with and without padding."""
    made, x = space(), torch.randn(2, 3, samples, dtype=torch.float64)
    found = made(x).detach().numpy()
    for row in range(2):
        np.testing.assert_allclose(found[row], recurrence(made, x[row].numpy()), atol=1e-12)


def test_one_state_by_hand():
    """One undriven pair with A = −ln 2 and Δ = 1 keeps half of each sample: B̄ = 1 / (2 ln 2), K = 2 B̄ / 2^k."""
    made = s4.StateSpace(1, 2).double()
    with torch.no_grad():
        made.log_step.zero_()
        made.log_decay.fill_(math.log(math.log(2)))
        made.frequency.zero_()
        made.read.copy_(torch.tensor([[1.0, 3.0], [0, 0]])[:, :, None, None])  # C: 1 to the past, 3 to the future
        made.skip.fill_(10.0)
    gain = 1 / math.log(2)
    expected = gain * torch.tensor([[1, 1 / 2, 1 / 4, 1 / 8, 1 / 16], [3, 3 / 2, 3 / 4, 3 / 8, 3 / 16]])
    torch.testing.assert_close(made.responses(5).squeeze(1), expected.double())
    pulse = torch.tensor([[[0.0, 0, 1, 0]]], dtype=torch.float64)
    answer = torch.tensor([[[1.5 * gain, 3 * gain, 10 + gain, gain / 2]]], dtype=torch.float64)
    torch.testing.assert_close(made(pulse), answer)


def test_a_longer_signal_has_the_same_response():
    """Begin the response over 1,000 samples with that over 250."""
    made = space()
    torch.testing.assert_close(made.responses(1000)[:, :, :250], made.responses(250))


def test_it_starts_as_s4d_lin():
    """Start from decays of 1/2, frequencies πn, and time steps from 0.001 to 0.1."""
    made = s4.StateSpace(500, 8)
    assert made.log_decay.exp().unique().tolist() == pytest.approx([0.5])
    assert made.frequency[7].tolist() == pytest.approx([0, math.pi, 2 * math.pi, 3 * math.pi])
    steps = made.log_step.exp()
    assert 0.001 <= steps.min() < 0.0015
    assert 0.07 < steps.max() <= 0.1


def test_single_precision_is_enough():
    """Stay within 1e-5 of double precision over 1,000 samples, small steps and high frequencies included."""
    torch.manual_seed(0)
    single, double = s4.StateSpace(64, 64), s4.StateSpace(64, 64).double()
    double.load_state_dict(single.state_dict())
    x = torch.randn(2, 64, 1000)
    exact = double(x.double())
    assert (single(x) - exact).abs().max() < 1e-5 * exact.abs().max()


def test_a_small_step_loses_no_digits():
    """Give (exp(ΔA) − 1) / A, which is Δ(1 + ΔA/2), to seven digits where the plain formula keeps three."""
    step, rate = torch.tensor([1e-4]), (torch.tensor([-0.5]), torch.tensor([0.0]))
    found, _ = s4._held((step * rate[0], step * rate[1]), rate)
    assert found.item() == pytest.approx(1e-4 * (1 - 0.25e-4), rel=3e-7)


def test_the_network_takes_any_length_and_number_of_leads():
    """Give logits from one sample to thousands, with the same weights."""
    torch.manual_seed(0)
    for leads in (1, 2, 12):
        model = s4.build((leads, 250), 5, s4.Params(width=8, states=4, layers=2)).eval()
        for samples in (1, 2, 187, 250, 1000, 4097):
            out = model(torch.randn(2, leads, samples))
            assert out.shape == (2, 5)
            assert out.isfinite().all()


@pytest.mark.usefixtures("deterministic")
def test_a_step_repeats_to_the_bit():
    """Give the same logits and gradients twice, with torch refusing what could differ."""
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        model, x = s4.build((12, 250), 5, s4.Params(width=16, states=8)), torch.randn(4, 12, 250)
        out = model(x)
        out.square().sum().backward()
        found.append([out.detach(), *[weight.grad for weight in model.parameters()]])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_half_precision_leaves_the_state_space_whole():
    """Compute in single precision under bfloat16, whose own digits would not do and which has no transform."""
    torch.manual_seed(0)
    made, x = s4.StateSpace(16, 8), torch.randn(4, 16, 250).bfloat16()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = made(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, made(x.float()))


def test_states_come_in_pairs():
    """Refuse an odd number of states."""
    with pytest.raises(SettingsError, match=r"models\.s4: states must be even, since .* got 7"):
        parse(s4.Params, {"states": 7}, "models.s4")
