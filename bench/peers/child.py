"""A contender's process, seen from the parent."""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import tempfile
from pathlib import Path

from machine import TICKS


class ChildError(Exception):
    pass


class Child:
    """Starts `command`, which speaks worker.py's protocol, and waits until it is ready."""

    def __init__(self, command: list[str], timeout: float, memory_gb: float):
        limit = int(memory_gb * 2**30)

        def confine():
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
            Path("/proc/self/oom_score_adj").write_text("1000")

        self.timeout, self.pending = timeout, b""
        self.errors = tempfile.TemporaryFile()
        self.load_peak_mb = self.run_peak_mb = 0.0
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                            bufsize=0, preexec_fn=confine)
        except OSError as error:
            raise ChildError(f"{command[0]}: {error.strerror}") from None
        try:
            self.info = self.read()
            if not self.info.get("ready"):
                raise ChildError(f"expected {{\"ready\": true}} first, got {self.info}")
            self.load_peak_mb = self.peak_mb()
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
        code = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"exit {code}: {lines[-1][:300] if lines else 'no message'}"

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
