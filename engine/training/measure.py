#!/usr/bin/env python3
"""Measures training steps of a recipe on random tokens: tokens/s, peak memory, bits at the end.

  measure.py RECIPE [--batch B ...] [--steps S] [--set FIELD=VALUE ...] [--recompute]

--set replaces fields of the recipe's model, with values in JSON. One line per batch size.
"""

import argparse
import dataclasses
import json
import time

import torch

from model import SparseTransformer
from optimizer import make_optimizers
from recipe import Recipe


def one_step(model, optimizers, tokens):
    with torch.autocast("cuda", torch.bfloat16):
        loss = model.loss(tokens)
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss.detach()


def measure(config, plan, steps):
    """(seconds before the first step is done, tokens/s, peak GiB, bits of the last step)."""
    torch.compiler.reset()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    n = config["context_length"]
    model = SparseTransformer(config, plan.dropout, plan.recompute).cuda().train()
    optimizers = make_optimizers(model, plan)
    model.prepare(n, "flex").compile_parts()
    tokens = torch.randint(0, config["vocab_size"], (plan.batch, n), device="cuda")
    times = [time.monotonic()]
    for count in (1, 3, steps):
        for _ in range(count):
            loss = one_step(model, optimizers, tokens)
        torch.cuda.synchronize()
        times.append(time.monotonic())
    rate = steps * tokens.numel() / (times[3] - times[2])
    return times[1] - times[0], rate, torch.cuda.max_memory_allocated() / 2**30, loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe")
    parser.add_argument("--batch", type=int, nargs="*")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--recompute", action="store_true")
    arguments = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    recipe = Recipe.load(arguments.recipe)
    changes = dict(change.split("=", 1) for change in arguments.set)
    config = recipe.model | {field: json.loads(value) for field, value in changes.items()}
    print(torch.cuda.get_device_name(), "PyTorch", torch.__version__, flush=True)
    for batch in arguments.batch or [recipe.training.batch]:
        plan = dataclasses.replace(
            recipe.training, batch=batch, recompute=arguments.recompute or recipe.training.recompute
        )
        first, rate, memory, bits = measure(config, plan, arguments.steps)
        print(
            f"batch {batch:4d} x {config['context_length']}: {rate / 1e6:.3f} M tokens/s,"
            f" {memory:.1f} GiB, first step after {first:.0f} s, {bits:.4f} bits at the end",
            flush=True,
        )


if __name__ == "__main__":
    main()
