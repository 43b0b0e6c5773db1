"""One training: it learns, repeats to the bit, follows its schedule, stops in time, and survives being killed."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from torch.optim import lr_scheduler

import toys
from pqrst import loaders, processes, training
from pqrst.errors import DataError, SettingsError
from pqrst.inference import Crop
from pqrst.losses import ce
from pqrst.models import coupled_cnn
from pqrst.standardisation import Standardisation
from pqrst.training import Data, Lesson

pytestmark = pytest.mark.usefixtures("one_thread")

TIMES = ("seconds", "samples_per_second")
CLASSES, SAMPLES, EPOCHS = 3, 16, 6
PLAIN = replace(toys.TRAIN, epochs=4, batch_size=8, standardise="none")
LOSS = ce.build("single", (), ce.Params())
SCHEDULES = {
    "one_cycle": lambda optimizer, steps: lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=steps),
    "cosine": lambda optimizer, steps: lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps),
    "step": lambda optimizer, _: lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1),
    "none": lambda optimizer, _: lr_scheduler.ConstantLR(optimizer, factor=1.0),
}
MIXES = [("adam", "one_cycle"), ("adamw", "plateau")]


class Still(nn.Module):
    """A network whose weight leads nowhere: its validation loss never falls."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return torch.zeros(len(x), CLASSES) + 0 * self.weight


class Witness(nn.Module):
    """A loss that remembers what it was given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, logits, target, weight=None):
        if logits.requires_grad:
            self.seen.append((target, weight))
        return LOSS(logits, target, weight)


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(SAMPLES, CLASSES))


def coupled():
    """Build a small network with dropout and batch norm."""
    p = coupled_cnn.Params(widths=(4, 6), dense_widths=(8,))
    return coupled_cnn.build((1, SAMPLES), CLASSES, p)


def rows(n, seed):
    """Make up separable rows: class c stands high at sample c."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % CLASSES
    x = 0.3 * torch.randn(n, 1, SAMPLES, generator=generator)
    x[torch.arange(n), 0, y] += 2
    return x, y


def data(**changed):
    """Make 42 train rows (five batches of eight and one of two) and 12 validation rows."""
    (train_x, train_y), (validation_x, validation_y) = rows(42, 1), rows(12, 2)
    return replace(Data((train_x,), train_y, (validation_x,), validation_y, CLASSES), **changed)


def fit(folder, seed=5, build=linear, *, given=None, loss=LOSS, seen=None, **changed):
    """Train a small network on small data."""
    lesson = Lesson(build, loss, replace(PLAIN, **changed))
    heard = (lambda _: None) if seen is None else seen.append
    return training.fit(lesson, data() if given is None else given, seed, folder / "kept.safetensors", heard)


def timeless(history):
    return [{key: value for key, value in row.items() if key not in TIMES} for row in history]


def same(first, second):
    """Say whether two trainings gave the same weights and history, bit for bit."""
    weights = all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)
    return weights and timeless(first.history) == timeless(second.history) and first.best_epoch == second.best_epoch


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_the_loss_falls_and_the_classes_are_told_apart(tmp_path, optimizer):
    """Learn separable classes within ten epochs, with either optimizer."""
    history = fit(tmp_path, epochs=10, lr=0.05, optimizer=optimizer).history
    assert history[-1]["train_loss"] < 0.3 * history[0]["train_loss"]
    assert history[-1]["validation_loss"] < 0.3 * history[0]["validation_loss"]
    assert history[-1]["validation_accuracy"] == history[-1]["validation_f1_macro"] == 1.0


def test_weight_decay_is_what_tells_the_optimizers_apart(tmp_path):
    """Train Adam and AdamW to the same weights without weight decay, and to others with it."""
    for decay, alike in ((0.0, True), (0.1, False)):
        first, second = (
            fit(tmp_path / f"{kind}{decay}", optimizer=kind, weight_decay=decay).weights for kind in ("adam", "adamw")
        )
        assert all(torch.allclose(first[name], second[name], atol=1e-7) for name in first) is alike


def test_one_step_of_adam_moves_each_weight_by_the_learning_rate(tmp_path):
    """Move by lr · sign(gradient) in Adam's first step, as its formula says."""
    torch.manual_seed(5)
    before = linear()[1].weight.detach().clone()
    moved = fit(tmp_path, epochs=1, batch_size=42, optimizer="adam").weights["1.weight"] - before
    assert moved.abs() == pytest.approx(torch.full_like(moved, 0.01), rel=1e-3)


