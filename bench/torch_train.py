#!/usr/bin/env python3
"""Trains a dense OLMo 2 shape in float32 with PyTorch and prints what it reaches: the rival of `flexkernel bench train`.

One JSON object per measured step {"tokens_per_second", "loss"}, then one {"description", "parameters", "peak_bytes"}.
A step is forward, backward, clipping to norm 1, AdamW and zeroed gradients. Needs PyTorch 1.13 or newer, nothing else.
"""
import argparse
import json
import os
import resource
import time

# OpenBLAS takes AVX2 kernels for processors it does not know.
if "OPENBLAS_CORETYPE" not in os.environ and os.path.exists("/proc/cpuinfo"):
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        if "avx512bw" in cpuinfo.read():
            os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"

import torch
from torch import nn
from torch.nn import functional


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        if hasattr(functional, "rms_norm"):
            return functional.rms_norm(x, self.weight.shape, self.weight, 1e-6)
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.weight


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width, inner = shape.hidden, shape.intermediate
        self.heads = shape.heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)
        self.query_norm, self.key_norm = RmsNorm(width), RmsNorm(width)
        self.attention_norm, self.feed_forward_norm = RmsNorm(width), RmsNorm(width)

    def forward(self, x, cosine, sine, mask):
        query, key, value = self.qkv(x).chunk(3, -1)
        query = rotate(self.split(self.query_norm(query)), cosine, sine)
        key = rotate(self.split(self.key_norm(key)), cosine, sine)
        mixed = attend(query, key, self.split(value), mask)
        x = x + self.attention_norm(self.output(mixed.transpose(1, 2).flatten(2)))
        gate, up = self.gate_up(x).chunk(2, -1)
        return x + self.feed_forward_norm(self.down(functional.silu(gate) * up))

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Model(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embedding = nn.Embedding(shape.vocab, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RmsNorm(shape.hidden)
        self.head = nn.Linear(shape.hidden, shape.vocab, bias=False)
        channels = shape.hidden // shape.heads
        angles = torch.outer(torch.arange(shape.tokens), 500000.0 ** (-torch.arange(0, channels, 2) / channels)).repeat(1, 2)
        self.register_buffer("cosine", angles.cos())
        self.register_buffer("sine", angles.sin())
        self.register_buffer("mask", torch.full((shape.tokens, shape.tokens), float("-inf")).triu(1))
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids, targets):
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x, self.cosine, self.sine, self.mask)
        return functional.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


def rotate(x, cosine, sine):
    left, right = x.chunk(2, -1)
    return x * cosine + torch.cat((-right, left), -1) * sine


def attend(query, key, value, mask):
    if hasattr(functional, "scaled_dot_product_attention"):
        return functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    return functional.softmax(scores + mask, -1) @ value


def prepare(model, mode, batch):
    if mode == "jit":
        return torch.jit.trace(model, batch)
    if mode == "compile":
        return torch.compile(model)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"layers": 10, "hidden": 256, "intermediate": 704, "heads": 8, "vocab": 8192, "tokens": 256, "batch": 8, "threads": 1, "steps": 5}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{value} by default")
    parser.add_argument("--mode", choices=["eager", "jit", "compile"], default="eager", help="jit: traced; compile: torch.compile, PyTorch 2")
    shape = parser.parse_args()
    torch.set_num_threads(shape.threads)
    torch.manual_seed(1)
    model = Model(shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    tokens = torch.randint(shape.vocab, (shape.batch, shape.tokens + 1))
    batch = (tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
    run = prepare(model, shape.mode, batch)
    warm_up = 4 if shape.mode == "jit" else 2
    for step in range(warm_up + shape.steps):
        start = time.perf_counter()
        loss = run(*batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds = time.perf_counter() - start
        if step >= warm_up:
            print(json.dumps({"tokens_per_second": shape.batch * shape.tokens / seconds, "loss": loss.item()}), flush=True)
    print(json.dumps({
        "description": f"PyTorch {torch.__version__}, {shape.mode}",
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))


if __name__ == "__main__":
    main()
