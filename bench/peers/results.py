"""The results document of a run, for `retentive bench report`: bench/report/results.h describes its fields."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
import subprocess
from typing import Callable

from child import ChildError
from contenders import Cell
from export import CONVNEXT, ROOT
from measure import Measured

FORMAT, VERSION = "retentive.results", 1
RUNTIMES = ("torch", "onnxruntime", "openvino")
MOST_TIMES = 400  # of one cell; files stay small
IMAGE_TASKS = ("image", "training")


class Binary:
    """What the measured binary itself says: about the machine, its ceilings and its models."""

    def __init__(self, binary: str, threads: int, timeout: float, progress: Callable[[str], None]):
        self.binary, self.threads, self.timeout, self.progress = binary, threads, timeout, progress
        self.known: dict[Cell, dict] = {}

    def bench(self, *arguments: str) -> str:
        command = [self.binary, "bench", *arguments, "--threads", str(self.threads), "--json"]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=self.timeout, check=True).stdout
        except subprocess.CalledProcessError as error:
            lines = error.stderr.strip().splitlines()
            raise ChildError(f"{shlex.join(command)}: {lines[-1] if lines else error.returncode}") from None
        except subprocess.TimeoutExpired:
            raise ChildError(f"{shlex.join(command)}: no answer within {self.timeout:.0f} s") from None
        except OSError as error:
            raise ChildError(f"{self.binary}: {error.strerror}; scripts/run.sh --version builds it") from None

    def ceilings(self, precision: str) -> dict:
        """Results that hold the measured ceilings; a tiny model is enough to be told them."""
        return json.loads(self.bench("latency", "--model", "test_rmt", "--size", "64", "--warmup", "1", "--reps", "3",
                                     "--precision", precision))

    def document(self, precision: str, command: str, created: str | None) -> dict:
        """The results without cells; of the ceilings that of one precision."""
        first = self.ceilings(precision)
        return {"format": FORMAT, "version": VERSION, "created": created or first["created"],
                "commit": first["commit"], "command": command, "threads": self.threads,
                "peak_gmacs_per_s": first["peak_gmacs_per_s"], "read_gb_per_s": first["read_gb_per_s"],
                "machine": {**first["machine"], "runtimes": {name: version_of(name) for name in RUNTIMES}},
                "cells": []}

    def raise_ceilings(self, document: dict, precisions: list[str]) -> None:
        """Keeps the highest ceilings seen so far: a machine in a slow moment must not lower them."""
        peaks = document["peak_gmacs_per_s"]
        for precision in precisions:
            for key, peak in self.ceilings(precision)["peak_gmacs_per_s"].items():
                peaks[key] = max(peak, peaks.get(key, 0.0))

    def facts(self, cell: Cell) -> dict:
        """mixer, form, tokens and gmacs of a case, as far as the binary knows them."""
        if cell not in self.known:
            try:
                self.known[cell] = self.ask(cell)
            except (ChildError, ValueError, LookupError) as error:
                self.progress(f"  {cell.title()}: mixer, tokens and operations are unknown: {error}")
                self.known[cell] = {}
        return self.known[cell]

    def ask(self, cell: Cell) -> dict:
        if cell.task == "kernel":
            text = self.bench("kernels", "--filter", cell.own_kernel(), "--reps", "1")
            kernel = json.loads(text.splitlines()[0])
            return {"gmacs": kernel["gmacs_per_s"] * kernel["median_us"] * 1e-6}
        if cell.task not in IMAGE_TASKS or cell.model == CONVNEXT:
            return {}
        text = self.bench("latency", "--model", cell.model, "--size", str(cell.size), "--batch", str(cell.batch),
                          "--warmup", "0", "--reps", "1")
        found = json.loads(text)["cells"][0]
        if cell.task == "training":
            found["gmacs"] = 0  # those of a forward pass
        return {key: found[key] for key in ("mixer", "form", "tokens", "gmacs")}


def version_of(package: str) -> str:
    return importlib.metadata.version(package).partition("+")[0]


def without_folders(text: str) -> str:
    """Paths within the project become relative, others lose their folders: results are for other machines too."""
    return re.sub(r"(^|[\s='\"])/[^\s'\"]*/", r"\1", text.replace(f"{ROOT}/", ""))


def command_line(arguments: list[str]) -> str:
    return shlex.join(["bench/peers/run.py", *map(without_folders, arguments)])


def rounded(value: float) -> float:
    return float(f"{value:.6g}")


def thinned(times: list[float]) -> list[float]:
    count = min(len(times), MOST_TIMES)
    return [rounded(times[i * len(times) // count]) for i in range(count)]


def result_cell(cell: Cell, row: Measured, facts: dict) -> dict:
    """One contender in one cell, which names the model that the contender ran."""
    own = row.contender.runtime == "retentive"
    side = cell.size if cell.task in IMAGE_TASKS else 0
    return {"task": cell.task, "runtime": row.contender.runtime, "model": cell.model, "mixer": facts.get("mixer", ""),
            "form": facts.get("form", "") if own else row.variant, "precision": row.contender.precision,
            "height": side, "width": side, "batch": cell.batch, "instances": 1, "tokens": facts.get("tokens", 0),
            "skipped": without_folders(row.skipped), "gmacs": rounded(facts.get("gmacs", 0)), "read_gb": 0,
            "state_mb": 0, "peak_rss_mb": rounded(row.peak_rss_mb), "loaded_rss_mb": rounded(row.loaded_rss_mb),
            "deviation": 0, "pingpong_ns": rounded(row.pingpong_ns), "rounds": row.rounds,
            "times_ms": thinned(row.times_ms)}


def text_of(document: dict) -> str:
    """One cell a line, as `retentive bench` writes them."""
    head = json.dumps({key: value for key, value in document.items() if key != "cells"}, indent=1)
    cells = ",\n  ".join(json.dumps(cell, separators=(",", ":")) for cell in document["cells"])
    return f"{head[:-2]},\n \"cells\": [\n  {cells}\n ]\n}}\n"
