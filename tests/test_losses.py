"""Every loss of the catalogue, and the published numbers of the inverted weight logarithmic loss."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst import catalog
from pqrst.errors import SettingsError
from pqrst.losses import cb_focal, ce, class_balanced, focal, iwl, ldam
from pqrst.losses._balance import batch_weights, train_weights

NAMES = catalog.names("losses")
FORMS = [(name, task) for name in NAMES for task in catalog.load("losses", name).TASKS]
COUNTS = np.array([50, 20, 10, 5])
ROWS = 12
WIDTHS = {"challenge": 26}  # a loss whose classes are given


def width(name):
    """Give the number of classes that a loss is tried on."""
    return WIDTHS.get(name, len(COUNTS))


GAMMAS = (0, 0.3, 0.5, 1, 2)
VECTORS = {  # spec 7; probability of the true class: the loss for each γ
    0.9: (0.105361, 0.108575, 0.110772, 0.116461, 0.128732),
    0.5: (0.693147, 0.811772, 0.901930, 1.173600, 1.987078),
    0.1: (2.302585, 3.295125, 4.184492, 7.604483, 25.114453),
    0.01: (4.605170, 7.723645, 10.902851, 25.812763, 144.684927),
}
CELLS = [(p, gamma, value) for p, row in VECTORS.items() for gamma, value in zip(GAMMAS, row, strict=True)]
LN3 = math.log(3)  # σ(ln 3) = 0.75


def default(name, task):
    """Build a loss with its default settings."""
    module = catalog.load("losses", name)
    return module.build(task, np.resize(COUNTS, width(name)), module.Params())


def problem(task, scale=1.0, classes=4):
    """Make up logits and targets in which every class, or of more than 12 some, occur."""
    generator = torch.Generator().manual_seed(0)
    logits = scale * torch.randn(ROWS, classes, generator=generator)
    single = torch.arange(ROWS) % classes
    multi = F.one_hot(single, classes) | F.one_hot((single + torch.arange(ROWS) // 4) % 4, classes)
    return logits.requires_grad_(), single if task == "single" else multi


@pytest.mark.parametrize("name", NAMES)
def test_it_says_which_tasks_it_serves(name):
    """Declare single-label tasks, multi-label tasks, or both."""
    tasks = catalog.load("losses", name).TASKS
    assert tasks
    assert set(tasks) <= {"single", "multi"}


@pytest.mark.parametrize(("name", "task"), FORMS)
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_it_gives_one_finite_number_and_a_finite_gradient(name, task, scale):
    """Stay finite for logits of ordinary size and for ten thousand; what is `BOUNDED` has no gradient left where all is settled."""
    logits, target = problem(task, scale, width(name))
    loss = default(name, task)(logits, target)
    loss.backward()
    assert loss.shape == ()
    assert loss.isfinite()
    assert loss >= 0
    assert logits.grad.isfinite().all()
    assert logits.grad.any() or (scale > 1 and getattr(catalog.load("losses", name), "BOUNDED", False))


@pytest.mark.parametrize(("name", "task"), FORMS)
def test_a_step_against_the_gradient_lowers_it(name, task):
    """Point downhill."""
    logits, target = problem(task, classes=width(name))
    loss = default(name, task)
    before = loss(logits, target)
    before.backward()
    assert loss(logits - 0.1 * logits.grad, target) < before


@pytest.mark.parametrize(("name", "task"), FORMS)
def test_only_the_ratios_of_weights_count(name, task):
    """Give the plain mean for equal weights, and the same for weights ten times as large."""
    loss, (logits, target) = default(name, task), problem(task, classes=width(name))
    weight = torch.linspace(0.1, 2, ROWS)
    torch.testing.assert_close(loss(logits, target, torch.full((ROWS,), 3.0)), loss(logits, target))
    torch.testing.assert_close(loss(logits, target, 10 * weight), loss(logits, target, weight))
    assert abs(loss(logits, target, weight) - loss(logits, target)) > 1e-4


@pytest.mark.parametrize(("name", "task"), FORMS)
def test_weights_in_double_precision_leave_the_loss_in_single(name, task):
    """Keep the precision of the logits."""
    loss, (logits, target) = default(name, task), problem(task, classes=width(name))
    assert loss(logits, target, torch.ones(ROWS, dtype=torch.float64)).dtype == torch.float32


@pytest.mark.parametrize("name", [name for name, task in FORMS if task == "multi"])
def test_labels_of_any_type_are_the_same_labels(name):
    """Take 0 and 1 as whole numbers, booleans, bytes or double precision."""
    loss, (logits, target) = default(name, "multi"), problem("multi", classes=width(name))
    expected = loss(logits, target.float())
    for dtype in (torch.int64, torch.bool, torch.uint8, torch.float64):
        assert torch.equal(loss(logits, target.to(dtype)), expected)


def test_ce_is_torchs_cross_entropy():
    """Equal torch, with and without label smoothing."""
    logits, target = problem("single")
    for smoothing in (0.0, 0.1):
        loss = ce.build("single", COUNTS, ce.Params(label_smoothing=smoothing))
        torch.testing.assert_close(loss(logits, target), F.cross_entropy(logits, target, label_smoothing=smoothing))


def test_ce_of_several_labels_by_hand():
    """Average −ln 0.75 for a label predicted at 0.75 and −ln 0.25 for one that is not there."""
    logits, target = torch.tensor([[LN3, LN3]]), torch.tensor([[1, 0]])
    plain = ce.build("multi", COUNTS, ce.Params())
    assert plain(logits, target).item() == pytest.approx((0.287682 + 1.386294) / 2, abs=1e-6)
    smooth = ce.build("multi", COUNTS, ce.Params(label_smoothing=0.2))  # targets 0.9 and 0.1
    assert smooth(logits, target[:, [0, 0]]).item() == pytest.approx(0.9 * 0.287682 + 0.1 * 1.386294, abs=1e-6)
    assert smooth(logits, target[:, [1, 1]]).item() == pytest.approx(0.1 * 0.287682 + 0.9 * 1.386294, abs=1e-6)


@pytest.mark.parametrize(
    "loss", [ce.build("single", COUNTS, ce.Params()), iwl.build("single", COUNTS, iwl.Params(0.0))]
)
def test_row_weights_mean_what_torchs_class_weights_mean(loss):
    """Divide the weighted sum by the sum of the weights."""
    logits, target = problem("single")
    by_class = torch.tensor([0.2416, 7.877, 3.025, 27.32])  # spec 4.3
    expected = F.cross_entropy(logits, target, weight=by_class)
    torch.testing.assert_close(loss(logits, target, by_class[target]), expected)


@pytest.mark.parametrize(("name", "task"), FORMS)
def test_a_row_of_weight_zero_is_not_there(name, task):
    """Give the loss of the other rows alone."""
    loss, (logits, target) = default(name, task), problem(task, classes=width(name))
    weight = torch.ones(ROWS)
    weight[4:] = 0
    torch.testing.assert_close(loss(logits, target, weight), loss(logits[:4], target[:4]))


@pytest.mark.parametrize(("p", "gamma", "value"), CELLS)
def test_iwl_gives_the_published_numbers(p, gamma, value):
    """Reach the table's value where the true class has probability p."""
    logits = torch.tensor([[math.log(p / (1 - p)), 0]], dtype=torch.float64)
    loss = iwl.build("single", COUNTS, iwl.Params(gamma=gamma))
    assert loss(logits, torch.tensor([0])).item() == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_iwl_has_the_derivative_of_its_formula(gamma):
    """Equal (1 + u)^(γ−1) (1 + (1 + γ)u) times the gradient of cross-entropy, p − onehot."""
    logits, target = problem("single")
    logits = logits.detach().double().requires_grad_()
    iwl.build("single", COUNTS, iwl.Params(gamma=gamma))(logits, target).backward()
    with torch.no_grad():
        u = F.cross_entropy(logits, target, reduction="none")
        by_u = (1 + u) ** (gamma - 1) * (1 + (1 + gamma) * u)
        expected = by_u[:, None] * (logits.softmax(dim=1) - F.one_hot(target)) / ROWS
    torch.testing.assert_close(logits.grad, expected)