@pytest.mark.parametrize("build", [linear, coupled])
def test_the_seed_decides_weights_and_history(tmp_path, build):
    """Repeat a training to the bit from the same seed, and give another from another."""
    first, again, other = (fit(tmp_path / f"{n}", seed, build) for n, seed in enumerate((5, 5, 6)))
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize("scheduler", SCHEDULES)
def test_the_learning_rate_follows_torchs_own_schedule(tmp_path, scheduler):
    """Give the rate at the start of every epoch that torch's scheduler gives when stepped by hand."""
    by_step = scheduler in ("one_cycle", "cosine")
    optimizer = torch.optim.AdamW([nn.Parameter(torch.ones(1))], lr=0.01)
    schedule, expected = SCHEDULES[scheduler](optimizer, 6 * 5), []
    for _ in range(5):
        expected.append(optimizer.param_groups[0]["lr"])
        for step in range(6):
            optimizer.step()
            if by_step or step == 5:
                schedule.step()
    history = fit(tmp_path, epochs=5, scheduler=scheduler).history
    assert [row["lr"] for row in history] == pytest.approx(expected, rel=1e-12)


def test_the_rate_stays_at_its_lowest_after_a_cycle(tmp_path):
    """Rise and fall over two of five epochs, a quarter of them rising; then stay at 0.01 / 25 / 10,000."""
    optimizer = torch.optim.AdamW([nn.Parameter(torch.ones(1))], lr=0.01)
    schedule = lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=12, pct_start=0.25)
    expected = [optimizer.param_groups[0]["lr"]]
    for _ in range(6):
        optimizer.step()
        schedule.step()
    expected += [optimizer.param_groups[0]["lr"], 4e-8, 4e-8, 4e-8]
    history = fit(tmp_path, epochs=5, scheduler="one_cycle", cycle_epochs=2, cycle_warmup=0.25).history
    assert [row["lr"] for row in history] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("norm", "value", "expected"),
    [
        (0.0, 0.0, [3.0, -4.0]),
        (1.0, 0.0, [0.6, -0.8]),
        (0.0, 3.5, [3.0, -3.5]),
        (9.0, 9.0, [3.0, -4.0]),
        (2.5, 3.0, [1.7677669, -1.7677669]),
    ],
)
def test_gradients_are_clipped_by_hand(norm, value, expected):
    """Bring 3, -4 of length 5 to length 1, to 3.5 at most, to neither, and by value before length."""
    model = nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[3.0, -4.0]])
    training._clip(SimpleNamespace(model=model, settings=replace(PLAIN, clip_norm=norm, clip_value=value)))
    assert model.weight.grad[0].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("clip", ["clip_norm", "clip_value"])
def test_clipped_gradients_are_what_the_optimizer_sees(tmp_path, clip):
    """Hardly move in Adam's first step where gradients are clipped far below its 1e-8."""
    torch.manual_seed(5)
    before = linear()[1].weight.detach().clone()
    clipped = fit(tmp_path, epochs=1, batch_size=42, optimizer="adam", **{clip: 1e-12}).weights["1.weight"]
    assert 0 < (clipped - before).abs().max() < 2e-6


def test_a_lone_last_row_makes_no_step_of_the_schedule(tmp_path):
    """Reach the end of a cosine after the steps that are really made: 41 rows are five batches of eight."""
    given = data(train_x=(data().train_x[0][:41],), train_y=data().train_y[:41])
    history = fit(tmp_path, given=given, epochs=2, scheduler="cosine").history
    assert [row["lr"] for row in history] == pytest.approx([0.01, 0.005], rel=1e-12)


def test_plateau_reduces_after_its_patience(tmp_path):
    """Hold the rate for the best epoch and three without a lower loss (patience 2), then divide by ten, and again."""
    history = fit(tmp_path, build=Still, epochs=8, scheduler="plateau").history
    assert [row["lr"] for row in history] == pytest.approx([0.01] * 4 + [0.001] * 3 + [0.0001])


def test_plateau_stops_at_the_lowest_rate(tmp_path):
    """Go no lower than min_lr."""
    history = fit(tmp_path, build=Still, epochs=8, scheduler="plateau", min_lr=0.005).history
    assert [row["lr"] for row in history] == pytest.approx([0.01] * 4 + [0.005] * 4)


