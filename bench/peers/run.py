#!/usr/bin/env python3
"""Times retentive and its peers, interleaved in one run, and writes JSON and Markdown.

Every contender is a process of its own that loads once, warms up and sleeps until it is told to run. A round runs each
of them once, in shuffled order; before it the link between two cores is measured, and only the rounds in the state that
most rounds of a cell had are counted. A contender that fails is reported in its row; the others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENV = ROOT / ".deps" / "peers-venv"
if Path(sys.prefix).resolve() != VENV.resolve():
    if not (VENV / "setup.stamp").exists():
        sys.exit("run: .deps/peers-venv is not there or not complete; run bench/peers/setup.sh first")
    if os.environ.pop("RETENTIVE_PEERS_VENV", None):
        sys.exit(f"run: {VENV}/bin/python3 starts outside its own venv; remove .deps/peers-venv and run setup.sh again")
    os.environ["RETENTIVE_PEERS_VENV"] = "1"
    python = str(VENV / "bin" / "python3")
    os.execv(python, [python, *sys.argv])

import contenders as field
from contenders import Cell, Contender, Launcher
from machine import CoreLink, Patience, describe
from measure import Extra, Plan, measure
from report import markdown

SCHEMA = "retentive.peers/1"
KERNEL_NAMES = ("masa_full_14x14x8x32", "masa_full_rotary_14x14x8x32", "masa_decomposed_56x56x4x16",
                "masa_decomposed_rotary_56x56x4x16")
EXAMPLES = """examples:
  bench/peers/run.py --models rmt_t --sizes 224 --batches 1 --rounds 5       a first look, some minutes
  bench/peers/run.py --models rmt_t,rmt_s --sizes 224 --batches 1,8 --json peers.json --markdown peers.md
  bench/peers/run.py --contenders openvino,retentive --precisions bf16        names match by part
  bench/peers/run.py --models '' --kernels --training                         only attention alone and a training step
The first run of a cell also exports the model and tries each form of it; both are kept in .deps/peers-cache."""


def words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def numbers(text: str) -> list[int]:
    return [int(word) for word in words(text)]


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--models", type=words, default=["rmt_t", "rmt_s"], help="rmt_*, vit_*, or vir_*, whose peers run timm's ViT of the same size (default rmt_t,rmt_s)")
    add("--sizes", type=numbers, default=[224], help="height = width, e.g. 224,512,1024 (default 224)")
    add("--batches", type=numbers, default=[1], help="images per run, e.g. 1,8 (default 1)")
    add("--threads", type=int, default=2, help="threads of every contender (default 2)")
    add("--precisions", type=words, default=["fp32", "bf16", "int8"], help="default fp32,bf16,int8")
    add("--contenders", type=words, default=[], help="only those whose name contains one of these words; all: "
        + ", ".join(contender.name for contender in field.ALL))
    add("--peers", type=words, default=["openvino-fp32", "openvino-bf16"],
        help="contenders to give ratios against (default openvino-fp32,openvino-bf16)")
    add("--rounds", type=int, default=15, help="rounds of a cell (default 15)")
    add("--reps", type=int, default=10, help="runs of a contender in a round (default 10)")
    add("--round-ms", type=float, default=2000, help="time of a contender in a round: fewer runs when slow (2000)")
    add("--cell-seconds", type=float, default=240, help="time of a cell: fewer rounds, at least 3, when slow (240)")
    add("--quiet-percent", type=float, default=25, help="a round is disturbed, and repeated, when other processes used "
        "more of a core than this (default 25)")
    add("--wait-seconds", type=float, default=0, help="wait so long in all for other processes to leave (default 0)")
    add("--kernels", action="store_true", help="also time attention alone, ours by `retentive bench kernels`")
    add("--training", action="store_true", help="also time a training step of RMT-T, batch 8 at 224x224")
    add("--training-command", help="a program that trains the same step and speaks the protocol of worker.py")
    add("--binary", default=str(ROOT / "build/release/bin/retentive"), help="default build/release/bin/retentive")
    add("--timeout", type=float, default=900, help="seconds to wait for one answer (default 900)")
    add("--memory-gb", type=float, default=16, help="most memory of one contender (default 16)")
    add("--seed", type=int, default=1, help="of the order of the contenders (default 1)")
    add("--date", help="written into the report instead of the clock's")
    add("--json", metavar="FILE", help="write the whole result")
    add("--markdown", metavar="FILE", help="write the tables; standard output when neither file is named")
    args = parser.parse_args()
    unknown = set(args.precisions) - {"fp32", "bf16", "int8"}
    if unknown:
        parser.error(f"--precisions: {', '.join(sorted(unknown))}: not one of fp32, bf16, int8")
    return args


def selected(every: list[Contender], args: argparse.Namespace) -> list[Contender]:
    return [contender for contender in every if contender.precision in args.precisions
            and (not args.contenders or any(word in contender.name for word in args.contenders))]


def own_kernels(binary: str, kernel: str, args: argparse.Namespace) -> Extra:
    # Ours rotate inside: the same kernel stands beside both forms of the peers.
    command = [binary, "bench", "kernels", "--json", "--filter", kernel.replace("_rotary", ""),
               "--threads", str(args.threads)]

    def run() -> dict[str, float]:
        try:
            done = subprocess.run(command, capture_output=True, text=True)
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            return {f"retentive-{line['precision']}": line["median_us"] / 1000 for line in lines}
        except (OSError, ValueError, KeyError) as error:
            progress(f"  {shlex.join(command)}: {error!r}")
            return {}

    return run


def plan_cells(args: argparse.Namespace) -> list[tuple[Cell, list[Contender], Extra | None]]:
    cells = [(Cell("latency", model, size, batch, args.threads), selected(field.ALL, args), None)
             for model in args.models for size in args.sizes for batch in args.batches]
    if args.kernels:
        cells += [(Cell("kernel", name, 0, 1, args.threads), selected(field.KERNELS, args),
                   own_kernels(args.binary, name, args)) for name in KERNEL_NAMES]
    if args.training:
        own = [Contender("retentive", "command", "fp32")] if args.training_command else []
        cells.append((Cell("training", "rmt_t", 224, 8, args.threads), own + selected(field.TRAINING, args), None))
    return cells


def write(report: dict, args: argparse.Namespace) -> None:
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    if args.markdown:
        Path(args.markdown).write_text(markdown(report))


def main() -> int:
    args = parse_arguments()
    patience = Patience(args.wait_seconds, args.quiet_percent)
    plan = Plan(args.rounds, args.reps, args.round_ms, args.cell_seconds, args.quiet_percent, patience,
                args.peers, args.seed)
    launcher = Launcher(args.binary, args.timeout, args.memory_gb, progress, shlex.split(args.training_command or ""),
                        patience)
    link, cells = CoreLink(), plan_cells(args)
    report = {"schema": SCHEMA, **describe(args.binary, args.threads, args.date), "peers": args.peers,
              "settings": {"rounds": args.rounds, "reps": args.reps, "seed": args.seed}, "cells": []}
    for index, (cell, contenders, extra) in enumerate(cells, 1):
        progress(f"[{index}/{len(cells)}] {cell.title()}")
        report["cells"].append({"title": cell.title(), **measure(cell, contenders, launcher, plan, link, extra)})
        write(report, args)
    if not args.json and not args.markdown:
        print(markdown(report), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
