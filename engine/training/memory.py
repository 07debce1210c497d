#!/usr/bin/env python3
"""Peak memory of a training step, with activations kept and with blocks recomputed.

  memory.py [--layers 64] [--lengths N ...] [--json FILE] [--plot FILE.svg]

One sequence of n tokens through `layers` layers of 4 heads, forward and backward, in bfloat16:
  matrices  attention that writes its n x n matrices, as it was when the paper was announced
  pattern   this package's strided : local layers, which have no such matrix
each with everything that the backward pass needs kept, and with every attention and feed-forward
block recomputed. The time is that of a whole step, optimizer left out. One line per row; a case
that the device's memory cannot hold says so.
"""

import argparse
import gc
import json
import pathlib
import time

import torch

from memory_plot import LAYERS, plot
from model import SparseTransformer

LENGTHS = {1024: 32, 3072: 96, 12288: 128, 24000: 160}  # of the announcement, and a stride for each
TIMES = 3


class MatrixAttention:
    """Softmax(Q K^T) V by its parts, so that both n x n matrices of each head exist."""

    def __init__(self, n, device):
        self.later = torch.ones(n, n, dtype=torch.bool, device=device).triu(1)

    def __call__(self, q, k, v, scale):
        scores = (q @ k.mT * scale).masked_fill(self.later, float("-inf"))
        return scores.softmax(-1, dtype=torch.float32).to(v.dtype) @ v


def configuration(n, stride, layers):
    strided, local = {"pattern": "strided", "stride": stride}, {"pattern": "local", "window": stride}
    return {
        "vocab_size": 256,
        "context_length": n,
        "n_layer": layers,
        "n_head": 4,
        "d_model": 256,
        "d_ff": 1024,
        "d_key": 64,
        "d_value": 64,
        "activation": "quick_gelu",
        "norm_epsilon": 1e-5,
        "final_norm_epsilon": 1e-5,
        "attention_scale": "inverse_sqrt",
        "position_axes": [n // stride, stride],
        "position_rule": "previous",
        "attention": [strided, local],
        "tied_head": False,
        "head_bias": False,
    }


def build(kind, n, layers, recompute):
    model = SparseTransformer(configuration(n, LENGTHS[n], layers), recompute=recompute).cuda()
    if kind == "pattern":
        return model.prepare(n, "flex").compile_parts()
    model.attends = [MatrixAttention(n, "cuda")] * layers
    return model


def measure(kind, n, layers, recompute):
    """(peak GiB above what weights and gradients take, milliseconds), or None: out of memory."""
    torch.compiler.reset()
    gc.collect()  # what a case that did not fit has left
    torch.cuda.empty_cache()
    try:
        model = build(kind, n, layers, recompute)
        tokens = torch.randint(0, 256, (1, n), device="cuda")
        for times in (1, TIMES):
            torch.cuda.synchronize()
            before, began = torch.cuda.memory_allocated(), time.monotonic()
            torch.cuda.reset_peak_memory_stats()
            for _ in range(times):
                with torch.autocast("cuda", torch.bfloat16):
                    loss = model.loss(tokens)
                loss.backward()
            torch.cuda.synchronize()
            taken = (torch.cuda.max_memory_allocated() - before) / 2**30
            milliseconds = (time.monotonic() - began) / times * 1000
        return taken, milliseconds
    except torch.OutOfMemoryError:
        return None


def measure_all(lengths, layers):
    """The cases in order, a row printed for each pair: {"n", "attention", "recompute", "gib",
    "milliseconds"}, the last two None where it does not fit."""
    print("n       attention  kept                     recomputed")
    cases = []
    for n in lengths:
        for kind in ("matrices", "pattern"):
            cells = []
            for recompute in (False, True):
                found = measure(kind, n, layers, recompute)
                cells.append("does not fit" if found is None else f"{found[0]:.3f} GiB {found[1]:.0f} ms")
                gib, milliseconds = found or (None, None)
                case = {"n": n, "attention": kind, "recompute": recompute, "gib": gib}
                cases.append(case | {"milliseconds": milliseconds})
            print(f"{n:6d}  {kind:9s}  {cells[0]:24s} {cells[1]}", flush=True)
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--lengths", type=int, nargs="*", choices=list(LENGTHS), default=list(LENGTHS))
    parser.add_argument("--json", help="file for one object per case")
    parser.add_argument("--plot", help="picture file; needs matplotlib")
    arguments = parser.parse_args()
    print(torch.cuda.get_device_name(), "PyTorch", torch.__version__, f"{arguments.layers} layers")
    cases = measure_all(arguments.lengths, arguments.layers)
    if arguments.json:
        pathlib.Path(arguments.json).write_text("".join(json.dumps(case) + "\n" for case in cases))
    if arguments.plot:
        plot(cases, arguments.plot)


if __name__ == "__main__":
    main()
