"""Several processes train one network: to the same course as one, also after a kill and in another number."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import test_training as one
from pqrst import distant, ranks, training
from pqrst.errors import DataError
from pqrst.files import write_text
from pqrst.loaders import Streamed
from pqrst.losses import ce, ldam
from pqrst.standardisation import Standardisation

pytestmark = pytest.mark.usefixtures("one_thread")

CLOSE, EPOCHS, KILLS = 1e-5, 8, (2, 4)  # the epochs after which a process is killed
KILLED = "norm_and_dropout"
KEYS = ("train_loss", "validation_loss", "lr")


class Drawing(nn.Module):
    """A network that draws in every way that one of ours does, but for what `coupled_cnn` has."""

    def __init__(self):
        super().__init__()
        self.conv, self.drop = nn.Conv1d(1, 4, 3, bias=False), nn.Dropout(0.3)
        self.norm, self.last = nn.BatchNorm1d(4), nn.Linear(4, one.CLASSES)
        self.still = nn.Linear(1, 1)  # has no gradient

    def forward(self, x):
        if self.training:
            x = x * torch.randint(2, (len(x),))[:, None, None] + 0.1 * torch.randn_like(x)
        x = self.drop(self.norm(self.conv(x)).relu())
        kept = torch.empty(len(x), 1, 1).bernoulli_(0.8) if self.training else 1
        return self.last((x * kept).mean(dim=2))

    def with_penalty(self, x):
        found = self(x)
        return found, found.square().mean()


def steady():
    """Build the small network with dropout and batch norm, without what rounding alone moves.

    A bias before a batch norm has a gradient of zero but for rounding, which Adam makes as large as any other.
    """
    made = one.coupled()
    for layer in made.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.bias.requires_grad_(requires_grad=False)
    return made


def distant_rows(folder, made):
    """Let train rows lie at an address, where each process reads them in shards."""
    if folder is None:  # only the names of the cases are asked for
        return made
    folder.mkdir(exist_ok=True)
    if not (folder / "x.npy").exists():
        partial_ = folder / f"{os.getpid()}.npy"
        np.save(partial_, made.train_x[0].numpy())
        partial_.replace(folder / "x.npy")
    x, s = distant.rows(f"file://{folder}"), Standardisation("none")
    return replace(made, train_x=(Streamed(x, np.arange(len(x)), s, torch.device("cpu"), shard=4),))


CROPPED = {"crop": one.CROP, "crop_step": 5, "crop_pool": "mean"}
WEIGHTS = torch.tensor([1.0, 2.0, 5.0])
BATCHED = ldam.build("single", (20, 12, 10), ldam.Params(counts="batch"))


def cases(folder):
    """Give trainings that each hang on the whole batch in another way: rows, network, loss, settings."""
    made = one.data()
    return {
        "linear": (made, one.linear, one.LOSS, {}),
        "norm_and_dropout": (made, steady, one.LOSS, {"lr": 0.003}),
        "weighted": (replace(made, class_weights=WEIGHTS), one.linear, one.LOSS, {"optimizer": "adam"}),
        "sampled": (replace(made, row_weights=WEIGHTS.double()[made.train_y]), steady, one.LOSS, {"lr": 0.003}),
        "drawn": (made, Drawing, ce.build("single", (), ce.Params(label_smoothing=0.1)), {"scheduler": "one_cycle"}),
        "cropped": (made, lambda: one.Seen([]), BATCHED, CROPPED | {"clip_norm": 0.1, "scheduler": "plateau"}),
        "in_shards_at_an_address": (distant_rows(folder, made), steady, one.LOSS, {"lr": 0.003, "shard_rows": 4}),
        "fewer_rows_than_processes": (
            replace(made, train_x=(made.train_x[0][:1],), train_y=made.train_y[:1],
                    validation_x=(made.validation_x[0][:1],), validation_y=made.validation_y[:1]),
            one.linear, one.LOSS, {},
        ),
    }  # fmt: skip


def fit(folder, case, group=ranks.ALONE, heard=lambda _: None, build=None, **changed):
    """Train one case, in batches of nine: two shares are not alike."""
    given, usual, loss, settings = cases(folder)[case]
    lesson = training.Lesson(build or usual, loss, replace(one.PLAIN, batch_size=9, **settings | changed))
    return training.fit(lesson, given, 5, folder / f"{case}.safetensors", heard, group=group)


def every_case(folder, group):
    """Train each case as one of several processes, keep what this one found, and fail in the second while the first waits."""
    torch.set_num_threads(1)
    for case in cases(folder):
        fitted = fit(folder / "cases", case, group)
        learned = {name: value.tolist() for name, value in fitted.weights.items()}
        (folder / f"{case}.{group.rank}.json").write_text(json.dumps([fitted.history, learned, fitted.best_epoch]))
    interrupted(folder, group)
    if group.rank:
        raise DataError("rows.csv: is broken; build it anew")
    ranks._reduce(torch.ones(1))


def interrupted(folder, group):
    """Train a case, tell who this is and when each epoch ends, wait amid some epochs, and keep the history."""
    torch.set_num_threads(1)
    (folder / f"{group.rank}.pid").write_text(str(os.getpid()))

    def wait(*_):
        while any((folder / f"0.{epoch}").exists() and not (folder / f"killed.{epoch}").exists() for epoch in KILLS):
            time.sleep(0.02)

    def waiting():
        made = steady()
        if not group.rank:
            made.register_forward_hook(wait)
        return made

    def tell(row):
        told = folder / f"{group.rank}.{int(row['epoch'])}"
        if (
            not told.exists()
        ):  # of the first time that the epoch was trained; whole, since the kill comes as soon as it is there
            write_text(told, str(row["seconds"]))

    fitted = fit(folder, KILLED, group, tell, waiting, epochs=EPOCHS)
    (folder / f"{group.rank}.json").write_text(json.dumps(fitted.history))


WORK = {"every_case": every_case, "interrupted": interrupted}


def started(folder, work, **environment):
    """Start two processes by a third."""
    command = [sys.executable, __file__, str(folder), work]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | environment)


def ended(child):
    """Wait for the end; give the status and the lines that were said, but for those that tell how far an epoch is."""
    said = child.communicate(timeout=900)[1].splitlines()
    return child.returncode, [line for line in said if not line.startswith("epoch: ")]


@pytest.fixture(scope="module")
def both(killed):
    """Train each case in two processes, and go on with what was killed; give what they said."""
    child = started(killed[0], "every_case")
    return killed[0], ended(child)


def course(history):
    return np.array([[row[key] for key in KEYS] for row in history])


@pytest.mark.parametrize("case", cases(None))
def test_two_processes_train_as_one_does(both, tmp_path, case):
    """Find the same losses and rates to 1e-5, the same epoch and decisions, and the same bits in both processes."""
    alone, (folder, _) = fit(tmp_path, case), both
    history, weights, best = json.loads((folder / f"{case}.0.json").read_text())
    assert np.abs(course(history) - course(alone.history)).max() < CLOSE
    assert [row["validation_accuracy"] for row in history] == [row["validation_accuracy"] for row in alone.history]
    assert best == alone.best_epoch
    assert json.loads((folder / f"{case}.1.json").read_text())[1] == weights
    for name, value in alone.weights.items():
        assert np.abs(np.array(weights[name]) - value.numpy()).max() < 1e-4


def kill(folder, child, rank, after):
    """Kill a process of the group amid the epoch after that one."""
    while not (folder / f"0.{after}").exists():
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.02)
    os.kill(int((folder / f"{rank}.pid").read_text()), signal.SIGKILL)
    (folder / f"killed.{after}").touch()


def kept(folder):
    """Give the number of the last epoch that is kept."""
    return training._read(folder / f"{KILLED}.safetensors")[1]["state"]["epoch"]


def until_six(row):
    """Stop a training after its sixth epoch."""
    if row["epoch"] == 6:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Let the agent start anew once; kill one process, then the other; go on with one process for a while."""
    folder = tmp_path_factory.mktemp("killed")
    child = started(folder, "interrupted", PET_MAX_RESTARTS="1")
    for rank, after in zip((1, 0), KILLS, strict=True):
        kill(folder, child, rank, after)
    status = ended(child)
    left = kept(folder), [file.name for file in folder.glob("*.partial")]
    with suppress(KeyboardInterrupt):
        fit(folder, KILLED, heard=until_six, epochs=EPOCHS)
    return folder, status, left


