"""The card of a trained run: what its contract says, in a person's words."""

from collections.abc import Mapping, Sequence
from typing import Any

DISCLAIMER = "This is no medical device: no answer of it may guide the care of a patient."
SYNTHETIC = (
    "**It learned made-up recordings.** It shows that the pipeline runs, and its answers say nothing about hearts."
)


def card(contract: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> str:
    """Write the card as Markdown from the contract's fields and the epochs of the training."""
    parts = [
        f"# {contract['run']}{_value(contract)}, seed {contract['seed']}", DISCLAIMER,
        SYNTHETIC if contract["provenance"].get("synthetic", True) else "",
        "## What goes in", _list([*_input(contract["input"], contract["side"]), *_before(contract)]),
        "## What comes out", _list(_output(contract)),
        "## How it learned", _list(_learned(contract, history)),
        "## How to use it", USE,
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


TESTED = "test scores stand in metrics/test and, of real recordings, in metrics/paper"
USE = """\
    pqrst predict RECORDING --model THIS_FOLDER
    pqrst serve --model THIS_FOLDER

`contract.json` holds the same in full, and what a program must do to a recording before the weights see it."""


def _value(contract: Mapping[str, Any]) -> str:
    return f" at {contract['value']}" if contract["value"] else ""


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines if line)


def _before(contract: Mapping[str, Any]) -> list[str]:
    """Say what the network makes of a row before its model sees it."""
    stored, own = contract["input"], "as part of the network"
    told = (("drawn as an image by", stored["encoding"], stored["encoding_settings"], "ahead of training"),
            ("first through", contract["frontend"], contract["frontend_settings"], own),
            ("drawn as an image by", contract["encoding"], contract["encoding_settings"], own))  # fmt: skip
    return [
        f"{what} {name} ({', '.join(f'{key} {value}' for key, value in settings.items())}), {when}"
        for what, name, settings, when in told
        if name
    ]


def _input(given: Mapping[str, Any], side: Sequence[str]) -> list[str]:
    settings = given["window"]
    names = [", ".join(f"{name} ({count})" for name, count in lead.items()) for lead in given.get("lead_names", ())]
    band = settings.get("filter")
    scaled = "each lead of the whole recording to mean 0 and deviation 1" if settings.get("zscore") else ""
    return [
        f"{' x '.join(map(str, given['shape']))} ({' x '.join(given['axes'][1:])}), {given['units']}, {given['fs']:g} Hz",
        f"leads, by the recordings that called them so: {'; '.join(names)}" if names else "",
        f"cut: {settings['cut']}, {settings['samples']} samples" if "cut" in settings else "",
        scaled,
        f"filter over the whole recording, forward and backward: {band['low']:g} to {band['high']:g} Hz, order {band['order']}"
        if band
        else "",
        f"then resampled to {settings['rate']:g} Hz" if settings.get("rate") else "",
        f"{len(side)} numbers beside each row: {', '.join(side)}" if side else "",
    ]


def _output(contract: Mapping[str, Any]) -> list[str]:
    found = contract["calibration"]
    return [
        f"{contract['output']}, of {', '.join(contract['classes'])}",
        f"temperature {found['temperature']:g}, fitted on {found['rows']} {found['fitted_on']} rows"
        if found["rows"]
        else "not calibrated",
        f"by crops of {contract['crop']['samples']} samples, the {contract['crop']['pool']} of their logits"
        if contract["crop"]["samples"]
        else "",
        f"a threshold for each label, chosen on validation rows by {contract['thresholds_by']}"
        if contract["thresholds"]
        else "",
    ]


def _learned(contract: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> list[str]:
    data, train = contract["provenance"], contract["train"]
    best = next((row for row in history if row["epoch"] == contract["best_epoch"]), None)
    return [
        f"model {contract['model']}" + (f", {contract['parameters']:,} parameters" if contract["parameters"] else ""),
        f"data {data.get('dataset', 'unknown')}, digest {data.get('digest', 'unknown')[:16]}; split {contract['split']}"
        + (f", part {contract['part']}" if contract["part"] else "")
        + (f", {contract['leak']}" if contract["leak"] else ""),
        f"loss {train['loss']}, {train['optimizer']}, learning rate {train['lr']:g}, batches of {train['batch_size']}"
        if {"loss", "optimizer", "lr", "batch_size"} <= set(train)
        else "",
        f"epoch {contract['best_epoch']} of {contract['epochs']}: validation loss {best['validation_loss']:.4f}"
        if best and "validation_loss" in best
        else "",
        TESTED,
    ]
