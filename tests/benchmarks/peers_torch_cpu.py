#!/usr/bin/env python3
"""Decode speed of the same network in PyTorch on the CPU: the peer of step_bench.

  peers_torch_cpu.py [--batches 1,8,32] [--steps 8] [--tries 3]

The network of step_bench (128 layers, width 256, 2 heads, keys 64, values 128, one strided layer in four, the others
local, l = 96, n = 3,072; random weights), one token per step at half the context, with two kinds of cache:

  dense   a static cache of the whole context, of which each step reads what stands before it
  sparse  a ring of 96 rows for local layers, one column of the [row][residue] cache for strided ones

Prints one JSON object: {"torch": version, "threads": n, "rows": [{"cache", "format", "batch", "step_ms_median",
"tokens_per_second"}]}. Works with PyTorch 1.13 and newer.
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

LAYERS, WIDTH, HEADS, KEY, VALUE, HIDDEN, STRIDE, CONTEXT, VOCAB = 128, 256, 2, 64, 128, 512, 96, 3072, 256


class Network:
    """Weights and caches of one run; `cache` is "dense" or "sparse"."""

    def __init__(self, cache, dtype, batch):
        random = lambda *shape: (torch.randn(*shape) * 0.02).to(dtype)
        self.sparse = cache == "sparse"
        self.batch = batch
        self.embedding, self.head = random(VOCAB, WIDTH), random(VOCAB, WIDTH)
        self.norm = (torch.ones(WIDTH, dtype=dtype), torch.zeros(WIDTH, dtype=dtype))
        qkv = HEADS * (2 * KEY + VALUE)
        self.layers = [
            {"qkv": (random(qkv, WIDTH), random(qkv)), "o": (random(WIDTH, HEADS * VALUE), random(WIDTH)),
             "up": (random(HIDDEN, WIDTH), random(HIDDEN)), "down": (random(WIDTH, HIDDEN), random(WIDTH)),
             **self.caches(layer, dtype)}
            for layer in range(LAYERS)]

    def caches(self, layer, dtype):
        """Keys and values [batch, heads, rows, width]; a strided layer's rows are [residue][row]."""
        strided = layer % 4 == 0
        rows = STRIDE if self.sparse and not strided else CONTEXT
        shape = (self.batch, HEADS, rows)
        return {"strided": strided, "k": torch.randn(*shape, KEY).to(dtype), "v": torch.randn(*shape, VALUE).to(dtype)}

    def read(self, layer, position):
        """(row that the new key goes to, first row read, end of the rows read)."""
        if not self.sparse:
            return position, 0, position + 1
        if not layer["strided"]:
            return position % STRIDE, 0, min(position + 1, STRIDE)
        first = position % STRIDE * (CONTEXT // STRIDE)
        row = first + position // STRIDE
        return row, first, row + 1

    def attend(self, layer, x, position):
        q, k, v = F.linear(x, *layer["qkv"]).split([HEADS * KEY, HEADS * KEY, HEADS * VALUE], dim=-1)
        row, first, end = self.read(layer, position)
        layer["k"][:, :, row] = k.view(self.batch, HEADS, KEY)
        layer["v"][:, :, row] = v.view(self.batch, HEADS, VALUE)
        keys, values = layer["k"][:, :, first:end], layer["v"][:, :, first:end]
        scores = q.view(self.batch, HEADS, 1, KEY) @ keys.transpose(-1, -2) * KEY ** -0.5
        mixed = torch.softmax(scores, dim=-1) @ values
        return F.linear(mixed.view(self.batch, HEADS * VALUE), *layer["o"])

    def step(self, tokens, position):
        x = self.embedding[tokens]
        for layer in self.layers:
            x = x + self.attend(layer, F.layer_norm(x, (WIDTH,), *self.norm), position)
            hidden = F.linear(F.layer_norm(x, (WIDTH,), *self.norm), *layer["up"])
            x = x + F.linear(hidden * torch.sigmoid(1.702 * hidden), *layer["down"])
        return (F.layer_norm(x, (WIDTH,), *self.norm) @ self.head.T).argmax(-1)


def measure(cache, name, batch, arguments):
    network = Network(cache, getattr(torch, name), batch)
    tokens = torch.zeros(batch, dtype=torch.long)
    medians = []
    for _ in range(arguments.tries):
        times = []
        for i in range(arguments.steps + 2):
            began = time.perf_counter()
            tokens = network.step(tokens, CONTEXT // 2 + i)
            times.append(time.perf_counter() - began)
        medians.append(statistics.median(times[2:]))
    seconds = min(medians)
    return {"cache": cache, "format": name, "batch": batch, "step_ms_median": seconds * 1e3, "tokens_per_second": batch / seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--steps", type=int, default=8, help="timed steps of a try")
    parser.add_argument("--tries", type=int, default=3, help="of which the one with the best median counts")
    arguments = parser.parse_args()
    batches = [int(batch) for batch in arguments.batches.split(",")]
    with torch.inference_mode():
        rows = [measure(cache, name, batch, arguments)
                for cache in ("dense", "sparse") for name in ("float32", "bfloat16") for batch in batches]
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "rows": rows}))


if __name__ == "__main__":
    main()
