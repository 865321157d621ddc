"""The state of the machine: of the link between two cores, and how busy other processes keep it."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import time
from pathlib import Path
from typing import Callable

from export import CACHE, HERE

TICKS = os.sysconf("SC_CLK_TCK")
QUIET_WINDOW = 0.4  # seconds
FAST_UP_TO_NS = 250.0  # as in bench/report/machine.h; some machines change state for minutes at a time


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
        done = subprocess.run([self.program, *map(str, self.cpus)], capture_output=True, text=True, timeout=30)
        return float(done.stdout.strip() or 0) or None

    @staticmethod
    def state(ns: float | None) -> str:
        if ns is None:
            return "unknown"
        return "fast" if ns <= FAST_UP_TO_NS else "slow"


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
