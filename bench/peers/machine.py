"""What a measurement was made on: processor, versions, and the state of the link between two cores."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

from export import CACHE, HERE, ROOT

FLAGS = ("avx2", "fma", "avx512f", "avx512vl", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8",
         "amx_tile")
PACKAGES = ("torch", "numpy", "onnx", "onnxruntime", "openvino", "timm")
TICKS = os.sysconf("SC_CLK_TCK")
QUIET_WINDOW = 0.4  # seconds
FAST_BELOW_NS = 240.0  # the machine this was written on shows 60-180 ns or more than 300 ns, for minutes at a time


def field(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def output(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30).stdout.strip()
    except OSError:
        return ""


def describe(binary: str, threads: int, date: str | None) -> dict:
    flags = field("/proc/cpuinfo", "flags").split()
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    versions["python"] = platform.python_version()
    versions["retentive"] = output(binary, "--version").rpartition(" ")[2]
    return {
        "date": date or datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": {
            "cpu": field("/proc/cpuinfo", "model name"),
            "family": field("/proc/cpuinfo", "cpu family"),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gb": round(int(field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
            "flags": [flag for flag in FLAGS if flag in flags],
            "kernel": platform.release(),
        },
        "threads": threads,
        "versions": versions,
        "command": " ".join(["bench/peers/run.py", *sys.argv[1:]]),
        "commit": output("git", "rev-parse", "--short=12", "HEAD"),
        "modified": bool(output("git", "status", "--porcelain", "--untracked-files=no")),
    }


class CoreLink:
    """The time of a cache line's round trip between the first two cores that this process may use."""

    def __init__(self):
        self.cpus = sorted(os.sched_getaffinity(0))[:2]
        source = HERE / "pingpong.cpp"
        self.program = CACHE / f"pingpong-{hashlib.sha256(source.read_bytes()).hexdigest()[:8]}"
        if len(self.cpus) == 2 and not self.program.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            subprocess.run(["g++", "-std=c++17", "-O2", "-pthread", str(source), "-o", str(self.program)], check=True)

    def round_trip_ns(self) -> float | None:
        if len(self.cpus) < 2:
            return None
        return float(output(str(self.program), *map(str, self.cpus)) or 0) or None

    @staticmethod
    def state(ns: float | None) -> str:
        if ns is None:
            return "unknown"
        return "fast" if ns < FAST_BELOW_NS else "slow"


def busy_seconds() -> float:
    """CPU time that all processes of the machine have used."""
    fields = list(map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]))
    user, nice, system, _, _, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) / TICKS


def ended_seconds() -> float:
    """CPU time of the programs that this process has run to their end."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


class Others:
    """How much of a core the machine's other processes use from now on; `own` counts the seconds that are ours."""

    def __init__(self, own: Callable[[], float] = ended_seconds):
        self.own = own
        self.start = time.monotonic(), busy_seconds(), own()

    def percent(self) -> float:
        start, busy, own = self.start
        spent = max(time.monotonic() - start, 1e-3)
        return 100 * max(0.0, busy_seconds() - busy - (self.own() - own)) / spent


class Patience:
    """Waits for other processes to leave the machine, `seconds` in all."""

    def __init__(self, seconds: float, quiet_percent: float):
        self.seconds, self.quiet_percent = seconds, quiet_percent

    def wait(self) -> None:
        while self.seconds > 0:
            others = Others()
            time.sleep(QUIET_WINDOW)
            if others.percent() <= self.quiet_percent:
                return
            self.seconds -= QUIET_WINDOW
