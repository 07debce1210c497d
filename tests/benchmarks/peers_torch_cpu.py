#!/usr/bin/env python3
"""One decode step of the released CIFAR-10 network's shape in PyTorch on CPU.

The network of step_bench (128 layers, width 256, 2 heads, d_key 64, d_value 128, one strided layer to three local,
stride 96, context 3,072; random weights) in plain eager PyTorch, as one would write it: query, key and value in one
product, caches allocated once. Two caches: `dense` (every layer keeps and reads the whole past: what a general server
does) and `sparse` (rings for local layers, one column per residue for strided ones: the same reads as ours). All
sequences of a batch stand at the same position, which spares PyTorch the gathering.

    peers_torch_cpu.py --formats=float32,bfloat16 --batches=1,8,32 --json
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

LAYERS, WIDTH, HEADS, D_KEY, D_VALUE, D_FF, VOCAB, CONTEXT, STRIDE = 128, 256, 2, 64, 128, 512, 256, 3072, 96
SPLIT = [HEADS * D_KEY, HEADS * D_KEY, HEADS * D_VALUE]


def is_strided(layer):
    return layer % 4 == 0


class Layer:
    """Weights of one residual block."""

    def __init__(self, dtype):
        def matrix(rows, columns):
            return (torch.randn(rows, columns) / columns**0.5).to(dtype)

        def vector(size, value=0.0):
            return torch.full([size], value, dtype=dtype)

        self.norm_1 = (vector(WIDTH, 1.0), vector(WIDTH))
        self.qkv = (matrix(sum(SPLIT), WIDTH), vector(sum(SPLIT)))
        self.out = (matrix(WIDTH, HEADS * D_VALUE), vector(WIDTH))
        self.norm_2 = (vector(WIDTH, 1.0), vector(WIDTH))
        self.up = (matrix(D_FF, WIDTH), vector(D_FF))
        self.down = (matrix(WIDTH, D_FF), vector(WIDTH))


class DenseCache:
    """Keys and values of all positions; a query reads those up to its own."""

    @staticmethod
    def bytes(batch, element_bytes):
        return LAYERS * batch * HEADS * CONTEXT * (D_KEY + D_VALUE) * element_bytes

    def __init__(self, layer, batch, dtype):
        self.keys = torch.zeros(batch, HEADS, CONTEXT, D_KEY, dtype=dtype)
        self.values = torch.zeros(batch, HEADS, CONTEXT, D_VALUE, dtype=dtype)

    def step(self, position, key, value):
        self.keys[:, :, position] = key
        self.values[:, :, position] = value
        return self.keys[:, :, : position + 1], self.values[:, :, : position + 1]


class SparseCache:
    """A ring of the last 96 positions, or a column of every 96th."""

    @staticmethod
    def bytes(batch, element_bytes):
        rows = LAYERS // 4 * CONTEXT + (LAYERS - LAYERS // 4) * STRIDE
        return rows * batch * HEADS * (D_KEY + D_VALUE) * element_bytes

    def __init__(self, layer, batch, dtype):
        self.columns = STRIDE if is_strided(layer) else 1
        rows = CONTEXT // STRIDE if is_strided(layer) else STRIDE
        self.keys = torch.zeros(self.columns, batch, HEADS, rows, D_KEY, dtype=dtype)
        self.values = torch.zeros(self.columns, batch, HEADS, rows, D_VALUE, dtype=dtype)

    def step(self, position, key, value):
        if self.columns > 1:
            column, row, end = position % STRIDE, position // STRIDE, position // STRIDE + 1
        else:
            column, row, end = 0, position % STRIDE, min(position + 1, STRIDE)
        keys, values = self.keys[column], self.values[column]
        keys[:, :, row] = key
        values[:, :, row] = value
        return keys[:, :, :end], values[:, :, :end]


def attend(query, keys, values):
    weights = torch.softmax((query.unsqueeze(2) @ keys.transpose(2, 3)).float() * D_KEY**-0.5, -1)
    return (weights.to(values.dtype) @ values).flatten(1)


def run_layer(hidden, layer, cache, position):
    query, key, value = F.linear(F.layer_norm(hidden, [WIDTH], *layer.norm_1), *layer.qkv).split(SPLIT, 1)
    batch = hidden.shape[0]
    keys, values = cache.step(position, key.view(batch, HEADS, D_KEY), value.view(batch, HEADS, D_VALUE))
    hidden = hidden + F.linear(attend(query.view(batch, HEADS, D_KEY), keys, values), *layer.out)
    expanded = F.linear(F.layer_norm(hidden, [WIDTH], *layer.norm_2), *layer.up)
    return hidden + F.linear(expanded * torch.sigmoid(1.702 * expanded), *layer.down)


class Network:
    """The whole network and its caches."""

    def __init__(self, cache, batch, dtype):
        self.layers = [Layer(dtype) for _ in range(LAYERS)]
        self.caches = [cache(layer, batch, dtype) for layer in range(LAYERS)]
        self.embedding = torch.randn(VOCAB, WIDTH).to(dtype)
        self.positions = torch.randn(CONTEXT, WIDTH).to(dtype)
        self.head = (torch.randn(VOCAB, WIDTH) / WIDTH**0.5).to(dtype)

    def step(self, tokens, position):
        hidden = self.embedding[tokens] + self.positions[position]
        for layer, cache in zip(self.layers, self.caches):
            hidden = run_layer(hidden, layer, cache, position)
        logits = F.linear(F.layer_norm(hidden, [WIDTH]), self.head).float()
        return torch.multinomial(torch.softmax(logits, -1), 1).squeeze(1)


@torch.inference_mode()
def measure(cache, batch, dtype, steps):
    network = Network(cache, batch, dtype)
    tokens = torch.zeros(batch, dtype=torch.long)
    times = []
    for position in range(CONTEXT // 2 - 2, CONTEXT // 2 + steps):
        start = time.perf_counter()
        tokens = network.step(tokens, position)
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", default="float32,bfloat16")
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--caches", default="dense,sparse")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's default")
    parser.add_argument("--steps", type=int, default=8, help="timed steps; the median counts")
    parser.add_argument("--memory_gib", type=float, default=6, help="caches beyond it are left out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    rows = []
    for name in options.caches.split(","):
        cache = {"dense": DenseCache, "sparse": SparseCache}[name]
        for form in options.formats.split(","):
            dtype = getattr(torch, form)
            for batch in map(int, options.batches.split(",")):
                if cache.bytes(batch, torch.empty(0, dtype=dtype).element_size()) > options.memory_gib * 2**30:
                    continue
                seconds = measure(cache, batch, dtype, options.steps)
                rows.append({"cache": name, "format": form, "batch": batch, "step_ms_median": seconds * 1e3,
                             "tokens_per_second": batch / seconds})
                if not options.json:
                    print("%-7s %-9s batch %2d %9.2f ms %9.1f tokens/s" % (*list(rows[-1].values())[:4], batch / seconds),
                          flush=True)
    if options.json:
        print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "rows": rows}))


if __name__ == "__main__":
    main()
