"""Attention alone, as PyTorch offers it, on the two shapes that matter most: what retentive's kernels stand beside.

Inputs and output are NHWC [B, H, W, N, D], as in the model, so the permutations that the operator needs are timed too.
With `rotary` in the name q and k are rotated first, as the kernels of retentive do inside.
"""

from __future__ import annotations

from typing import Callable

import torch

import rmt

# name: (height, width, heads, head dimension, decomposed, rotary)
KERNELS = {
    "masa_full_14x14x8x32": (14, 14, 8, 32, False, False),
    "masa_full_rotary_14x14x8x32": (14, 14, 8, 32, False, True),
    "masa_decomposed_56x56x4x16": (56, 56, 4, 16, True, False),
    "masa_decomposed_rotary_56x56x4x16": (56, 56, 4, 16, True, True),
}


def kernel_runner(name: str, precision: str, attention: str, threads: int) -> Callable[[], object]:
    height, width, heads, dim, decomposed, rotary = KERNELS[name]
    torch.set_num_threads(threads)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    generator = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(1, height, width, heads, dim, generator=generator).to(dtype) for _ in range(3))
    position = rmt.RelPos(heads * dim, heads, 2, 4 if decomposed else 6, decomposed)
    position.prepare(height, width)
    position.to(dtype)
    masa = rmt.ManhattanAttention(heads * dim, heads, decomposed, attention)
    mix = masa.along_axes if decomposed else masa.full

    def run():
        with torch.inference_mode():
            a, b = q, k
            if rotary:
                a, b = rmt.rotate(q, position.sin, position.cos), rmt.rotate(k, position.sin, position.cos)
            return mix(a, b, v, position).reshape(1, height, width, heads * dim)

    return run