def test_training_stops_after_the_patience(tmp_path):
    """Stop after the best epoch and three without a lower validation loss; 0 never stops."""
    assert len(fit(tmp_path / "3", build=Still, epochs=9, stop_patience=3).history) == 4
    assert len(fit(tmp_path / "0", build=Still, epochs=9, stop_patience=0).history) == 9


def test_the_best_weights_are_returned_and_not_the_last(tmp_path):
    """Return the weights of epoch one where validation contradicts train and every later epoch is worse."""
    given = data(validation_y=(data().validation_y + 1) % CLASSES)
    long, short = (fit(tmp_path / f"{n}", given=given, epochs=n) for n in (5, 1))
    losses = [row["validation_loss"] for row in long.history]
    assert losses == sorted(losses)
    assert long.best_epoch == 1
    assert same(replace(long, history=long.history[:1]), short)


def told(monkeypatch, losses, aurocs):
    """Let validation find these losses and areas, one an epoch."""
    rows = iter([{"validation_loss": a, "validation_auroc_macro": b} for a, b in zip(losses, aurocs, strict=True)])
    monkeypatch.setattr(training, "_validate", lambda *_: next(rows))


NAN = float("nan")


@pytest.mark.parametrize(("select", "chosen"), [("loss", 3), ("auroc_macro", 2), ("last", 4)])
def test_the_epoch_that_is_kept_is_the_one_that_is_asked_for(tmp_path, monkeypatch, select, chosen):
    """Keep the weights of the lowest loss, of the highest area, or of the last epoch."""
    told(monkeypatch, [3.0, 2.0, 1.0, 2.0], [0.5, 0.9, 0.7, NAN])
    result = fit(tmp_path / "long", select=select)
    assert result.best_epoch == chosen
    told(monkeypatch, [1.0] * chosen, [0.5] * chosen)
    short = fit(tmp_path / "short", select="last", epochs=chosen)
    assert all(torch.equal(short.weights[name], result.weights[name]) for name in short.weights)


def test_a_score_that_validation_never_defines_keeps_the_first_epoch(tmp_path, monkeypatch):
    """Hold any epoch with an area above those without."""
    told(monkeypatch, [1.0] * 3, [NAN] * 3)
    assert fit(tmp_path / "never", epochs=3, select="auroc_macro").best_epoch == 1
    told(monkeypatch, [1.0] * 3, [NAN, 0.1, NAN])
    assert fit(tmp_path / "once", epochs=3, select="auroc_macro").best_epoch == 2


@pytest.mark.parametrize(("select", "epochs"), [("auroc_macro", 4), ("loss", 6), ("last", 6)])
def test_patience_counts_by_what_is_chosen_by(tmp_path, monkeypatch, select, epochs):
    """Stop after two epochs whose area is no higher, though the loss falls, and never where the last epoch is kept."""
    told(monkeypatch, [6.0, 5.0, 4.0, 3.0, 2.0, 1.0], [0.5, 0.6, 0.6, 0.1, 0.9, 0.9])
    assert len(fit(tmp_path, epochs=6, select=select, stop_patience=2).history) == epochs


@pytest.mark.parametrize("select", ["auroc_macro", "average_precision_macro"])
def test_history_tells_the_score_that_is_chosen_by(tmp_path, select):
    """Learn to tell the classes apart, and keep the epoch of the highest score, the first of equals."""
    one = data()
    given = replace(
        one, train_y=nn.functional.one_hot(one.train_y), validation_y=nn.functional.one_hot(one.validation_y)
    )
    result = fit(tmp_path, given=given, loss=ce.build("multi", (), ce.Params()), epochs=8, lr=0.002, select=select)
    found = [row[f"validation_{select}"] for row in result.history]
    assert found[-1] > found[0]
    assert result.best_epoch == 1 + int(np.argmax(found))


class Seen(nn.Module):
    """A network over crops that remembers their shapes."""

    def __init__(self, shapes):
        super().__init__()
        self.last, self.shapes = nn.Linear(CROP, CLASSES), shapes

    def forward(self, x):
        self.shapes.append((self.training, tuple(x.shape)))
        return self.last(x.flatten(1))


CROP = 6
CROPPED = {"crop": CROP, "crop_step": 5, "crop_pool": "mean"}


