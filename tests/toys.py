"""Hand-made settings, rows and files that several tests share; a test makes its own of them by `replace`."""

import hashlib
import json
import signal
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from pqrst.arrays import Bundle, LabelTask, Meta, Writer
from pqrst.contracts import Contract
from pqrst.datasets._wfdb12 import LEADS
from pqrst.models import coupled_cnn
from pqrst.params import Split, Train
from pqrst.quality import Limits, Policy, examine, mended
from pqrst.resolved import RunSettings
from pqrst.standardisation import Standardisation

META = Meta(
    dataset="toy", task="single", classes=("a", "b"), fs=100.0, leads=("I",), units="mV", axes=("row", "lead", "time"),
    window={}, provenance={"synthetic": True},
)  # fmt: skip
BEATS = replace(META, dataset="beats", classes=("N", "S", "V"), fs=120.0, leads=("MLII",))
TWO_LEADS = replace(BEATS, leads=("MLII", "V1"), gain=(200.0, 200.0), zero=(1024, 1024), shape=(2, 16))
TRAIN = Train(
    epochs=1, seeds=1, batch_size=16, optimizer="adamw", lr=0.01, weight_decay=0.0, scheduler="none", scheduler_factor=0.1,
    scheduler_patience=2, scheduler_epochs=2, min_lr=0.0, stop_patience=0, class_weight_alpha=0.0, sampler_ratio=0.0,
    augment="none", standardise="train", precision="fp32", threads=1, device="cpu",
    cycle_epochs=0, cycle_warmup=0.3, clip_norm=0.0, clip_value=0.0, crop=0, crop_step=0, crop_pool="max", select="loss",
    thresholds="none", resident_gb=2.0,
)  # fmt: skip
RUN = RunSettings(
    run="tiny", system="icwa", family="tests", dataset="beats", input="windows/beats", split="kaggle", task="single",
    model="simple_cnn", model_settings={"widths": [4], "kernel": 3}, loss="ce", loss_settings={"label_smoothing": 0.0},
    seeds=(9,), train=TRAIN, code={"models/simple_cnn.py": "ab"},
)  # fmt: skip
CONTRACT = Contract(
    run="tiny", system="s", seed=1, task="single", classes=META.classes, model="simple_cnn", model_settings={}, parameters=1,
    input=replace(META.form, shape=(1, 4)), standardise=Standardisation("none"), output="logits", split="s", best_epoch=1,
    provenance={}, settings_digest="",
)  # fmt: skip
COUPLED = replace(
    CONTRACT, system="heartbeat", seed=9, classes=TWO_LEADS.classes, model="coupled_cnn", parameters=99, input=TWO_LEADS.form,
    model_settings={"widths": [4, 6], "dropout": [0.2, 0.3], "kernel": 3, "dense_widths": [8], "dense_dropout": 0.5},
    standardise=Standardisation("row"), split="kaggle", best_epoch=2,
)  # fmt: skip
BEAT = Split("cut", ("train",), ("test",), "beat", 0.5, 1)
PATIENT = replace(BEAT, by="patient")
SHARED = replace(PATIENT, test=("test", "extra"), shared=("extra",))  # a published leak: `extra` holds people of train
WITH_EXTRA = ("train",) * 6 + ("extra", "test")
KAGGLE = replace(BEAT, fold="kaggle", validation=0.2)
OFFICIAL = Split("official", ("1",), ("10",), held=("9",))
LABELS = ("NORM", "IMI", "AMI", "SR")
TASKS = {
    "super": LabelTask({"NORM": ("NORM",), "MI": ("IMI", "AMI")}),
    "sure": LabelTask({"SR": ("SR",), "AMI": ("AMI",)}, least=2, drop_empty=False),
}
STORED = np.array([[1, 0, 0, 1], [0, 101, 1, 1], [0, 0, 2, 0], [0, 0, 0, 1], [81, 0, 0, 2], [0, 0, 0, 0]])


def faults_of(record):
    """Give the flags of what is wrong with a recording, as they stand beside its rows, and of what its reader says."""
    return mended(record, examine(record, Limits()), Policy()).quality


