#!/usr/bin/env python3
"""Writes a checkpoint of train.py as a model directory that the server serves.

  export.py SOURCE MODEL_DIR [--dtype int8|bfloat16|float16|float32] [--data DIR] [--balance FILE]

SOURCE: a checkpoint, or a model directory to be stored in another way. With --data (of a checkpoint)
it prints the bits per token of a held-out split, in float32, for the checkpoint's weights and for what
was stored, each window scored from the start vector. --balance prepares the weights for executors that
round activations to int8 (balance.py); FILE holds typical tokens, a byte each.
"""

import argparse
import json
import os
import pathlib

import numpy as np
import torch

from balance import balance
from data import read_source
from model import SparseTransformer, load_tensors, saved_tensors
from recipe import Recipe
from scoring import bits_per_token
from tensor_file import STORAGE, read_directory, write_directory


GPU_TOKENS = 1 << 17  # scored at once
BALANCE_ROWS, BALANCE_TOKENS = 8, 2048  # windows, spread over the file of --balance, and their length


def checkpoint_tensors(checkpoint, averaged=True):
    """(config, {name: float32 array}) of a checkpoint's averaged or live weights."""
    config = checkpoint["recipe"]["model"]
    if not averaged:
        return config, saved_tensors(checkpoint["model"])
    names = [name for name, _ in SparseTransformer(config).named_parameters()]
    return config, saved_tensors(dict(zip(names, checkpoint["average"], strict=True)))


def held_out_bits(config, tensors, content, device):
    """Bits per token of `content` (uint8 array) in float32."""
    model = load_tensors(SparseTransformer(config), tensors).to(device).eval()
    content = torch.from_numpy(np.array(content)).to(device)
    n = min(len(content), config["context_length"])
    if torch.device(device).type != "cuda":
        return bits_per_token(model, content, n, 1, "plain")
    return bits_per_token(model.compile_parts(), content, n, max(1, GPU_TOKENS // n), "flex")


def spread_rows(content, context_length):
    """uint8 [BALANCE_ROWS, n]: windows at equal distances."""
    n = min(BALANCE_TOKENS, context_length)
    starts = np.linspace(0, len(content) - n, BALANCE_ROWS).astype(int)
    return np.stack([content[start : start + n] for start in starts])


def read_weights(source, averaged):
    """(checkpoint or None, config, {name: float32 array})."""
    if pathlib.Path(source).is_dir():
        return None, *read_directory(source)
    checkpoint = torch.load(source, map_location="cpu", weights_only=True)
    return checkpoint, *checkpoint_tensors(checkpoint, averaged)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source")
    parser.add_argument("model_dir")
    parser.add_argument("--dtype", choices=list(STORAGE), default="int8")
    parser.add_argument("--live", action="store_true", help="the last weights, not the averaged")
    parser.add_argument("--data", help="directory of the recipe's data files")
    parser.add_argument("--split", choices=["valid", "test"], default="valid")
    parser.add_argument("--tokens", type=int, help="of the split; all of it if not given")
    parser.add_argument("--balance", metavar="FILE", help="typical tokens, a byte each")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    checkpoint, config, tensors = read_weights(arguments.source, averaged=not arguments.live)
    stored = tensors
    if arguments.balance:
        content = np.fromfile(arguments.balance, np.uint8)
        stored = balance(config, tensors, spread_rows(content, config["context_length"]))
    write_directory(arguments.model_dir, config, stored, arguments.dtype)
    weights = os.path.join(arguments.model_dir, "model.safetensors")
    result = {"dtype": arguments.dtype, "bytes": os.path.getsize(weights)}
    if arguments.data and checkpoint:
        source = getattr(Recipe.of(checkpoint["recipe"]).data, arguments.split)
        content = read_source(arguments.data, source, config).tokens[: arguments.tokens]
        stored = read_directory(arguments.model_dir)[1]
        result |= {"split": arguments.split, "tokens": len(content)}
        result["bits_as_trained"] = held_out_bits(config, tensors, content, arguments.device)
        result["bits_as_stored"] = held_out_bits(config, stored, content, arguments.device)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
