"""RMT in plain PyTorch, as a user of PyTorch would write it: the peer that retentive is measured against.

Inside, tensors are NHWC; state_dict keys are the official ones. The relative position tables are kept for the last
input size (`prepare`), so that a repeated size costs nothing and an export sees constants.
"""

from __future__ import annotations

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclasses.dataclass
class Config:
    embed_dims: list[int]
    depths: list[int]
    num_heads: list[int]
    heads_ranges: list[float]
    mlp_ratios: list[float]
    chunkwise_recurrents: list[bool]
    layerscales: list[bool] = dataclasses.field(default_factory=lambda: [False] * 4)
    init_values: list[float] = dataclasses.field(default_factory=lambda: [2] * 4)
    layer_init_values: float = 1e-6
    projection: int = 1024
    num_classes: int = 1000
    drop_path_rate: float = 0.0
    attention: str = "sdpa"  # or "matmul": the same sums in separate operators


VARIANTS = {
    "rmt_t": Config([64, 128, 256, 512], [2, 2, 8, 2], [4, 4, 8, 16], [4, 4, 6, 6], [3, 3, 3, 3],
                    [True, True, False, False], drop_path_rate=0.1),
    "rmt_s": Config([64, 128, 256, 512], [3, 4, 18, 4], [4, 4, 8, 16], [4, 4, 6, 6], [4, 4, 3, 3],
                    [True, True, True, False], drop_path_rate=0.15),
    "rmt_b": Config([80, 160, 320, 512], [4, 8, 25, 8], [5, 5, 10, 16], [5, 5, 6, 6], [4, 4, 3, 3],
                    [True, True, True, False], [False, False, True, True], drop_path_rate=0.4),
    "rmt_l": Config([112, 224, 448, 640], [4, 8, 25, 8], [7, 7, 14, 20], [6, 6, 6, 6], [4, 4, 3, 3],
                    [True, True, True, False], [False, False, True, True], drop_path_rate=0.5),
}


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, kind: str) -> Tensor:
    """q, k, v [B, N, T, D], mask [N, T, T] added to the scaled scores -> [B, N, T, D]."""
    if kind == "sdpa":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask.unsqueeze(0))
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + mask
    return scores.softmax(-1) @ v


def rotate(x: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
    """Rotates the pairs (2i, 2i + 1) of the last axis. x [B, H, W, N, D], sin and cos [H, W, 1, D / 2]."""
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)


class RelPos(nn.Module):
    """Rotary tables and decay masks of one stage."""

    def __init__(self, dim: int, heads: int, initial: float, heads_range: float, decomposed: bool):
        super().__init__()
        pairs = dim // heads // 2
        self.register_buffer("angle", (1.0 / 10000 ** torch.linspace(0, 1, pairs)).repeat_interleave(2))
        self.register_buffer("decay", torch.log(1 - 2 ** (-initial - heads_range * torch.arange(heads) / heads)))
        self.decomposed = decomposed
        for name in ("sin", "cos", "mask", "mask_h", "mask_w"):
            self.register_buffer(name, None, persistent=False)
        self.size = (0, 0)
        self.register_load_state_dict_post_hook(lambda module, _: setattr(module, "size", (0, 0)))

    @torch.no_grad()
    def prepare(self, height: int, width: int) -> None:
        if (height, width) == self.size:
            return
        if self.angle.dtype != torch.float32:
            raise ValueError(f"RelPos holds {self.angle.dtype}; call prepare(height, width) before .to(bfloat16)")
        phase = torch.arange(height * width, dtype=torch.float32)[:, None] * self.angle[::2]
        phase = phase.view(height, width, 1, -1)
        self.sin, self.cos = phase.sin(), phase.cos()
        self.mask_h, self.mask_w = self.axis_mask(height), self.axis_mask(width)
        if not self.decomposed:
            mask = self.mask_h[:, :, None, :, None] + self.mask_w[:, None, :, None, :]
            self.mask = mask.reshape(-1, height * width, height * width)
            self.mask_h = self.mask_w = None
        self.size = (height, width)

    def axis_mask(self, length: int) -> Tensor:
        index = torch.arange(length)
        return (index[:, None] - index).abs() * self.decay[:, None, None]


