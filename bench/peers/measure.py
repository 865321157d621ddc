"""Times the contenders of one cell, interleaved: every round runs each of them once, in shuffled order."""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from typing import Callable

from child import Child, ChildError, Program
from contenders import Cell, Contender, Launcher
from machine import CoreLink, Others, Patience, ended_seconds

DISTURBED = "disturbed"
MOST_ROUNDS = 3  # times the wanted ones, with the disturbed
MOST_IDLE_PERCENT = 1


@dataclasses.dataclass
class Plan:
    rounds: int
    reps: int
    round_ms: float  # at most this long for one contender in one round, so slow cases get fewer repetitions
    cell_seconds: float  # at most this long for all rounds of a cell, but never fewer than three rounds
    quiet_percent: float  # a round in which other processes used more of a core is `disturbed`, and made up for
    patience: Patience
    seed: int


@dataclasses.dataclass
class Measured:
    """What became of one contender in one cell: times of the kept rounds, or why there are none."""

    contender: Contender
    variant: str
    pingpong_ns: float  # median over the kept rounds
    rounds: dict[str, int]  # of the cell, by state; disturbed ones are kept only if there are no others
    times_ms: list[float] = dataclasses.field(default_factory=list)
    peak_rss_mb: float = 0.0
    loaded_rss_mb: float = 0.0
    skipped: str = ""


@dataclasses.dataclass
class Track:
    """One contender in one cell."""

    contender: Contender
    variant: str = ""
    child: Child | Program | None = None
    error: str = ""
    reps: int = 1
    settle: int = 0  # first runs of a round, not counted: they pay for caches that others have filled
    rounds: list[list[float]] = dataclasses.field(default_factory=list)

    def fail(self, error: Exception) -> None:
        self.error = str(error) or repr(error)
        if self.child:
            self.child.close()
            self.child = None

    def calibrate(self, plan: Plan) -> float:
        """Milliseconds of a round. A program that starts anew runs once in each, so that programs alternate."""
        if isinstance(self.child, Program):
            start = time.monotonic()
            self.child.run(1)
            return 1000 * (time.monotonic() - start)
        once = min(self.child.run(2 if self.child.run(1)[0] < 1000 else 1))
        self.settle = min(20, max(int(once < 500), int(60 / once)))
        self.reps = max(1, min(max(plan.reps, int(100 / once)), int(plan.round_ms / once) - self.settle))
        return once * (self.reps + self.settle)

    def run_round(self) -> None:
        self.rounds.append(self.child.run(self.reps + self.settle)[self.settle:])


def guarded(track: Track, step: Callable[[], float | None]) -> float:
    try:
        return step() or 0.0
    except ChildError as error:
        track.fail(error)
        return 0.0


def measure(cell: Cell, contenders: list[Contender], launcher: Launcher, plan: Plan, link: CoreLink) -> list[Measured]:
    tracks = [Track(contender) for contender in contenders]
    try:
        for track in tracks:
            name = track.contender.name
            launcher.progress(f"  starting {name}")
            try:
                track.child, track.variant = launcher.start(track.contender, cell)
            except ChildError as error:
                track.fail(error)
                launcher.progress(f"  {name}: {track.error}")
        cost = sum(guarded(track, lambda: track.calibrate(plan)) for track in tracks if track.child)
        watch_idle(tracks, launcher.progress)
        rounds = max(min(plan.rounds, int(plan.cell_seconds * 1000 / max(cost, 1.0))), min(plan.rounds, 3))
        states = run_rounds(tracks, rounds, plan, link, launcher.progress)
    finally:
        for track in tracks:
            if track.child:
                track.child.close()
    return summarise(tracks, states, launcher.progress)


def watch_idle(tracks: list[Track], progress: Callable[[str], None]) -> None:
    """Says which waiting processes use a core: those slow down the others."""
    alive = [track for track in tracks if track.child]
    time.sleep(0.5)
    start, before = time.monotonic(), [track.child.cpu_seconds() for track in alive]
    time.sleep(1.0)
    spent = time.monotonic() - start
    for track, seconds in zip(alive, before):
        percent = 100 * (track.child.cpu_seconds() - seconds) / spent
        if percent > MOST_IDLE_PERCENT:
            progress(f"  {track.contender.name} uses {percent:.0f} % of a core while it waits")


def run_rounds(tracks: list[Track], rounds: int, plan: Plan, link: CoreLink,
               progress: Callable[[str], None]) -> list[dict]:
    def own_seconds() -> float:
        return ended_seconds() + sum(track.child.cpu_seconds() for track in tracks if track.child)

    shuffle, states, quiet = random.Random(plan.seed), [], 0
    while quiet < rounds and len(states) < MOST_ROUNDS * rounds:
        plan.patience.wait()
        ns = link.round_trip_ns()
        order = [track for track in tracks if track.child]
        shuffle.shuffle(order)
        others = Others(own_seconds)
        for track in order:
            guarded(track, track.run_round)
        percent = others.percent()
        state = link.state(ns) if percent <= plan.quiet_percent else DISTURBED
        quiet += state != DISTURBED
        states.append({"round_trip_ns": ns, "state": state, "others_percent": round(percent)})
        progress(f"  round {len(states)}: {state}, core link {ns or '-'} ns, other processes {percent:.0f} % of a core")
    return states


def summarise(tracks: list[Track], states: list[dict], progress: Callable[[str], None]) -> list[Measured]:
    counts = {state: sum(s["state"] == state for s in states) for state in sorted({s["state"] for s in states})}
    majority = max(counts, key=lambda state: (state != DISTURBED, counts[state]))
    kept = [i for i, state in enumerate(states) if state["state"] == majority]
    progress(f"  kept the {len(kept)} {majority} of {len(states)} rounds")
    trips = [states[i]["round_trip_ns"] for i in kept if states[i]["round_trip_ns"]]
    pingpong_ns = statistics.median(trips) if trips else 0.0
    rows = []
    for track in tracks:
        row = Measured(track.contender, track.variant, pingpong_ns, counts, skipped=track.error)
        if track.child:
            row.times_ms = [ms for i in kept for ms in track.rounds[i]]
            row.peak_rss_mb, row.loaded_rss_mb = track.child.run_peak_mb, track.child.loaded_mb
        rows.append(row)
    return rows