def test_a_step_sees_random_crops_and_validation_all_of_them(tmp_path):
    """Train on six samples of each row, and choose by the crops at 0, 5 and 10 of sixteen samples."""
    shapes = []
    fit(tmp_path, build=lambda: Seen(shapes), epochs=1, **CROPPED)
    assert [shape for training_, shape in shapes if training_] == [(8, 1, CROP)] * 5 + [(2, 1, CROP)]
    assert [shape for training_, shape in shapes if not training_] == [(12, 1, CROP)] * 3
    assert training.crop_of(replace(PLAIN, **CROPPED)) == Crop(6, 5, "mean")


def stopped_after(monkeypatch, epochs):
    """Stop a training before the epoch after so many."""
    real = training._epoch

    def epoch(*given):
        if given[3] == epochs:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(training, "_epoch", epoch)


def from_disk(folder):
    """Leave the rows of `data` on disk."""
    one, found = data(), {}
    for name in ("train_x", "validation_x"):
        np.save(folder / f"{name}.npy", getattr(one, name)[0].numpy())
        mapped = np.load(folder / f"{name}.npy", mmap_mode="r")
        plain = Standardisation("none")
        found[name] = (loaders.Streamed(mapped, np.arange(len(mapped)), plain, torch.device("cpu")),)
    return replace(one, **found)


GOING_ON = {
    "epochs": 5,
    "scheduler": "one_cycle",
    "cycle_epochs": 3,
    "clip_value": 0.1,
    "select": "auroc_macro",
    **CROPPED,
}


def test_a_stopped_training_with_crops_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    """Draw the crops of the epochs that are left as an undisturbed training does, also of rows on disk."""
    whole = fit(tmp_path / "whole", build=lambda: Seen([]), **GOING_ON)
    for name, given in (("here", data()), ("there", from_disk(tmp_path))):
        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            stopped_after(patch, 2)
            fit(tmp_path / name, build=lambda: Seen([]), given=given, **GOING_ON)
        assert same(fit(tmp_path / name, build=lambda: Seen([]), given=given, **GOING_ON), whole)


def test_a_training_whose_score_was_undefined_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    """Read back from a checkpoint that nothing was found yet."""
    areas = [NAN, NAN, 0.4, 0.3]
    told(monkeypatch, [1.0] * 4, areas)
    whole = fit(tmp_path / "whole", select="auroc_macro")
    told(monkeypatch, [1.0] * 4, areas)
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        stopped_after(patch, 2)
        fit(tmp_path / "stopped", select="auroc_macro")
    going_on = fit(tmp_path / "stopped", select="auroc_macro")
    assert going_on.best_epoch == whole.best_epoch == 3
    assert all(torch.equal(going_on.weights[name], whole.weights[name]) for name in whole.weights)


def test_class_weights_reach_the_loss(tmp_path):
    """Give the loss each row's class weight, and nothing where there are none."""
    weights, witness, plain = torch.tensor([1.0, 2.0, 5.0]), Witness(), Witness()
    fit(tmp_path / "weighted", given=data(class_weights=weights), loss=witness, epochs=1)
    fit(tmp_path / "plain", loss=plain, epochs=1)
    assert len(witness.seen) == 6
    assert all(torch.equal(weight, weights[target]) for target, weight in witness.seen)
    assert [weight for _, weight in plain.seen] == [None] * 6


def test_the_sampler_decides_which_rows_are_seen(tmp_path):
    """Visit as many rows as there are, none of a class whose rows weigh nothing."""
    witness, y = Witness(), data().train_y
    fit(tmp_path, given=data(row_weights=(y != 0).double()), loss=witness, epochs=1)
    seen = torch.cat([target for target, _ in witness.seen])
    assert len(seen) == 42
    assert set(seen.tolist()) == {1, 2}


def test_without_a_sampler_an_epoch_sees_every_row_once(tmp_path):
    """Visit each of the 42 rows once, in another order each epoch."""
    witness = Witness()
    fit(tmp_path, loss=witness, epochs=2)
    seen = torch.cat([target for target, _ in witness.seen])
    assert torch.bincount(seen[:42]).tolist() == torch.bincount(seen[42:]).tolist() == [14, 14, 14]
    assert not torch.equal(seen[:42], seen[42:])


