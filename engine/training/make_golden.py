#!/usr/bin/env python3
"""Writes tests/golden: small models with random weights and the oracle's log-probabilities.

  make_golden.py [OUT_DIR]

Each case is a model directory plus golden.json: {"sequences": [{"tokens", "condition_values",
"log_probs"}]}, log_probs[t] being the natural log-softmax that predicts tokens[t]. Every case is a
function of its name alone, so that adding one changes no other.
"""

import copy
import json
import math
import pathlib
import sys
import zlib

import numpy as np

from oracle import Oracle
from tensor_file import write_directory

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
DIGITS = 6  # decimals of a stored log-probability

BASE = {
    "architecture": "sparse_transformer",
    "modality": "text",
    "vocab_size": 17,
    "context_length": 32,
    "n_layer": 2,
    "n_head": 2,
    "d_model": 16,
    "d_ff": 24,
    "d_key": 8,
    "d_value": 8,
    "activation": "quick_gelu",
    "norm_epsilon": 1e-5,
    "final_norm_epsilon": 1e-6,
    "attention_scale": "inverse_sqrt",
    "position_axes": [32],
    "position_rule": "previous",
    "attention": [{"pattern": "dense"}],
    "tied_head": False,
    "head_bias": False,
}
IMAGE = {"modality": "image", "image": {"height": 4, "width": 4, "channels": 3}}
FIXED_SPREAD = {"pattern": "fixed", "stride": 12, "cells": 3, "spread": 4}
STRIDED_AND_LOCAL = [{"pattern": "strided", "stride": 6}, {"pattern": "local", "window": 5}]


def pattern(kind, **parameters):
    return {"attention": [{"pattern": kind, **parameters}]}


