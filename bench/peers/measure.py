"""Times the contenders of one cell, interleaved: every round runs each of them once, in shuffled order."""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from typing import Callable

from child import Child, ChildError
from contenders import Cell, Contender, Launcher
from machine import CoreLink, Others, Patience, ended_seconds

DISTURBED = "disturbed"
MOST_ROUNDS = 3  # times the wanted ones, with the disturbed


@dataclasses.dataclass
class Plan:
    rounds: int
    reps: int
    round_ms: float  # at most this long for one contender in one round, so slow cases get fewer repetitions
    cell_seconds: float  # at most this long for all rounds of a cell, but never fewer than three rounds
    quiet_percent: float  # a round in which other processes used more of a core is `disturbed`, and made up for
    patience: Patience
    peers: list[str]
    seed: int


@dataclasses.dataclass
class Track:
    """One contender in one cell."""

    name: str
    precision: str
    variant: str = ""
    child: Child | None = None
    error: str | None = None
    reps: int = 1
    settle: int = 0  # first runs of a round, not counted: they pay for caches that others have filled
    idle_percent: float = 0.0
    rounds: list[list[float]] = dataclasses.field(default_factory=list)

    def fail(self, error: Exception) -> None:
        self.error = str(error)
        if self.child:
            self.child.close()
            self.child = None

    def calibrate(self, plan: Plan) -> float:
        once = min(self.child.run(2 if self.child.run(1)[0] < 1000 else 1))
        self.settle = min(20, max(int(once < 500), int(60 / once)))
        self.reps = max(1, min(max(plan.reps, int(100 / once)), int(plan.round_ms / once) - self.settle))
        return once * (self.reps + self.settle)

    def run_round(self) -> None:
        self.rounds.append(self.child.run(self.reps + self.settle)[self.settle:])


Extra = Callable[[], dict[str, float]]  # runs another program and gives milliseconds by name


def guarded(track: Track, step: Callable[[], float | None]) -> float:
    try:
        return step() or 0.0
    except ChildError as error:
        track.fail(error)
        return 0.0


def measure(cell: Cell, contenders: list[Contender], launcher: Launcher, plan: Plan, link: CoreLink,
            extra: Extra | None = None) -> dict:
    tracks = [Track(contender.name, contender.precision) for contender in contenders]
    try:
        for track, contender in zip(tracks, contenders):
            launcher.progress(f"  starting {track.name}")
            try:
                track.child, track.variant = launcher.start(contender, cell)
            except ChildError as error:
                track.fail(error)
                launcher.progress(f"  {track.name}: {track.error}")
        cost = sum(guarded(track, lambda: track.calibrate(plan)) for track in tracks if track.child)
        watch_idle(tracks)
        rounds = max(min(plan.rounds, int(plan.cell_seconds * 1000 / max(cost, 1.0))), min(plan.rounds, 3))
        states, extras = run_rounds(tracks, rounds, plan, link, launcher.progress, extra)
    finally:
        for track in tracks:
            if track.child:
                track.child.close()
    return summarise(cell, tracks, states, extras, plan)


def watch_idle(tracks: list[Track]) -> None:
    """How much of a core each waiting process uses; anything but zero would slow down the others."""
    alive = [track for track in tracks if track.child]
    time.sleep(0.5)
    start, before = time.monotonic(), [track.child.cpu_seconds() for track in alive]
    time.sleep(1.0)
    spent = time.monotonic() - start
    for track, seconds in zip(alive, before):
        track.idle_percent = round(100 * (track.child.cpu_seconds() - seconds) / spent, 1)


def run_rounds(tracks: list[Track], rounds: int, plan: Plan, link: CoreLink, progress: Callable[[str], None],
               extra: Extra | None) -> tuple[list[dict], list[dict]]:
    def own_seconds() -> float:
        return ended_seconds() + sum(track.child.cpu_seconds() for track in tracks if track.child)

    shuffle, states, extras, quiet = random.Random(plan.seed), [], [], 0
    while quiet < rounds and len(states) < MOST_ROUNDS * rounds:
        plan.patience.wait()
        ns = link.round_trip_ns()
        order: list[Track | None] = [track for track in tracks if track.child] + ([None] if extra else [])
        shuffle.shuffle(order)
        others = Others(own_seconds)
        for track in order:
            if track is None:
                extras.append(extra())
            else:
                guarded(track, track.run_round)
        percent = others.percent()
        state = link.state(ns) if percent <= plan.quiet_percent else DISTURBED
        quiet += state != DISTURBED
        states.append({"round_trip_ns": ns, "state": state, "others_percent": round(percent)})
        progress(f"  round {len(states)}: {state}, core link {ns or '-'} ns, other processes {percent:.0f} % of a core")
    return states, extras


def percentile(values: list[float], fraction: float) -> float:
    ordered = sorted(values)
    position = fraction * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def spread(values: list[float]) -> dict:
    return {"median_ms": round(statistics.median(values), 4), "p10_ms": round(percentile(values, 0.1), 4),
            "p90_ms": round(percentile(values, 0.9), 4), "min_ms": round(min(values), 4), "repetitions": len(values)}


def paired_ratio(track: Track, peer: Track, kept: list[int]) -> float | None:
    """Median over the kept rounds of this contender's time over the peer's in the same round."""
    if not track.rounds or not peer.rounds or track.error or peer.error:
        return None
    ratios = [statistics.median(track.rounds[i]) / statistics.median(peer.rounds[i]) for i in kept]
    return round(statistics.median(ratios), 3)


def summarise(cell: Cell, tracks: list[Track], states: list[dict], extras: list[dict], plan: Plan) -> dict:
    counts = {state: sum(s["state"] == state for s in states) for state in sorted({s["state"] for s in states})}
    majority = max(counts, key=lambda state: (state != DISTURBED, counts[state]))
    kept = [i for i, state in enumerate(states) if state["state"] == majority]
    by_name, rows = {track.name: track for track in tracks}, []
    for track in tracks:
        row = {"name": track.name, "precision": track.precision, "variant": track.variant}
        if track.error:
            rows.append(row | {"error": track.error})
            continue
        row |= spread([ms for i in kept for ms in track.rounds[i]])
        row["round_medians_ms"] = [round(statistics.median(times), 4) for times in track.rounds]
        row["ratios"] = {name: paired_ratio(track, by_name[name], kept) for name in plan.peers if name in by_name}
        row |= {"run_peak_rss_mb": round(track.child.run_peak_mb, 1), "idle_percent": track.idle_percent,
                "peak_rss_mb": round(max(track.child.run_peak_mb, track.child.load_peak_mb), 1)}
        rows.append(row)
    for name in sorted({name for lines in extras for name in lines}):
        values = [extras[i][name] for i in kept if name in extras[i]]
        if values:
            rows.append({"name": name, "precision": "", "variant": "", **spread(values), "ratios": {}})
    return {**dataclasses.asdict(cell), "majority_state": majority, "rounds_by_state": counts, "rounds": states,
            "results": rows}