def masked(record):
    """Give the signal of a recording with what is no sample at zero."""
    return mended(record, examine(record, Limits()), Policy()).signal


def bundle(patients="ppppqqqq", cut=("train",) * 6 + ("test",) * 2):
    """Give eight rows of one label."""
    records = [f"of {name}" for name in patients]
    rows = pd.DataFrame({"record": records, "patient": list(patients), "start": range(8), "fold_cut": cut})
    return Bundle(META, np.zeros((8, 1, 4), np.float32), np.array([0, 0, 0, 0, 1, 1, 0, 1]), rows)


def several(stored=STORED, **columns):
    """Give recordings with several labels each, one of each person, in folds 1, 1, 9, 9, 10, 10 unless told otherwise."""
    n = len(stored)
    usual = {"record": [f"r{place}" for place in range(n)], "patient": [f"p{place}" for place in range(n)], "start": 0}
    folds = {"fold_official": ["1", "1", "9", "9", "10", "10"]} if n == 6 else {}
    meta = replace(META, task="multi", classes=LABELS)
    return Bundle(meta, np.zeros((n, 1, 4), np.float32), np.asarray(stored), pd.DataFrame(usual | folds | columns))


def save_bundle(folder, given):
    """Write a bundle, and give its folder."""
    with Writer(folder, given.x.shape[1:], given.x.dtype.name) as writer:
        writer.add(given.x, given.y, given.rows, given.side)
        writer.finish(given.meta)
    return folder


def coupled():
    """Build a network of TWO_LEADS with batch norm whose running means are not those of a fresh one."""
    torch.manual_seed(0)
    p = coupled_cnn.Params(widths=(4, 6), kernel=3, dense_widths=(8,))
    made = coupled_cnn.build(TWO_LEADS.shape, len(TWO_LEADS.classes), p)
    made(torch.randn(32, *TWO_LEADS.shape))
    return made.eval()


def few_rows(n=11):
    """Draw rows of TWO_LEADS."""
    return np.random.default_rng(1).normal(3, 2, (n, *TWO_LEADS.shape)).astype(np.float32)


def write_challenge(folder, name, steps, told, fs=500, scale="1000/mV"):
    """Write steps (12, samples) as the Challenge 2021 has them: a header that ends with what is told, and a .mat file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} 12 {fs} {steps.shape[1]}"]
    lines += [
        f"{name}.mat 16+24 {scale} 16 0 {row[0]} {int(row.sum())} 0 {lead}"
        for lead, row in zip(LEADS, steps, strict=True)
    ]
    (folder / f"{name}.hea").write_text("\n".join([*lines, *told]) + "\n")
    (folder / f"{name}.mat").write_bytes(bytes(24) + steps.T.tobytes())


def listed(folder):
    """Name all files below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def einthoven(steps, zero=0):
    """Give how far the four derived leads are from what I and II say, in steps, from (samples, 12)."""
    i, ii, iii, avr, avl, avf = (steps[:, n].astype(float) - zero for n in range(6))
    return np.array([iii - (ii - i), avr + (i + ii) / 2, avl - (i - ii / 2), avf - (ii - i / 2)])


def seeded(layer, x):
    """Give what a layer that draws makes of rows: once, again from the same seed, and as the draws go on."""
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    return first, layer(x), layer(x)


def sealed(folder, **values):
    """Write a run's sums anew, as somebody does who may write all its files; keys of its contract change on the way, None takes one out."""
    file = folder / "contract.json"
    given = json.loads(file.read_text()) | values
    told = {key: value for key, value in given.items() if values.get(key, "kept") is not None}
    if "files" in told:
        there = {name: folder / name for name in told["files"]}
        told["files"] = {
            name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in there.items() if path.exists()
        }
    file.write_text(json.dumps(told))
    sealed_text(folder, file.read_text())


def sealed_text(folder, text):
    """Write the text of a run's contract, and its sum."""
    (folder / "contract.json").write_text(text)
    (folder / "contract.sha256").write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  contract.json\n")


def kill_once(child, there):
    """Kill a child process as soon as something is there."""
    deadline = time.monotonic() + 30
    try:
        while not there():
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