# name -> what differs from BASE, and how the case is made: `dtype` and `shards` of the file,
# `lengths` of the sequences (default: the context and two thirds of it), `drop` = ends of the names
# of tensors that the file leaves out.
CASES = {
    "dense": ({}, {}),
    "local": (pattern("local", window=6), {}),
    "strided": (pattern("strided", stride=6), {}),
    "local_strided": (pattern("local_strided", stride=6), {}),
    "block": (pattern("block", stride=8), {}),
    "summary": (pattern("summary", stride=8, cells=2, spread=1), {}),
    "fixed": (pattern("fixed", stride=8, cells=2, spread=1), {}),
    "previous_block": (pattern("previous_block", stride=8), {}),
    "summary_spread": (
        {"n_head": 4, "d_key": 4, "d_value": 4}
        | pattern("summary", stride=8, cells=2, spread=4),
        {},
    ),
    "fixed_spread": (
        {"n_head": 6, "d_key": 4, "d_value": 4, "context_length": 64, "position_axes": [6, 12]}
        | {"attention": [FIXED_SPREAD]},
        {"lengths": [64, 41]},
    ),
    "fixed_whole_block_of_cells": (pattern("fixed", stride=6, cells=2, spread=3), {}),
    "stride_longer_than_the_sequence": (
        pattern("fixed", stride=64, cells=8, spread=2),
        {"lengths": [32, 1]},
    ),
    "stride_one": (pattern("local_strided", stride=1), {"lengths": [12]}),
    "window_one": (pattern("local", window=1), {"lengths": [12]}),
    "heads": (
        {
            "n_head": 4,
            "d_key": 4,
            "d_value": 4,
            "attention": [
                {
                    "heads": [
                        {"pattern": "dense"},
                        {"pattern": "local", "window": 5},
                        {"pattern": "fixed", "stride": 8, "cells": 1, "spread": 3},
                        {"pattern": "previous_block", "stride": 7},
                    ]
                },
                {"pattern": "local_strided", "stride": 5},
            ],
        },
        {},
    ),
    "mixed_layers": ({"n_layer": 4, "attention": STRIDED_AND_LOCAL}, {}),
    "position_current": ({"position_rule": "current"} | pattern("strided", stride=4), {}),
    "position_axes": (
        {"context_length": 30, "position_axes": [2, 3, 5]} | pattern("block", stride=5),
        {},
    ),
    "position_axes_current_with_room": (
        {"position_rule": "current", "position_axes": [5, 8]} | pattern("local", window=9),
        {},
    ),
    "conditions": (
        {"conditions": [{"name": "label", "values": 3}, {"name": "turn", "values": 2}]},
        {"conditions": [[2, 1], [0, 0]]},
    ),
    "conditions_position_current": (
        {"conditions": [{"name": "label", "values": 4}], "position_rule": "current"},
        {"conditions": [[3], [1]]},
    ),
    "scale_norm": ({"norm": "scale"} | pattern("local", window=7), {}),
    "start_token": ({"start_token": 5, "position_rule": "current"} | pattern("strided", stride=6), {}),
    "start_token_tied_head_scale_norm": (
        {"start_token": 16, "position_rule": "current", "tied_head": True, "norm": "scale"},
        {},
    ),
    "image": (
        IMAGE
        | {"context_length": 48, "position_axes": [4, 4, 3], "n_layer": 4, "vocab_size": 32}
        | {"attention": [{"pattern": "strided", "stride": 12}, {"pattern": "local", "window": 12}]},
        {"lengths": [48]},
    ),
    "audio": (
        {"modality": "audio", "audio": {"sample_rate_hz": 12000, "encoding": "mulaw"}}
        | {"vocab_size": 64, "position_axes": [4, 8]}
        | pattern("local_strided", stride=8),
        {"lengths": [32]},
    ),
    "narrow_keys": ({"d_key": 4, "d_value": 12} | pattern("fixed", stride=8, cells=2, spread=2), {}),
    "wide_keys": ({"d_key": 12, "d_value": 5} | pattern("local", window=7), {}),
    "odd_sizes": (
        {"vocab_size": 11, "d_model": 9, "d_ff": 21, "n_head": 3, "d_key": 5, "d_value": 3}
        | {"context_length": 29, "position_axes": [29]}
        | pattern("strided", stride=7),
        {},
    ),
    "wider": (
        {"vocab_size": 61, "d_model": 32, "d_ff": 64, "n_head": 4, "context_length": 64}
        | {"position_axes": [64]}
        | pattern("fixed", stride=16, cells=4, spread=2),
        {"lengths": [64]},
    ),
    "gelu": ({"activation": "gelu"}, {"lengths": [16]}),
    "gelu_tanh": ({"activation": "gelu_tanh"}, {"lengths": [16]}),
    "relu": ({"activation": "relu"}, {"lengths": [16]}),
    "no_final_norm": ({"final_norm_epsilon": None}, {"lengths": [16]}),
    "large_epsilon": ({"norm_epsilon": 0.5, "final_norm_epsilon": 0.25}, {"lengths": [16]}),
    "tied_head": ({"tied_head": True}, {"lengths": [16]}),
    "tied_head_bias": ({"tied_head": True, "head_bias": True}, {"lengths": [16]}),
    "head_bias": ({"head_bias": True}, {"lengths": [16]}),
    "no_attention_scale": ({"attention_scale": "none"}, {"lengths": [16]}),
    "no_query_key_value_bias": (
        {"attention_scale": "none", "position_rule": "current"},
        {"lengths": [16], "drop": [".q.bias", ".k.bias", ".v.bias"]},
    ),
    "no_biases": (
        pattern("previous_block", stride=6),
        {"drop": [f".{part}.bias" for part in ("q", "k", "v", "o", "up", "down")]},
    ),
    "bfloat16": (pattern("fixed", stride=8, cells=2, spread=2), {"dtype": "bfloat16"}),
    "float16": (pattern("strided", stride=6), {"dtype": "float16"}),
    "int8": (pattern("fixed", stride=8, cells=2, spread=2), {"dtype": "int8"}),
    "int8_tied_head_conditions": (
        {"tied_head": True, "conditions": [{"name": "label", "values": 3}]},
        {"dtype": "int8", "lengths": [16], "conditions": [[2]]},
    ),
    "sharded": ({"n_layer": 3, "attention": STRIDED_AND_LOCAL}, {"shards": 3}),
    "sharded_int8": ({}, {"shards": 2, "dtype": "int8", "lengths": [16]}),
}


