"""Who takes part, with which command, and which way of writing the same model serves each best."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Callable

from child import Child, ChildError
from export import CACHE, CONVNEXT, HERE, Case
from machine import Others, Patience

CHOICES = CACHE / "variants.json"
TRIAL_TURNS = 8
TRIAL_TURN_MS = 100


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str
    runtime: str  # torch | onnxruntime | openvino | retentive | command
    precision: str
    convnext: bool = False
    flags: tuple[str, ...] | None = None  # one fixed variant instead of a choice

    def variants(self, task: str, model: str) -> list[list[str]]:
        """Worker flags to choose between: the user of a runtime would take the faster."""
        if self.flags is not None:
            return [list(self.flags)]
        if self.convnext or not model.startswith("rmt_"):
            return [[]]
        forms = [["--attention", "sdpa"], ["--attention", "matmul"]]
        if task == "latency" and self.runtime == "torch" and self.precision == "bf16":
            return [form + ["--variant", variant] for form in forms for variant in ("cast", "autocast")]
        return forms


ALL = [
    Contender("retentive-fp32", "retentive", "fp32"),
    Contender("retentive-bf16", "retentive", "bf16"),
    Contender("retentive-int8", "retentive", "int8"),
    Contender("torch-fp32", "torch", "fp32"),
    Contender("torch-bf16", "torch", "bf16"),
    Contender("onnxruntime-fp32", "onnxruntime", "fp32"),
    Contender("openvino-fp32", "openvino", "fp32"),
    Contender("openvino-bf16", "openvino", "bf16"),
    Contender("convnext_t-openvino-fp32", "openvino", "fp32", convnext=True),
    Contender("convnext_t-openvino-bf16", "openvino", "bf16", convnext=True),
]

KERNELS = [Contender(f"torch-{form}-{precision}", "torch", precision, flags=("--attention", form))
           for form in ("sdpa", "matmul") for precision in ("fp32", "bf16")]
TRAINING = [Contender("torch-fp32", "torch", "fp32"), Contender("torch-bf16", "torch", "bf16")]


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is timed in one interleaved run. For the task `kernel` the model is a name of kernels.KERNELS."""

    task: str
    model: str
    size: int
    batch: int
    threads: int

    def title(self) -> str:
        if self.task == "kernel":
            return f"{self.model}, {self.threads} threads"
        return f"{self.model} {self.size}x{self.size} batch {self.batch}, {self.threads} threads"


@dataclasses.dataclass
class Launcher:
    binary: str
    timeout: float
    memory_gb: float
    progress: Callable[[str], None]
    training_command: list[str]
    patience: Patience

    def start(self, contender: Contender, cell: Cell) -> tuple[Child, str]:
        """The contender's process, ready to run, and the variant it runs."""
        if contender.runtime == "retentive":
            command = [self.binary, "bench", "latency", "--model", cell.model, "--size", str(cell.size), "--batch",
                       str(cell.batch), "--threads", str(cell.threads), "--precision", contender.precision, "--serve"]
            return Child(command, self.timeout, self.memory_gb), ""
        if contender.runtime == "command":
            return Child(self.training_command, self.timeout, self.memory_gb), ""
        flags = self.best_variant(contender, cell)
        return self.worker(contender, cell, flags), " ".join(flag for flag in flags if not flag.startswith("--"))

    def worker(self, contender: Contender, cell: Cell, flags: list[str]) -> Child:
        # ViR stands beside the ViT of its dimensions.
        model = CONVNEXT if contender.convnext else cell.model.replace("vir_", "vit_")
        case = ["--model", model, "--size", str(cell.size), "--batch", str(cell.batch)]
        if contender.runtime in ("onnxruntime", "openvino"):
            self.export([*case, *flags])
        return Child([sys.executable, str(HERE / "worker.py"), "--task", cell.task, "--runtime", contender.runtime,
                      "--threads", str(cell.threads), "--precision", contender.precision, *case, *flags],
                     self.timeout, self.memory_gb)

    def export(self, arguments: list[str]) -> None:
        done = subprocess.run([sys.executable, str(HERE / "export.py"), *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            raise ChildError(f"export: {lines[-1][:300] if lines else done.returncode}")

    def best_variant(self, contender: Contender, cell: Cell) -> list[str]:
        """The fastest variant by a short trial of each in its own process; an undisturbed outcome is kept."""
        variants = contender.variants(cell.task, cell.model)
        if len(variants) == 1:
            return variants[0]
        digest = Case().folder().name.rpartition("-")[2]
        key = "/".join(map(str, (*dataclasses.astuple(cell), contender.name, digest)))
        known = json.loads(CHOICES.read_text()) if CHOICES.exists() else {}
        if key in known:
            return known[key]["flags"]
        self.patience.wait()
        others = Others()
        trials = self.trial(contender, cell, variants)
        best = min(trials, key=lambda index: trials[index])
        named = {" ".join(variants[index]): round(ms, 3) for index, ms in trials.items()}
        self.progress(f"  trial of {contender.name}, ms: {named}")
        if others.percent() <= self.patience.quiet_percent:  # else only for this run
            known[key] = {"flags": variants[best], "trials_ms": named}
            CACHE.mkdir(parents=True, exist_ok=True)
            CHOICES.write_text(json.dumps(known, indent=1) + "\n")
        return variants[best]

    def trial(self, contender: Contender, cell: Cell, variants: list[list[str]]) -> dict[int, float]:
        """The best time of each variant by index, all run in turn so that a change of the machine's state hits all."""
        children: dict[int, Child] = {}
        times: dict[int, float] = {}
        failure = ChildError("no variant")
        try:
            for index, flags in enumerate(variants):
                try:
                    children[index] = self.worker(contender, cell, flags)
                    times[index] = children[index].run(1)[0]
                except ChildError as error:
                    failure = error
            if not times:
                raise failure
            slowest = max(times.values())
            for _ in range(TRIAL_TURNS if slowest < 1000 else 1):
                for index in times:
                    times[index] = min(times[index], *children[index].run(max(2, int(TRIAL_TURN_MS / slowest))))
        finally:
            for child in children.values():
                child.close()
        return times