@pytest.mark.parametrize(("p", "gamma", "value"), CELLS)
def test_iwl_has_the_gradient_of_the_published_numbers(p, gamma, value):
    """Pull the true logit by L(γ + 1 + 1/u)/(1 + u) times 1 − p, with the table's L at γ and u at γ = 0."""
    logits = torch.tensor([[math.log(p / (1 - p)), 0]], dtype=torch.float64, requires_grad=True)
    iwl.build("single", COUNTS, iwl.Params(gamma=gamma))(logits, torch.tensor([0])).backward()
    u = VECTORS[p][0]
    expected = value * (gamma + 1 + 1 / u) / (1 + u) * (1 - p)
    assert logits.grad[0].tolist() == pytest.approx([-expected, expected], rel=2e-5)


@pytest.mark.parametrize(("gamma", "pull"), [(0, 0.5), (1, 1.193147), (2, 2.606974)])
def test_the_pull_of_iwl_by_hand(gamma, pull):
    """Pull a row of two classes alike, u = ln 2, by half of 1, of 1 + 2u and of (1 + u)(1 + 3u)."""
    logits = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    iwl.build("single", COUNTS, iwl.Params(gamma=gamma))(logits, torch.tensor([1])).backward()
    assert logits.grad[0].tolist() == pytest.approx([pull, -pull], abs=1e-6)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_iwl_of_several_labels_has_the_derivative_of_its_formula(gamma):
    """Equal (1 + u)^(γ−1) (1 + (1 + γ)u) times the gradient of binary cross-entropy, σ(z) − t, in each cell."""
    logits, target = problem("multi")
    logits = logits.detach().double().requires_grad_()
    iwl.build("multi", COUNTS, iwl.Params(gamma=gamma))(logits, target).backward()
    with torch.no_grad():
        u = F.binary_cross_entropy_with_logits(logits, target.double(), reduction="none")
        by_u = (1 + u) ** (gamma - 1) * (1 + (1 + gamma) * u)
        expected = by_u * (logits.sigmoid() - target) / target.numel()
    torch.testing.assert_close(logits.grad, expected)


