#!/usr/bin/env python3
"""Checks the PyTorch peer (rmt.py) against tests/fixtures/rmt; exits 1 when a deviation exceeds 1e-4."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

import rmt

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "rmt"
TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 2e-3  # relative to the largest entry of the gradient


class Worst:
    def __init__(self):
        self.failed, self.count, self.value, self.key = 0, 0, 0.0, ""

    def add(self, key: str, error: float, tolerance: float = TOLERANCE) -> None:
        self.count += 1
        if not error <= tolerance:
            self.failed += 1
            print(f"FAIL {key}: {error:.2e} > {tolerance:.0e}")
        if error / tolerance > self.value:
            self.value, self.key = error / tolerance, key


def deviation(actual: torch.Tensor, expected: torch.Tensor) -> float:
    if actual.shape != expected.shape:
        raise SystemExit(f"check: shape {list(actual.shape)} where the fixture has {list(expected.shape)}")
    return ((actual - expected).abs().max() / max(1.0, expected.abs().max().item())).item()


def load(name: str, attention: str) -> tuple[rmt.RMT, dict, dict]:
    description = json.loads((FIXTURES / f"{name}.json").read_text())
    known = {field.name for field in dataclasses.fields(rmt.Config)}
    config = {key: value for key, value in description["config"].items() if key in known}
    model = rmt.RMT(rmt.Config(**config, attention=attention)).eval()
    model.load_state_dict(load_file(FIXTURES / description["weights_file"]))
    return model, description, load_file(FIXTURES / f"{name}.safetensors")


@torch.no_grad()
def check_forward(name: str, attention: str, worst: Worst) -> None:
    model, description, reference = load(name, attention)
    for case in description["cases"]:
        prefix = case["prefix"]
        stages = model.stages(reference[prefix + "input"])
        for index, stage in enumerate(stages, 1):
            worst.add(f"{name}/{prefix}stage{index}", deviation(stage, reference[f"{prefix}stage{index}"]))
        pooled = model.pooled(stages[-1])
        worst.add(f"{name}/{prefix}pooled", deviation(pooled, reference[prefix + "pooled"]))
        logits = model(reference[prefix + "input"])
        worst.add(f"{name}/{prefix}logits", deviation(logits, reference[prefix + "logits"]))


def check_training(name: str, attention: str, worst: Worst) -> None:
    model, description, reference = load(name, attention)
    logits = model.train()(reference["input"])
    loss = -(reference["target"] * logits.log_softmax(1)).sum(1).mean()
    loss.backward()
    worst.add(f"{name}/logits", deviation(logits, reference["logits"]))
    worst.add(f"{name}/loss", deviation(loss.reshape(reference["loss"].shape), reference["loss"]))
    for key, parameter in model.named_parameters():
        expected = reference["grad/" + key]
        error = (parameter.grad - expected).abs().max().item()
        if key in description["small_gradient_keys"]:
            worst.add(f"{name}/grad/{key}", error, 1e-5)
        else:
            worst.add(f"{name}/grad/{key}", error / expected.abs().max().item(), GRADIENT_TOLERANCE)


def check_keys(name: str, worst: Worst) -> None:
    expected = json.loads((FIXTURES / f"{name}.keys.json").read_text())
    state = rmt.build(name).state_dict()
    actual = [[key, list(value.shape)] for key, value in state.items()]
    same = actual == [[key, shape] for key, shape, *_ in expected["keys"]]
    worst.add(f"{name} keys and shapes, in order", 0.0 if same else float("inf"))


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    worst = Worst()
    for attention in ("sdpa", "matmul"):
        for name in ("tiny_a", "tiny_b", "tiny_buffers"):
            check_forward(name, attention, worst)
        check_training("tiny_train", attention, worst)
    for name in rmt.VARIANTS:
        check_keys(name, worst)
    print(f"{worst.count - worst.failed} passed, {worst.failed} failed")
    print(f"worst: {worst.value:.2e} of its tolerance at {worst.key}")
    return 1 if worst.failed else 0


if __name__ == "__main__":
    sys.exit(main())
