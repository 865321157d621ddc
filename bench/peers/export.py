#!/usr/bin/env python3
"""Builds a model with seeded random weights and exports it, all under .deps/peers-cache: safetensors, ONNX, OpenVINO.

Every export is checked against PyTorch once (ONNX Runtime and OpenVINO in fp32, 1e-3), and with --binary also against
`retentive forward` on the very same weights. Shapes are static and the position masks are constants of the graph.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".deps" / "peers-cache"
TOLERANCE = 1e-3
SEED = 2024
SOURCES = ("rmt.py", "timm_models.py", "export.py", "requirements.txt")  # what an export depends on
OPSET = 18
CONVNEXT = "convnext_t"


@dataclasses.dataclass(frozen=True)
class Case:
    model: str = "rmt_t"
    size: int = 224
    batch: int = 1
    attention: str = "sdpa"

    def folder(self) -> Path:
        sources = b"".join((HERE / name).read_bytes() for name in SOURCES)
        digest = hashlib.sha256(sources).hexdigest()[:8]
        form = f"-{self.attention}" if self.model.startswith("rmt_") else ""
        return CACHE / f"{self.model}-{self.size}-b{self.batch}{form}-{digest}"

    def onnx(self) -> Path:
        return self.folder() / "model.onnx"

    def openvino(self) -> Path:
        return self.folder() / "model.xml"

    def weights(self) -> Path:
        size = f"-{self.size}" if self.model.startswith("vit_") else ""  # its position table has one
        return CACHE / f"{self.model}{size}-seed{SEED}.safetensors"

    def ready(self) -> bool:
        return (self.folder() / "checked").exists()


def randomise(model, seed: int = SEED) -> None:
    """Seeded values for what initialisation leaves trivial: BatchNorm, norms, layer scale."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        uniform = torch.rand(tensor.shape, generator=generator)
        if name.endswith(("gamma_1", "gamma_2")):
            tensor.copy_(0.1 + 0.2 * uniform)
        elif name.endswith("running_var") or (name.endswith("weight") and tensor.dim() == 1):
            tensor.copy_(0.5 + uniform)
        elif name.endswith(("running_mean", "bias")):
            tensor.copy_(0.2 * uniform - 0.1)


def build(case: Case, random_statistics: bool = True):
    """The model in eval mode, with the same weights for every size, batch and attention."""
    import torch

    import rmt
    import timm_models

    torch.manual_seed(SEED)
    if case.model in timm_models.NAMES:
        model = timm_models.build(case.model, case.size)
    else:
        model = rmt.build(case.model, attention=case.attention)
    if random_statistics:
        randomise(model)
    return model


def image(case: Case):
    import torch

    return torch.randn(case.batch, 3, case.size, case.size, generator=torch.Generator().manual_seed(SEED))


def deviation(actual, expected) -> float:
    import numpy

    actual, expected = numpy.asarray(actual), numpy.asarray(expected)
    return float(abs(actual - expected).max() / max(1.0, abs(expected).max()))


def check(name: str, actual, expected) -> None:
    error = deviation(actual, expected)
    if not error <= TOLERANCE:
        raise SystemExit(f"export: {name} deviates from PyTorch by {error:.2e}, more than {TOLERANCE:.0e}")
    print(f"export: {name} agrees with PyTorch: {error:.1e}", file=sys.stderr)


def run_onnxruntime(path: Path, pixels):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": pixels})[0]


def run_openvino(path: Path, pixels):
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([pixels])[0]


def run_binary(binary: str, case: Case, pixels):
    from safetensors.numpy import load_file, save_file

    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = f"{folder}/in.safetensors", f"{folder}/out.safetensors"
        save_file({"image": pixels}, inputs)
        subprocess.run([binary, "forward", "--model", case.model, "--weights", str(case.weights()), "--inputs", inputs,
                        "--outputs", outputs], check=True, stdout=subprocess.DEVNULL)
        return load_file(outputs)["logits"]


def export(case: Case) -> None:
    """Writes and checks the files of one case; does nothing when they are there."""
    if case.ready():
        return
    import openvino
    import torch
    from safetensors.torch import save_file

    case.folder().mkdir(parents=True, exist_ok=True)
    model, pixels = build(case), image(case)
    with torch.no_grad():
        expected = model(pixels)  # also makes the position tables, so that the export sees constants
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, case.weights())
        torch.onnx.export(model, (pixels,), str(case.onnx()), input_names=["image"], output_names=["logits"],
                          opset_version=OPSET, dynamo=True, verbose=False)
    check(f"{case.onnx().parent.name} ONNX Runtime", run_onnxruntime(case.onnx(), pixels.numpy()), expected)
    openvino.save_model(openvino.convert_model(str(case.onnx())), str(case.openvino()), compress_to_fp16=False)
    check(f"{case.onnx().parent.name} OpenVINO", run_openvino(case.openvino(), pixels.numpy()), expected)
    (case.folder() / "checked").touch()


def check_binary(binary: str, case: Case) -> None:
    import torch

    with torch.no_grad():
        expected = build(case)(image(case))
    check(f"{case.model} {case.size} b{case.batch} {binary}", run_binary(binary, case, image(case).numpy()), expected)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="rmt_t", help=f"rmt_*, vit_* or {CONVNEXT} (default rmt_t)")
    parser.add_argument("--size", type=int, default=224, help="height and width (default 224)")
    parser.add_argument("--batch", type=int, default=1, help="images per run (default 1)")
    parser.add_argument("--attention", choices=("sdpa", "matmul"), default="sdpa",
                        help="scaled_dot_product_attention, or the same sums in separate operators")
    parser.add_argument("--binary", help="also compare with this retentive binary (not ConvNeXt)")
    args = parser.parse_args()
    case = Case(args.model, args.size, args.batch, args.attention)
    export(case)
    if args.binary:
        check_binary(args.binary, case)
    print(case.folder())
    return 0


if __name__ == "__main__":
    sys.exit(main())