@pytest.mark.parametrize(("task", "double"), [("single", False), ("single", True), ("multi", False)])
@pytest.mark.parametrize("weight", [None, torch.linspace(0.1, 2, ROWS)])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_iwl_without_gamma_is_cross_entropy(task, double, weight, scale):
    """Give the same bits, and the same gradient to the bit, at γ = 0."""
    results = []
    for module, p in ((iwl, iwl.Params(0.0, double_softmax=double)), (ce, ce.Params(double_softmax=double))):
        logits, target = problem(task, scale)
        loss = module.build(task, COUNTS, p)(logits, target, weight)
        loss.backward()
        results.append((loss, logits.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize(("classes", "value"), [(9, 3.1139), (11, 3.4609), (31, 5.3683)])
def test_iwl_of_a_uniform_prediction(classes, value):
    """Start where an untrained network stands."""
    loss = iwl.build("single", [1] * classes, iwl.Params())
    assert loss(torch.zeros(2, classes), torch.tensor([0, 1])).item() == pytest.approx(value, abs=5.1e-5)


@pytest.mark.parametrize(
    ("classes", "floor", "iwl_floor"), [(9, 1.3720, 1.7777), (11, 1.5430, 2.0417), (31, 2.4879, 3.6192)]
)
def test_a_second_softmax_leaves_a_floor(classes, floor, iwl_floor):
    """Stay at the published floor for a perfect prediction."""
    perfect = 1000 * F.one_hot(torch.arange(classes)).float()
    for gamma, value in ((0.0, floor), (0.3, iwl_floor)):
        loss = iwl.build("single", [1] * classes, iwl.Params(gamma, double_softmax=True))
        assert loss(perfect, torch.arange(classes)).item() == pytest.approx(value, abs=5.1e-5)
    loss = ce.build("single", [1] * classes, ce.Params(double_softmax=True))
    assert loss(perfect, torch.arange(classes)).item() == pytest.approx(floor, abs=5.1e-5)


def test_a_second_softmax_by_hand():
    """Feed 3/4 and 1/4 again, row by row: two equal rows lose ln(1 + e^−½) each."""
    logits, target = torch.tensor([[LN3, 0.0], [LN3, 0.0]]), torch.tensor([0, 0])
    loss = ce.build("single", COUNTS, ce.Params(double_softmax=True))
    assert loss(logits, target).item() == pytest.approx(math.log1p(math.exp(-0.5)), abs=1e-6)


def test_iwl_of_several_labels_by_hand():
    """Average u(1 + u) over the cells, for u = −ln 0.75 and u = −ln 0.25."""
    loss = iwl.build("multi", COUNTS, iwl.Params(gamma=1.0))
    value = loss(torch.tensor([[LN3, LN3]]), torch.tensor([[1, 0]])).item()
    assert value == pytest.approx((0.287682 * 1.287682 + 1.386294 * 2.386294) / 2, abs=2e-6)


def test_iwl_averages_weighted_rows_after_the_power():
    """Weigh the rows' finished losses: (3 · 1.173600 + 1 · 7.604483) / 4 at γ = 1."""
    logits = torch.tensor([[0.0, 0.0], [math.log(1 / 9), 0.0]])  # p = 0.5 and 0.1
    loss = iwl.build("single", COUNTS, iwl.Params(gamma=1.0))
    value = loss(logits, torch.tensor([0, 0]), torch.tensor([3.0, 1.0])).item()
    assert value == pytest.approx((3 * 1.173600 + 7.604483) / 4, abs=2e-6)


@pytest.mark.parametrize("name", ["ce", "iwl"])
def test_a_second_softmax_needs_a_first(name):
    """Refuse the replication switch on a multi-label task, in one line that names it."""
    module = catalog.load("losses", name)
    with pytest.raises(SettingsError, match=rf"^losses\.{name}\.double_softmax needs a single-label task"):
        module.build("multi", COUNTS, module.Params(double_softmax=True))


FOCAL = {0.9: 0.001054, 0.5: 0.173287, 0.1: 1.865094, 0.01: 4.513527}  # spec 7; γ = 2


@pytest.mark.parametrize("p", FOCAL)
def test_focal_gives_the_published_numbers(p):
    """Match the vectors of the usual focal loss, and their fifth where the published code divides by five classes."""
    logits = torch.log(torch.tensor([[p, *[(1 - p) / 4] * 4]], dtype=torch.float64))
    for divide, share in ((False, 1), (True, 5)):
        loss = focal.build("single", COUNTS, focal.Params(divide_by_classes=divide))
        assert loss(logits, torch.tensor([0])).item() == pytest.approx(FOCAL[p] / share, abs=1e-6)


@pytest.mark.parametrize("module", [focal, cb_focal])
def test_focal_without_gamma_fades_nothing(module):
    """Be cross-entropy at γ = 0 where classes weigh alike."""
    logits, target = problem("single")
    p = module.Params(gamma=0.0) if module is focal else module.Params(gamma=0.0, beta=0.0)
    torch.testing.assert_close(module.build("single", COUNTS, p)(logits, target), F.cross_entropy(logits, target))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize(("module", "task"), [(focal, "single"), (focal, "multi"), (cb_focal, "single")])
def test_focal_keeps_a_finite_gradient_where_a_row_is_certain(module, task, gamma):
    """Send nothing back from a row that is certainly right, and no infinity from one that is certainly wrong."""
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    target = torch.tensor([0, 0]) if task == "single" else torch.tensor([[1, 0], [1, 0]])
    module.build(task, (1, 1), module.Params(gamma=gamma))(logits, target).backward()
    expected = 1 / 2 if task == "single" else 1 / 4  # the gradient of cross-entropy: rows, or cells, share the mean
    torch.testing.assert_close(logits.grad, torch.tensor([[0, 0], [-expected, expected]]))


def test_sigmoid_focal_by_hand():
    """Fade each cell by itself: p = 3/4 at a logit of ln 3, so (1/4)² ln(4/3) and (3/4)² ln 4."""
    loss = focal.build("multi", (1, 1), focal.Params())
    found = loss(torch.tensor([[LN3, LN3]]), torch.tensor([[1, 0]])).item()
    assert found == pytest.approx((math.log(4 / 3) / 16 + 9 * math.log(4) / 16) / 2, rel=1e-6)
    with pytest.raises(SettingsError, match="divide_by_classes needs a single-label task"):
        focal.build("multi", (1, 1), focal.Params(divide_by_classes=True))


def test_train_weights_by_hand():
    """Weigh by plain frequency at β = 1, alike at β = 0, by (1 − β)/(1 − β^n) between, and 1 on average."""
    counts = torch.tensor([1, 3], dtype=torch.float64)
    assert train_weights(counts, 1.0).tolist() == pytest.approx([1.5, 0.5])
    assert train_weights(counts, 0.0).tolist() == pytest.approx([1, 1])
    assert train_weights(counts, 0.5).tolist() == pytest.approx([2 * 7 / 11, 2 * 4 / 11])  # 1 and 4/7 over their mean
    assert train_weights(torch.tensor([0.0, 5, 5]), 0.9).tolist() == pytest.approx([0, 1, 1])


@pytest.mark.parametrize("module", [class_balanced, cb_focal])
def test_train_weights_are_exact_near_plain_frequency(module):
    """Weigh one row against two by 1 + β, where 1 − β^n is next to nothing and single precision would be off by a thousandth."""
    one, two = module.build("single", (1, 2), module.Params(beta=0.9999)).by_class.tolist()
    assert one / two == pytest.approx(1.9999, rel=1e-9)


def test_batch_weights_are_the_published_ones():
    """Count in the batch with β = (B − 1)/B and 1e-6 below the line: four rows, three of class 0 and one of class 1."""
    found = batch_weights(torch.tensor([0, 0, 0, 1]), 3).tolist()
    assert found[:2] == pytest.approx([0.25 / (1 - 0.75**3 + 1e-6), 0.25 / (1 - 0.75 + 1e-6)])
    assert math.isfinite(found[2])


@pytest.mark.parametrize(("module", "fade"), [(class_balanced, 1), (cb_focal, 1 / 4)])
def test_the_published_balance_by_hand(module, fade):
    """Weigh three rows by 16/37 and one by 1 where β = 3/4, whatever the train rows are; (1 − p)² is 1/4."""
    loss = module.build("single", (7, 9), module.Params(beta=0.5, counts="batch"))
    found = loss(torch.zeros(4, 2), torch.tensor([0, 0, 1, 0])).item()
    assert found == pytest.approx((3 * 16 / 37 + 1) / 4 * math.log(2) * fade, rel=1e-5)  # the 1e-6 below the line


def test_focal_has_the_gradient_of_its_formula():
    """Pull the true logit by (1 − p)^γ (γ p u / (1 − p) + 1) (1 − p), the chain rule through p = e^−u."""
    for p in FOCAL:
        logits = torch.tensor([[math.log(p / (1 - p)), 0]], dtype=torch.float64, requires_grad=True)
        focal.build("single", COUNTS, focal.Params())(logits, torch.tensor([0])).backward()
        expected = (1 - p) ** 2 * (2 * p * -math.log(p) / (1 - p) + 1) * (1 - p)
        assert logits.grad[0].tolist() == pytest.approx([-expected, expected], rel=1e-9)


def test_the_published_mistake_by_hand():
    """Sum (3/4)² ln 4 and (1/4)² ln(4/3) over the classes, times the class number, whichever class is true."""
    loss = cb_focal.build("single", (1, 1), cb_focal.Params(beta=0.0, by_class_number=True))
    logits = torch.tensor([[LN3, 0.0]], dtype=torch.float64)  # p = 3/4 and 1/4
    row = math.log(4 / 3) / 16 + 9 * math.log(4) / 16
    assert loss(logits, torch.tensor([0])).item() == 0
    assert loss(logits, torch.tensor([1])).item() == pytest.approx(row)
    assert loss(logits.flip(1), torch.tensor([1])).item() == pytest.approx(row)  # which class is true plays no part
    both = loss(logits.expand(2, 2), torch.tensor([0, 1]), torch.tensor([1.0, 3.0]))
    assert both.item() == pytest.approx(3 * row / 4)


def test_the_published_mistake_keeps_the_weights_of_classes():
    """Multiply by w_y as ever: in the batch, three rows of class 1 weigh 16/37 and one of class 2 weighs 1."""
    p = cb_focal.Params(gamma=0.0, counts="batch", by_class_number=True)
    found = cb_focal.build("single", (1, 1, 1), p)(torch.zeros(4, 3), torch.tensor([1, 1, 2, 1])).item()
    assert found == pytest.approx((3 * 16 / 37 * 1 + 1 * 2) / 4 * 3 * math.log(3), rel=1e-5)


@pytest.mark.parametrize("weight", [None, torch.linspace(0.1, 2, ROWS)])
def test_class_balanced_without_beta_is_cross_entropy(weight):
    """Weigh all classes alike at β = 0, under weights of rows too."""
    logits, target = problem("single")
    loss = class_balanced.build("single", COUNTS, class_balanced.Params(beta=0.0))
    torch.testing.assert_close(loss(logits, target, weight), default("ce", "single")(logits, target, weight))


@pytest.mark.parametrize("counts", ["train", "batch"])
def test_class_balanced_weighs_rows_and_divides_by_their_number(counts):
    """Average w_y (−ln p_y) over rows, the focal one with (1 − p)² in it."""
    logits, target = problem("single")
    u = F.cross_entropy(logits, target, reduction="none")
    weights = batch_weights(target, 4) if counts == "batch" else train_weights(torch.tensor(COUNTS), 0.99)
    expected = u * weights[target]
    plain = class_balanced.build("single", COUNTS, class_balanced.Params(beta=0.99, counts=counts))
    torch.testing.assert_close(plain(logits, target), expected.mean().float())
    faded = cb_focal.build("single", COUNTS, cb_focal.Params(beta=0.99, counts=counts))
    torch.testing.assert_close(faded(logits, target), (expected * (1 - torch.exp(-u)) ** 2).mean().float())


def test_ldam_widens_the_margin_of_rare_classes():
    """Give 16 times fewer rows twice the margin, and the rarest class the widest."""
    assert ldam.margins(torch.tensor([16, 1]), 0.05).tolist() == pytest.approx([0.025, 0.05])
    logits, target = torch.zeros(2, 2), torch.tensor([0, 1])
    found = ldam.build("single", (16, 1), ldam.Params())(logits, target).item()
    assert found == pytest.approx((math.log(1 + math.exp(0.5)) + math.log(1 + math.exp(1))) / 2, rel=1e-6)


def test_the_published_ldam_by_hand():
    """Leave the widest margin to an absent class, whose 1e-4 rows make it 10 times that of a class with one row."""
    target = torch.tensor([0] * 16 + [1])
    found = ldam.build("single", (1, 1, 1), ldam.Params(counts="batch"))(torch.zeros(17, 3), target).item()
    common, rare = (math.log(1 + 2 * math.exp(20 * margin)) for margin in (0.0025, 0.005))
    assert found == pytest.approx((16 * common + rare) / 17, rel=1e-6)


def test_margins_by_hand():
    """Give a class of 16 rows half the margin of a class of one, and a class without rows no part in it."""
    assert ldam.margins(torch.tensor([16, 1, 0]), 0.5).tolist() == [0.25, 0.5, 0]
    assert ldam.margins(torch.tensor([16, 0]), 0.5).tolist() == [0.5, 0]


def test_ldam_counts_in_the_batch_where_that_is_wanted():
    """Follow the batch's own counts, whatever those of the train rows are."""
    logits, target = problem("single")
    found = [
        ldam.build("single", c, ldam.Params(counts="batch"))(logits, target).item() for c in (COUNTS, sorted(COUNTS))
    ]
    assert found[0] == found[1]
    assert found[0] != ldam.build("single", COUNTS, ldam.Params())(logits, target).item()


def test_ldam_without_margin_is_cross_entropy():
    """Scale logits alone where the margin is nothing."""
    logits, target = problem("single")
    loss = ldam.build("single", COUNTS, ldam.Params(max_margin=0.0, scale=1.0))
    torch.testing.assert_close(loss(logits, target), F.cross_entropy(logits, target))


@pytest.mark.parametrize("module", [class_balanced, cb_focal, ldam])
@pytest.mark.parametrize("counts", ["train", "batch"])
def test_a_class_without_rows_spoils_nothing(module, counts):
    """Stay finite, and the gradient too, where made-up recordings or a batch lack a class."""
    logits, target = problem("single")
    loss = module.build("single", (9, 3, 0, 1), module.Params(counts=counts))(logits, target.clamp(max=1))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
