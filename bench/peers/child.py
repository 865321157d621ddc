"""A contender's process, seen from the parent: one that stays and answers, or one that is started for every run."""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import BinaryIO, Callable

from machine import TICKS


class ChildError(Exception):
    pass


def ending(code: int, errors: BinaryIO) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return f"exit {code}: {lines[-1][:300] if lines else 'no message'}"


class Child:
    """Starts `command`, which speaks worker.py's protocol, and waits until it is ready."""

    def __init__(self, command: list[str], timeout: float, memory_gb: float):
        limit = int(memory_gb * 2**30)

        def confine():
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
            Path("/proc/self/oom_score_adj").write_text("1000")

        self.timeout, self.pending = timeout, b""
        self.errors = tempfile.TemporaryFile()
        self.run_peak_mb = 0.0
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                            bufsize=0, preexec_fn=confine)
        except OSError as error:
            raise ChildError(f"{command[0]}: {error.strerror}") from None
        try:
            info = self.read()
            if not info.get("ready"):
                raise ChildError(f"expected {{\"ready\": true}} first, got {info}")
            self.loaded_mb = float(info.get("loaded_rss_mb", 0))
            self.restart_peak()
        except BaseException:
            self.close()
            raise

    def run(self, count: int) -> list[float]:
        try:
            self.process.stdin.write(f"run {count}\n".encode())
        except BrokenPipeError:
            raise ChildError(self.reason()) from None
        answer = self.read()
        if "times_ms" not in answer:
            raise ChildError(str(answer.get("error", answer)))
        return answer["times_ms"]

    def read(self) -> dict:
        while b"\n" not in self.pending:
            if not select.select([self.process.stdout], [], [], self.timeout)[0]:
                raise ChildError(f"no answer within {self.timeout:.0f} s")
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                raise ChildError(self.reason())
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        try:
            return json.loads(line)
        except json.JSONDecodeError:
            raise ChildError(f"not a JSON line: {line[:120].decode(errors='replace')}") from None

    def reason(self) -> str:
        return ending(self.process.wait(), self.errors)

    def peak_mb(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return 0.0

    def restart_peak(self) -> None:
        try:
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        except OSError as error:
            raise ChildError(f"cannot reset the memory peak: {error.strerror}; {self.reason()}") from None

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def close(self) -> None:
        if self.process.poll() is None:
            self.run_peak_mb = self.peak_mb()
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Program:
    """Starts `command` anew for every run. Its milliseconds are those from start to end, or what `read` makes of its
    output, where the program measures something itself."""

    loaded_mb = 0.0

    def __init__(self, command: list[str], timeout: float, read: Callable[[str], float] | None = None):
        self.command, self.timeout, self.read_ms = command, timeout, read
        self.run_peak_mb = 0.0

    def run(self, count: int) -> list[float]:
        return [self.run_once() for _ in range(count)]

    def run_once(self) -> float:
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            start = time.perf_counter()
            try:
                process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
            except OSError as error:
                raise ChildError(f"{self.command[0]}: {error.strerror}") from None
            limit = threading.Timer(self.timeout, process.kill)
            limit.start()
            _, status, used = os.wait4(process.pid, 0)
            spent_ms = 1000 * (time.perf_counter() - start)
            limit.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                raise ChildError(ending(process.returncode, errors))
            if self.read_ms:
                output.seek(0)
                return self.read_ms(output.read().decode())
        self.run_peak_mb = max(self.run_peak_mb, used.ru_maxrss / 1024)
        return spent_ms

    def cpu_seconds(self) -> float:
        return 0.0  # machine.ended_seconds() counts them

    def close(self) -> None:
        pass