def test_a_killed_process_is_started_anew_once_and_then_ends_the_group(killed):
    """Go on by itself after the first kill; after the second, one line, the other process ended, and the last epoch kept."""
    folder, (status, said), (epoch, halves) = killed
    assert status == 1
    assert said == [f"process 0 of this training ended by SIGKILL; {ranks.AGAIN}"]
    assert epoch == KILLS[-1]
    assert not halves
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "1.pid").read_text()), 0)


def test_a_training_that_was_killed_twice_ends_as_the_undisturbed_one(killed, both, tmp_path):
    """Go on by two, by one, then by two processes, repeating no epoch that was kept, to the same course."""
    whole = fit(tmp_path, KILLED, epochs=EPOCHS).history
    found = json.loads((both[0] / "0.json").read_text())
    assert [row["epoch"] for row in found] == list(range(1, EPOCHS + 1))
    assert np.abs(course(found) - course(whole)).max() < CLOSE
    for epoch in (1, 2, 3, 4):
        assert found[epoch - 1]["seconds"] == float((killed[0] / f"0.{epoch}").read_text())


def test_the_fault_of_one_process_is_told_in_one_line(both):
    """Say what ended the one that failed, not that the other missed it."""
    assert both[1] == (1, ["rows.csv: is broken; build it anew"])


def test_a_process_by_itself_shares_with_nobody():
    """Leave rows, gradients and answers as they are."""
    share, found = ranks.ALONE.share(7), torch.ones(7, 2)
    assert share.own == slice(0, 7)
    assert share.whole(found) is found
    assert ranks.ALONE.told(lambda: 3) == 3


@pytest.mark.parametrize(("rows", "size"), [(9, 2), (7, 3), (4, 4), (64, 5)])
def test_shares_are_stretches_that_make_the_whole(rows, size):
    """Cut a batch into stretches that differ by a row at most, none empty."""
    cut = [ranks.Ranks(rank, size).share(rows).own for rank in range(size)]
    assert [row for own in cut for row in range(own.start, own.stop)] == list(range(rows))
    lengths = [own.stop - own.start for own in cut]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("layer", [nn.LSTM(3, 3), nn.MultiheadAttention(4, 2, dropout=0.1)])
def test_a_network_whose_rows_cannot_be_shared_is_refused(layer):
    """Name the setting where a share of a batch would not be computed as in the whole."""
    share = ranks.Ranks(0, 2).share(4)
    with pytest.raises(ranks.SettingsError, match=r"train\.processes"), share.as_one(nn.Sequential(layer)):
        pass


if __name__ == "__main__":
    place, name = sys.argv[1:]
    try:
        ranks.launch(partial(WORK[name], Path(place)), 2, gpus=False)
    except DataError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