def test_several_labels_a_row_are_learnt(tmp_path):
    """Train on 0/1 labels by class with the binary form of the loss."""
    one = data()
    given = replace(
        one, train_y=nn.functional.one_hot(one.train_y), validation_y=nn.functional.one_hot(one.validation_y)
    )
    history = fit(tmp_path, given=given, loss=ce.build("multi", (), ce.Params()), epochs=15, lr=0.05).history
    assert history[-1]["validation_loss"] < 0.5 * history[0]["validation_loss"]
    assert history[-1]["validation_f1_macro"] == 1.0


def test_a_row_of_history_tells_what_happened(tmp_path):
    """Number epochs from one, and give rate, losses, scores and times."""
    history = fit(tmp_path, epochs=2).history
    assert [row["epoch"] for row in history] == [1.0, 2.0]
    scores = {"validation_loss", "validation_accuracy", "validation_f1_macro"}
    assert set(history[0]) == {"epoch", "lr", "train_loss", *scores, *TIMES}


def test_every_epoch_leaves_a_checkpoint(tmp_path):
    """Keep a whole checkpoint, and nothing else, before each epoch is told of."""
    found, file = [], tmp_path / "kept.safetensors"
    lesson = Lesson(linear, LOSS, PLAIN)
    training.fit(
        lesson, data(), 5, file, lambda row: found.append((row["epoch"], *training._read(file)[1]["state"].values()))
    )
    assert [(epoch, kept) for epoch, kept, *_ in found] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert sorted(tmp_path.iterdir()) == [file.with_suffix(".lock"), file]


def test_two_trainings_of_one_checkpoint_take_turns(tmp_path):
    """Say that another process trains it, wait for its end, and take what it learned."""
    file, epochs = tmp_path / "kept.safetensors", []
    lesson = Lesson(linear, LOSS, PLAIN)
    with processes.alone(file.with_suffix(".lock"), "free"):
        other = threading.Thread(target=training.fit, args=(lesson, data(), 5, file, epochs.append))
        other.start()
        time.sleep(0.2)
        assert epochs == []
    other.join()
    assert len(epochs) == PLAIN.epochs


@pytest.mark.parametrize("fault", [SafetensorError("no room"), OSError(errno.ENOSPC, "no room")])
def test_a_checkpoint_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch, fault):
    """Say which one in one line, and keep no half of it."""

    def half(_tensors, place, _words):
        place.write_bytes(b"half")
        raise fault

    monkeypatch.setattr(training, "save_file", half)
    with pytest.raises((DataError, OSError), match="no room"):
        training.fit(Lesson(linear, LOSS, PLAIN), data(), 5, tmp_path / "kept.safetensors", lambda _: None)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def counted(monkeypatch):
    """Count the epochs that are really trained."""
    real, epochs = training._epoch, []

    def epoch(*given):
        epochs.append(given[3])
        return real(*given)

    monkeypatch.setattr(training, "_epoch", epoch)
    return epochs


def test_a_finished_training_is_not_done_again(tmp_path, monkeypatch):
    """Give the same weights and history from the checkpoint without an epoch of work."""
    first = fit(tmp_path)
    epochs = counted(monkeypatch)
    assert same(fit(tmp_path), first)
    assert epochs == []


def test_a_training_that_stopped_early_is_not_taken_up_again(tmp_path, monkeypatch):
    """Remember that validation had stopped improving."""
    fit(tmp_path, build=Still, epochs=9, stop_patience=3)
    epochs = counted(monkeypatch)
    assert len(fit(tmp_path, build=Still, epochs=9, stop_patience=3).history) == 4
    assert epochs == []


def test_every_epoch_is_told_of_once_and_in_order_also_after_a_stop(tmp_path, monkeypatch):
    """Tell of kept epochs again, so that a log started anew is whole, and train only those that are left."""
    real, seen = training._epoch, []

    def stopped(*given):
        if given[3] == 2:
            raise KeyboardInterrupt
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(training, "_epoch", stopped)
        with suppress(KeyboardInterrupt):
            fit(tmp_path)
    epochs = counted(monkeypatch)
    result = fit(tmp_path, seen=seen)
    assert epochs == [2, 3]
    assert [row["epoch"] for row in seen] == [1, 2, 3, 4]
    assert seen == result.history


