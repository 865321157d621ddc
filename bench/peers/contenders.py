"""Who takes part, with which command, and which way of writing the same model serves each best."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Callable

from child import Child, ChildError, Program
from export import CACHE, CONVNEXT, HERE, Case
from machine import Others, Patience

CHOICES = CACHE / "variants.json"
TRIAL_TURNS = 8
TRIAL_TURN_MS = 100


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str
    runtime: str  # torch | onnxruntime | openvino | retentive
    precision: str
    model: str = ""  # instead of the cell's
    flags: tuple[str, ...] | None = None  # one fixed variant instead of a choice

    def model_of(self, cell: Cell) -> str:
        """What it runs in a cell: a peer of ViR is the ViT of its dimensions."""
        return self.model or (cell.model if self.runtime == "retentive" else cell.model.replace("vir_", "vit_"))

    def variants(self, task: str, model: str) -> list[list[str]]:
        """Worker flags to choose between: the user of a runtime would take the faster."""
        if self.flags is not None:
            return [list(self.flags)]
        if self.model or not model.startswith("rmt_"):
            return [[]]
        forms = [["--attention", "sdpa"], ["--attention", "matmul"]]
        if task == "image" and self.runtime == "torch" and self.precision == "bf16":
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
    Contender("convnext_t-openvino-fp32", "openvino", "fp32", model=CONVNEXT),
    Contender("convnext_t-openvino-bf16", "openvino", "bf16", model=CONVNEXT),
]

KERNELS = [Contender("retentive-fp32", "retentive", "fp32"), Contender("retentive-bf16", "retentive", "bf16")]
KERNELS += [Contender(f"torch-{form}-{precision}", "torch", precision, flags=("--attention", form))
            for form in ("sdpa", "matmul") for precision in ("fp32", "bf16")]
TRAINING = [Contender("retentive-fp32", "retentive", "fp32"), Contender("torch-fp32", "torch", "fp32"),
            Contender("torch-bf16", "torch", "bf16")]
PROCESSES = [Contender("retentive-version", "retentive", "", model="--version"),
             Contender("retentive-classify-fp32", "retentive", "fp32", model="classify rmt_t"),
             Contender("retentive-classify-bf16", "retentive", "bf16", model="classify rmt_t")]


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is timed in one interleaved run. For the task `kernel` the model is a name of kernels.KERNELS; for `process`
    it is the one whose pictures are classified."""

    task: str
    model: str
    size: int
    batch: int
    threads: int

    def title(self) -> str:
        if self.task == "kernel":
            return f"{self.model}, {self.threads} threads"
        if self.task == "process":
            return f"whole programs, {self.threads} threads"
        return f"{self.model} {self.size}x{self.size} batch {self.batch}, {self.threads} threads"

    def own_kernel(self) -> str:
        """Ours rotate inside: the same kernel stands beside both forms of the peers."""
        return self.model.replace("_rotary", "")


@dataclasses.dataclass
class Launcher:
    binary: str
    folder: str  # for what it makes, gone after the run
    timeout: float
    memory_gb: float
    progress: Callable[[str], None]
    patience: Patience

    def start(self, contender: Contender, cell: Cell) -> tuple[Child | Program, str]:
        """The contender's process, ready to run, and the variant it runs."""
        if contender.runtime == "retentive":
            return self.own(contender, cell), ""
        flags = self.best_variant(contender, cell)
        return self.worker(contender, cell, flags), " ".join(flag for flag in flags if not flag.startswith("--"))

    def own(self, contender: Contender, cell: Cell) -> Child | Program:
        threads = ["--threads", str(cell.threads)]
        if cell.task == "process":
            return Program([self.binary, *self.process_arguments(contender, cell)], self.timeout)
        if cell.task == "kernel":
            command = [self.binary, "bench", "kernels", "--filter", cell.own_kernel(), *threads, "--json"]
            return Program(command, self.timeout, lambda output: kernel_ms(output, contender.precision))
        command = [self.binary, "bench", "training" if cell.task == "training" else "latency", "--model", cell.model,
                   "--size", str(cell.size), "--batch", str(cell.batch), *threads, "--serve"]
        if cell.task == "image":
            command += ["--precision", contender.precision]
        return Child(command, self.timeout, self.memory_gb)

    def process_arguments(self, contender: Contender, cell: Cell) -> list[str]:
        if contender.model == "--version":
            return ["--version"]
        from PIL import Image

        picture = Path(self.folder) / f"{cell.size}x{cell.size}.png"
        Image.linear_gradient("L").convert("RGB").resize((cell.size, cell.size)).save(picture)
        weights = Case(cell.model).weights()
        if not weights.exists():
            self.export(["--model", cell.model])
        return ["classify", "--model", cell.model, "--weights", str(weights), "--precision", contender.precision,
                "--threads", str(cell.threads), str(picture)]

    def worker(self, contender: Contender, cell: Cell, flags: list[str]) -> Child:
        case = ["--model", contender.model_of(cell), "--size", str(cell.size), "--batch", str(cell.batch)]
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


def kernel_ms(output: str, precision: str) -> float:
    """The median that `bench kernels --json` gives."""
    for line in output.splitlines():
        kernel = json.loads(line)
        if kernel["precision"] == precision:
            return kernel["median_us"] / 1000
    raise ChildError(f"bench kernels has no {precision}")
