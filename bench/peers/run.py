#!/usr/bin/env python3
"""Times retentive and its peers, interleaved in one run, and writes results for `retentive bench report`.

Every contender is a process of its own that loads once, warms up and sleeps until it is told to run. A round runs each
of them once, in shuffled order; before it the link between two cores is measured, and only the rounds in the state that
most rounds of a cell had are counted. A contender that fails is reported as not run; the others go on.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
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
from child import ChildError
from contenders import Cell, Contender, Launcher
from machine import CoreLink, Patience
from measure import Plan, measure
from results import Binary, command_line, result_cell, text_of

KERNEL_NAMES = ("masa_full_14x14x8x32", "masa_full_rotary_14x14x8x32", "masa_decomposed_56x56x4x16",
                "masa_decomposed_rotary_56x56x4x16")
EXAMPLES = """examples:
  bench/peers/run.py --models rmt_t --sizes 224 --batches 1 --rounds 5       a first look, some minutes
  bench/peers/run.py --models rmt_t,rmt_s --sizes 224 --batches 1,8 --json peers.json
  bench/peers/run.py --contenders openvino,retentive --precisions bf16        names match by part
  bench/peers/run.py --models '' --kernels --processes                        only attention alone and whole programs
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
    add("--models", type=words, default=["rmt_t", "rmt_s"],
        help="rmt_*, vit_*, or vir_*, whose peers run timm's ViT of the same size (default rmt_t,rmt_s)")
    add("--sizes", type=numbers, default=[224], help="height = width, e.g. 224,512,1024 (default 224)")
    add("--batches", type=numbers, default=[1], help="images per run, e.g. 1,8 (default 1)")
    add("--threads", type=int, default=2, help="threads of every contender (default 2)")
    add("--precisions", type=words, default=["fp32", "bf16", "int8"], help="default fp32,bf16,int8")
    add("--contenders", type=words, default=[], help="only those whose name contains one of these words; all: "
        + ", ".join(contender.name for contender in field.ALL))
    add("--rounds", type=int, default=15, help="rounds of a cell (default 15)")
    add("--reps", type=int, default=10, help="runs of a contender in a round (default 10)")
    add("--round-ms", type=float, default=2000, help="time of a contender in a round: fewer runs when slow (2000)")
    add("--cell-seconds", type=float, default=240, help="time of a cell: fewer rounds, at least 3, when slow (240)")
    add("--quiet-percent", type=float, default=25, help="a round is disturbed, and repeated, when other processes used "
        "more of a core than this (default 25)")
    add("--wait-seconds", type=float, default=0, help="wait so long in all for other processes to leave (default 0)")
    add("--kernels", action="store_true", help="also time attention alone, ours by `retentive bench kernels`")
    add("--processes", action="store_true", help="also time whole programs: retentive --version and classify")
    add("--training", action="store_true", help="also time a training step of RMT-T, batch 8 at 224x224")
    add("--binary", default=str(ROOT / "build/release/bin/retentive"), help="default build/release/bin/retentive")
    add("--timeout", type=float, default=900, help="seconds to wait for one answer (default 900)")
    add("--memory-gb", type=float, default=16, help="most memory of one contender (default 16)")
    add("--seed", type=int, default=1, help="of the order of the contenders (default 1)")
    add("--date", help="written into the results instead of the clock's")
    add("--json", metavar="FILE", help="write results for `retentive bench report FILE`; default: its tables on stdout")
    args = parser.parse_args()
    unknown = set(args.precisions) - {"fp32", "bf16", "int8"}
    if unknown:
        parser.error(f"--precisions: {', '.join(sorted(unknown))}: not one of fp32, bf16, int8")
    return args


def selected(every: list[Contender], args: argparse.Namespace) -> list[Contender]:
    return [contender for contender in every if contender.precision in (*args.precisions, "")
            and (not args.contenders or any(word in contender.name for word in args.contenders))]


def plan_cells(args: argparse.Namespace) -> list[tuple[Cell, list[Contender]]]:
    cells = [(Cell("image", model, size, batch, args.threads), selected(field.ALL, args))
             for model in args.models for size in args.sizes for batch in args.batches]
    if args.kernels:
        cells += [(Cell("kernel", name, 0, 1, args.threads), selected(field.KERNELS, args)) for name in KERNEL_NAMES]
    if args.training:
        cells.append((Cell("training", "rmt_t", 224, 8, args.threads), selected(field.TRAINING, args)))
    if args.processes:
        cells.append((Cell("process", "rmt_t", 28, 1, args.threads), selected(field.PROCESSES, args)))
    return without_repeats(cells)


def without_repeats(cells: list[tuple[Cell, list[Contender]]]) -> list[tuple[Cell, list[Contender]]]:
    """Results hold a cell once: peers of several models run beside the first of them, such as ConvNeXt."""
    seen, planned = set(), []
    for cell, contenders in cells:
        cases = {(contender.name, dataclasses.replace(cell, model=contender.model_of(cell))): contender
                 for contender in contenders}
        new = [contender for case, contender in cases.items() if case not in seen]
        seen |= cases.keys()
        if new:
            planned.append((cell, new))
    return planned


def run(args: argparse.Namespace, folder: str) -> None:
    cells = plan_cells(args)
    if not cells:
        raise ChildError("nothing to measure: no contender has such a name and precision; --help lists them")
    patience = Patience(args.wait_seconds, args.quiet_percent)
    plan = Plan(args.rounds, args.reps, args.round_ms, args.cell_seconds, args.quiet_percent, patience, args.seed)
    launcher = Launcher(args.binary, folder, args.timeout, args.memory_gb, progress, patience)
    link, binary = CoreLink(), Binary(args.binary, args.threads, args.timeout, progress)
    patience.wait()
    document = binary.document(args.precisions[0], command_line(sys.argv[1:]), args.date)
    path = Path(args.json or f"{folder}/results.json")
    for index, (cell, contenders) in enumerate(cells, 1):
        progress(f"[{index}/{len(cells)}] {cell.title()}")
        for row in measure(cell, contenders, launcher, plan, link):
            own = dataclasses.replace(cell, model=row.contender.model_of(cell))
            document["cells"].append(result_cell(own, row, binary.facts(own)))
        binary.raise_ceilings(document, args.precisions)
        path.write_text(text_of(document))
    if not args.json:
        subprocess.run([args.binary, "bench", "report", str(path)], check=True)


def main() -> int:
    args = parse_arguments()
    try:
        with tempfile.TemporaryDirectory() as folder:
            run(args, folder)
    except (ChildError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"run: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