@pytest.mark.parametrize("fault", ["half", "garbage", "empty", "no words"])
def test_a_broken_checkpoint_is_told_of_and_training_starts_anew(tmp_path, monkeypatch, fault):
    """Log one line that names the file, and give what an undisturbed training gives."""
    said, whole, file = [], fit(tmp_path / "whole"), tmp_path / "kept.safetensors"
    good = (tmp_path / "whole" / file.name).read_bytes()
    nameless = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"  # a safetensors file with nothing in it
    file.write_bytes(
        {"half": good[: len(good) // 2], "garbage": b"\xff" * 99, "empty": b"", "no words": nameless}[fault]
    )
    monkeypatch.setattr(training.log, "warning", lambda message, *given: said.append(message % given))
    assert same(fit(tmp_path), whole)
    assert len(said) == 1
    assert str(file) in said[0]
    assert "\n" not in said[0]


class Beside(nn.Module):
    """A network that looks only at the numbers beside the rows."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(2, CLASSES)

    def forward(self, x, side):
        assert len(x) == len(side)
        return self.last(side)


def test_numbers_beside_the_rows_reach_the_network(tmp_path):
    """Hand each batch's own numbers to a network that takes them, in training and in validation."""
    made = data()
    sides = [torch.stack([y == 0, y == 1], dim=1).float() for y in (made.train_y, made.validation_y)]
    given = replace(made, train_x=(*made.train_x, sides[0]), validation_x=(*made.validation_x, sides[1]))
    history = fit(tmp_path, build=Beside, given=given, epochs=40, lr=0.1).history
    assert history[-1]["validation_accuracy"] == 1


def test_a_loss_that_is_no_number_ends_the_training_in_one_line(tmp_path):
    """Name the epoch and the next step, and keep no checkpoint of it."""
    given = data(validation_x=(torch.full((12, 1, SAMPLES), float("nan")),))
    with pytest.raises(SettingsError, match=r"^epoch 1: the validation loss is nan; lower train\.lr$"):
        fit(tmp_path, given=given)
    assert not list(tmp_path.glob("*.safetensors*"))


@pytest.mark.parametrize(("optimizer", "scheduler"), MIXES)
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path, optimizer, scheduler):
    """Kill a training after its third epoch, start it again, and get what an undisturbed one gives."""
    chosen = {"optimizer": optimizer, "scheduler": scheduler, "epochs": EPOCHS, "weight_decay": 0.01}
    kill_after_three(tmp_path / "killed", optimizer, scheduler)
    kept = training._read(tmp_path / "killed" / "kept.safetensors")[1]["state"]
    assert 3 <= kept["epoch"] < EPOCHS
    going_on = fit(tmp_path / "killed", build=coupled, **chosen)
    assert same(going_on, fit(tmp_path / "whole", build=coupled, **chosen))
    assert len(going_on.history) == EPOCHS


def kill_after_three(folder, optimizer, scheduler):
    """Train in a process of its own, and kill it as soon as it tells of its third epoch."""
    command = [sys.executable, __file__, str(folder), optimizer, scheduler]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if line == "3.0\n":
                os.kill(child.pid, signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL


def child(folder, optimizer, scheduler):
    """Train slowly, and print each epoch."""
    torch.set_num_threads(1)
    chosen = {"optimizer": optimizer, "scheduler": scheduler, "epochs": EPOCHS, "weight_decay": 0.01}

    def slow():
        made = coupled()
        made.register_forward_hook(lambda *_: time.sleep(0.03))
        return made

    lesson = Lesson(slow, LOSS, replace(PLAIN, **chosen))
    file = Path(folder) / "kept.safetensors"
    training.fit(lesson, data(), 5, file, lambda row: print(row["epoch"], flush=True))  # noqa: T201 (the parent reads it)


if __name__ == "__main__":
    child(*sys.argv[1:])


@pytest.mark.parametrize("damage", ["network", "best", "moments", "state", "header"])
def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path, damage):
    """Train anew from the seed to the same bits, whichever part of the file cannot be taken."""
    whole = fit(tmp_path / "whole", epochs=2)
    fit(tmp_path / "kept", epochs=1)
    file = tmp_path / "kept" / "kept.safetensors"
    tensors, words = training._read(file)
    if damage == "network":
        tensors.pop("model/1.weight")
    elif damage == "best":
        tensors["best/1.weight"] = torch.zeros(1)
    elif damage == "moments":
        tensors["optimizer/99/exp_avg"] = torch.zeros(1)
    elif damage == "state":
        words["state"]["more"] = 1
    save_file(tensors, file, {"words": json.dumps(words)})
    if damage == "header":
        file.write_bytes(b"\xff" * 16 + file.read_bytes()[16:])
    assert same(fit(tmp_path / "kept", epochs=2), whole)
