"""One contender in a process of its own: loads, warms up, says it is ready, then runs as often as each line asks.

Protocol, also that of `retentive bench latency --serve`: the first line out is {"ready": true, ...}; each line in is
`run N` and is answered by {"times_ms": [...]}; the end of the input ends the process.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import sys
import time
from pathlib import Path
from typing import Callable

from export import Case, build, image

WARM_UP_SECONDS = 1.5
WARM_UP_RUNS = 100

Run = Callable[[], object]


def torch_runner(case: Case, precision: str, variant: str, threads: int) -> Run:
    """variant: for fp32 nothing; for bf16 `cast` (the model itself) or `autocast`."""
    import torch

    torch.set_num_threads(threads)
    model = build(case).to(memory_format=torch.channels_last)
    pixels = image(case).contiguous(memory_format=torch.channels_last)
    if hasattr(model, "prepare"):
        model.prepare(case.size, case.size)
    context = contextlib.nullcontext
    if precision == "bf16" and variant == "cast":
        model, pixels = model.to(torch.bfloat16), pixels.to(torch.bfloat16)
    elif precision == "bf16":
        context = lambda: torch.autocast("cpu", torch.bfloat16)

    def run():
        with torch.inference_mode(), context():
            return model(pixels)

    return run


def onnxruntime_runner(case: Case, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(str(case.onnx()), options, providers=["CPUExecutionProvider"])
    feed = {"image": image(case).numpy()}
    return lambda: session.run(None, feed)


def openvino_runner(case: Case, precision: str, threads: int) -> Run:
    import openvino

    hints = {"INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision], "NUM_STREAMS": 1,
             "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(str(case.openvino()), "CPU", hints)
    request = compiled.create_infer_request()
    pixels = image(case).numpy()
    return lambda: request.infer([pixels], share_inputs=True, share_outputs=True)


def training_runner(case: Case, precision: str, threads: int) -> Run:
    """One step of the recipe of RMT: soft-target cross-entropy, backward, AdamW without decay on vectors."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    model = build(case, random_statistics=False).train().to(memory_format=torch.channels_last)
    pixels = image(case).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(case.batch) % 1000
    groups = [{"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.05},
              {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=5e-4 * case.batch / 512, betas=(0.9, 0.999), eps=1e-8)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = model(pixels)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def make_runner(args: argparse.Namespace) -> Run:
    case = Case(args.model, args.size, args.batch, args.attention)
    if args.task == "kernel":
        from kernels import kernel_runner

        return kernel_runner(args.model, args.precision, args.attention, args.threads)
    if args.task == "training":
        return training_runner(case, args.precision, args.threads)
    if args.runtime == "torch":
        return torch_runner(case, args.precision, args.variant, args.threads)
    if args.runtime == "onnxruntime":
        return onnxruntime_runner(case, args.threads)
    return openvino_runner(case, args.precision, args.threads)


def timed(run: Run) -> float:
    start = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - start) / 1e6


def warm_up(run: Run) -> None:
    end = time.monotonic() + WARM_UP_SECONDS
    for count in range(WARM_UP_RUNS):
        run()
        if count >= 1 and time.monotonic() > end:
            break


def resident_mb() -> float:
    """Memory that loading needs to keep, as `retentive bench` counts it: without what the allocator only holds."""
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=("image", "kernel", "training"), default="image")
    parser.add_argument("--runtime", choices=("torch", "onnxruntime", "openvino"), default="torch")
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--attention", choices=("sdpa", "matmul"), default="sdpa")
    parser.add_argument("--variant", choices=("cast", "autocast"), default="cast")
    return parser.parse_args()


def main() -> int:
    # Libraries may print on the standard output: the protocol keeps the real one for itself.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    run = make_runner(parse_arguments())
    loaded_mb = resident_mb()
    warm_up(run)
    print(json.dumps({"ready": True, "loaded_rss_mb": round(loaded_mb, 3)}), file=answers)
    for line in sys.stdin:
        word, _, count = line.strip().partition(" ")
        if word != "run" or not count.isdigit():
            print(json.dumps({"error": f"expected `run N`, got {line.strip()!r}"}), file=answers)
            continue
        print(json.dumps({"times_ms": [round(timed(run), 4) for _ in range(int(count))]}), file=answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