class DepthwiseConv(nn.Module):
    def __init__(self, dim: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class ManhattanAttention(nn.Module):
    def __init__(self, dim: int, heads: int, decomposed: bool, kind: str):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.lepe = DepthwiseConv(dim, 5)
        self.out_proj = nn.Linear(dim, dim)
        self.heads, self.decomposed, self.kind = heads, decomposed, kind

    def forward(self, x: Tensor, pos: RelPos) -> Tensor:
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        lepe = self.lepe(v)
        q, k, v = (t.unflatten(-1, (self.heads, -1)) for t in (q, k, v))  # [B, H, W, N, D]
        q, k = rotate(q, pos.sin, pos.cos), rotate(k, pos.sin, pos.cos)
        mixed = self.along_axes(q, k, v, pos) if self.decomposed else self.full(q, k, v, pos)
        return self.out_proj(mixed.reshape(x.shape) + lepe)

    def full(self, q: Tensor, k: Tensor, v: Tensor, pos: RelPos) -> Tensor:
        q, k, v = (t.flatten(1, 2).transpose(1, 2) for t in (q, k, v))  # [B, N, H * W, D]
        return attend(q, k, v, pos.mask, self.kind).transpose(1, 2)

    def along_axes(self, q: Tensor, k: Tensor, v: Tensor, pos: RelPos) -> Tensor:
        batch, height, width, heads, dim = q.shape
        rows = (t.permute(0, 1, 3, 2, 4).reshape(batch * height, heads, width, dim) for t in (q, k, v))
        v = attend(*rows, pos.mask_w, self.kind).view(batch, height, heads, width, dim).permute(0, 1, 3, 2, 4)
        columns = (t.permute(0, 2, 3, 1, 4).reshape(batch * width, heads, height, dim) for t in (q, k, v))
        out = attend(*columns, pos.mask_h, self.kind).view(batch, width, heads, height, dim)
        return out.permute(0, 3, 1, 2, 4)


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dwconv = DepthwiseConv(hidden, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.fc1(x))
        return self.fc2(x + self.dwconv(x))


class Block(nn.Module):
    def __init__(self, config: Config, stage: int, drop_path: float):
        super().__init__()
        dim = config.embed_dims[stage]
        self.gamma_1 = self.gamma_2 = 1.0
        if config.layerscales[stage]:
            self.gamma_1 = nn.Parameter(torch.full((1, 1, 1, dim), config.layer_init_values))
            self.gamma_2 = nn.Parameter(torch.full((1, 1, 1, dim), config.layer_init_values))
        self.retention_layer_norm = nn.LayerNorm(dim, eps=1e-6)
        self.retention = ManhattanAttention(dim, config.num_heads[stage], config.chunkwise_recurrents[stage],
                                            config.attention)
        self.final_layer_norm = nn.LayerNorm(dim, eps=1e-6)
        self.ffn = FeedForward(dim, int(config.mlp_ratios[stage] * dim))
        self.pos = DepthwiseConv(dim, 3)
        self.drop_path = drop_path

    def branch(self, x: Tensor, gamma: Tensor | float) -> Tensor:
        if isinstance(gamma, Tensor):
            x = x * gamma
        if self.training and self.drop_path > 0:
            keep = x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(1 - self.drop_path)
            x = x * keep / (1 - self.drop_path)
        return x

    def forward(self, x: Tensor, pos: RelPos) -> Tensor:
        x = x + self.pos(x)
        x = x + self.branch(self.retention(self.retention_layer_norm(x), pos), self.gamma_1)
        return x + self.branch(self.ffn(self.final_layer_norm(x)), self.gamma_2)


class PatchEmbed(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        half = dim // 2
        self.proj = nn.Sequential(
            nn.Conv2d(3, half, 3, 2, 1), nn.BatchNorm2d(half), nn.GELU(),
            nn.Conv2d(half, half, 3, 1, 1), nn.BatchNorm2d(half), nn.GELU(),
            nn.Conv2d(half, dim, 3, 2, 1), nn.BatchNorm2d(dim), nn.GELU(),
            nn.Conv2d(dim, dim, 3, 1, 1), nn.BatchNorm2d(dim))

    def forward(self, image: Tensor) -> Tensor:
        return self.proj(image).permute(0, 2, 3, 1).contiguous()


class Downsample(nn.Module):
    def __init__(self, dim: int, out_dim: int):
        super().__init__()
        self.reduction = nn.Conv2d(dim, out_dim, 3, 2, 1)
        self.norm = nn.BatchNorm2d(out_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.reduction(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1).contiguous()


class Stage(nn.Module):
    def __init__(self, config: Config, stage: int, drop_paths: list[float]):
        super().__init__()
        self.Relpos = RelPos(config.embed_dims[stage], config.num_heads[stage], config.init_values[stage],
                             config.heads_ranges[stage], config.chunkwise_recurrents[stage])
        self.blocks = nn.ModuleList(Block(config, stage, rate) for rate in drop_paths)
        self.downsample = None if stage == 3 else Downsample(config.embed_dims[stage], config.embed_dims[stage + 1])

    def forward(self, x: Tensor) -> Tensor:
        """The stage's output before downsampling."""
        self.Relpos.prepare(x.shape[1], x.shape[2])
        for block in self.blocks:
            x = block(x, self.Relpos)
        return x


class RMT(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        rates = torch.linspace(0, config.drop_path_rate, sum(config.depths)).tolist()
        starts = [sum(config.depths[:s]) for s in range(5)]
        self.patch_embed = PatchEmbed(config.embed_dims[0])
        self.layers = nn.ModuleList(Stage(config, s, rates[starts[s]:starts[s + 1]]) for s in range(4))
        self.proj = nn.Linear(config.embed_dims[-1], config.projection)
        self.norm = nn.BatchNorm2d(config.projection)
        self.head = nn.Linear(config.projection, config.num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor:
        """image [B, 3, H, W] -> logits [B, classes]."""
        return self.head(self.pooled(self.stages(image)[-1]))

    def stages(self, image: Tensor) -> list[Tensor]:
        """The four stage outputs before downsampling, NHWC."""
        x, outputs = self.patch_embed(image), []
        for stage in self.layers:
            outputs.append(stage(x))
            if stage.downsample is not None:
                x = stage.downsample(outputs[-1])
        return outputs

    def pooled(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm(self.proj(x).permute(0, 3, 1, 2)))
        return x.mean((2, 3))

    @torch.no_grad()
    def prepare(self, height: int, width: int) -> None:
        """Makes the position tables for images of height x width."""
        for stage in range(4):
            height, width = math.ceil(height / 2), math.ceil(width / 2)
            if stage == 0:
                height, width = math.ceil(height / 2), math.ceil(width / 2)
            self.layers[stage].Relpos.prepare(height, width)


def build(name: str, **changes) -> RMT:
    return RMT(dataclasses.replace(VARIANTS[name], **changes)).eval()