def norm_shapes(config, name):
    parts = ["weight"] if config.get("norm") == "scale" else ["weight", "bias"]
    return {f"{name}.{part}": (config["d_model"],) for part in parts}


def tensor_shapes(config):
    """{name: shape} in the order of computation."""
    d, heads = config["d_model"], config["n_head"]
    shapes = {"token_embedding.weight": (config["vocab_size"], d)}
    for axis, size in enumerate(config["position_axes"]):
        shapes[f"position_embedding.{axis}.weight"] = (size, d)
    for condition in config.get("conditions", []):
        shapes[f"condition.{condition['name']}.weight"] = (condition["values"], d)
    if not config.get("conditions") and "start_token" not in config:
        shapes["start"] = (d,)
    for layer in range(config["n_layer"]):
        matrices = {
            "attn.q": (heads * config["d_key"], d),
            "attn.k": (heads * config["d_key"], d),
            "attn.v": (heads * config["d_value"], d),
            "attn.o": (d, heads * config["d_value"]),
            "mlp.up": (config["d_ff"], d),
            "mlp.down": (d, config["d_ff"]),
        }
        for norm in ("attn", "mlp"):
            shapes |= norm_shapes(config, f"layers.{layer}.{norm}_norm")
            for name, shape in matrices.items():
                if name.startswith(norm):
                    shapes[f"layers.{layer}.{name}.weight"] = shape
                    shapes[f"layers.{layer}.{name}.bias"] = shape[:1]
    if config["final_norm_epsilon"] is not None:
        shapes |= norm_shapes(config, "final_norm")
    if not config["tied_head"]:
        shapes["head.weight"] = (config["vocab_size"], d)
    if config["head_bias"]:
        shapes["head.bias"] = (config["vocab_size"],)
    return shapes


def random_tensor(name, shape, config, rng):
    """Scaled so that attention is far from uniform and a log-probability ranges over several nats."""
    values = rng.standard_normal(shape)
    if name.endswith("norm.weight"):
        return 1 + 0.2 * values
    if len(shape) == 1:
        return values if name == "start" else 0.3 * values
    if "embedding" in name or name.startswith("condition"):
        return values * (0.6 if config["tied_head"] else 1.0)
    gain = 2.0 if name.startswith("head") else 1.0
    if ".q." in name or ".k." in name:
        gain = 1.4 if config["attention_scale"] == "inverse_sqrt" else 1.4 / config["d_key"] ** 0.25
    return gain * values / math.sqrt(shape[1])


def write_case(directory, name):
    changes, making = CASES[name]
    config = copy.deepcopy(BASE) | changes
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    tensors = {
        tensor: random_tensor(tensor, shape, config, rng)
        for tensor, shape in tensor_shapes(config).items()
    }
    for end in making.get("drop", []):
        tensors = {tensor: values for tensor, values in tensors.items() if not tensor.endswith(end)}
    write_directory(
        directory, config, tensors, making.get("dtype", "float32"), making.get("shards", 1)
    )
    n = config["context_length"]
    lengths = making.get("lengths", [n, 2 * n // 3])
    conditions = making.get("conditions", [[]] * len(lengths))
    sequences = [
        {"tokens": rng.integers(0, config["vocab_size"], length).tolist(), "condition_values": row}
        for length, row in zip(lengths, conditions, strict=False)
    ]
    oracle = Oracle(directory)
    for sequence in sequences:
        log_probs = oracle.log_probs(sequence["tokens"], sequence["condition_values"])
        sequence["log_probs"] = np.round(log_probs, DIGITS).tolist()
    text = json.dumps({"sequences": sequences}, separators=(",", ":")).replace("]],", "]],\n")
    (directory / "golden.json").write_text(text + "\n")


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else GOLDEN
    for name in CASES:
        write_case(root / name, name)
    print(f"{len(CASES)} cases in {root}")


if __name__ == "__main__":
    main()
