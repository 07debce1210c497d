#!/usr/bin/env python3
"""Writes files as distribution-augmentation runs leave them, with what their network says.

  distaug_npz.py OUT_DIR

For each case of CASES: OUT_DIR/<case>/run.npz, every TensorFlow variable of a small run, and
OUT_DIR/<case>/golden.json, {"sequences": [{"tokens", "condition_values", "log_probs"}]} by a float64 forward
pass over the arrays of the .npz, written after train.py of that project and sharing no code with
this one. Exit code 77: there is no NumPy.
"""

import itertools
import json
import math
import pathlib
import sys
import zlib

try:
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

HEIGHT, WIDTH, CHANNELS = 4, 4, 3
STRIDE = WIDTH * CHANNELS
EPSILON, FINAL_EPSILON = 1e-5, 1e-6

# n_embd, qk_ratio, mlp_multiple, heads, attention_layers (b: local, bT: strided, a: dense), start
# tables, averaged or raw weights, and how the file is written.
CASES = {
    "baseline": {},
    "raw": {"raw": True},
    "deflated": {"compressed": True},
    "rotation": {"tables": {"sos_rot": 4}},
    "every_table": {
        "tables": {"sos_rot": 4, "sos_c": 6, "sos_tr": 2, "sos_rev": 2}
        | {"sos_js": 24, "sos_aa": 2, "sos_rd": 4, "sos_data": 2}
    },
    "wide": {"heads": 4, "qk_ratio": 1.0, "mlp_multiple": 4.0, "attention": "b,bT,b,b"},
    "dense": {"attention": "a"},
    "half": {"dtype": np.float16},
    "fortran": {"fortran": True},
}
DEFAULTS = {
    "embd": 16,
    "vocab": 32,
    "layers": 4,
    "heads": 2,
    "qk_ratio": 0.5,
    "mlp_multiple": 2.0,
    "attention": "bT,b,b,b",
    "tables": {},
    "raw": False,
    "compressed": False,
    "dtype": np.float32,
    "fortran": False,
}


def parameters(case, rng):
    """{TensorFlow name without ":0": float32 array} of the trainable variables."""
    d, inner = case["embd"], int(case["embd"] * case["mlp_multiple"])
    keys = int(d * case["qk_ratio"])
    draw = rng.standard_normal
    arrays = {"model/we": draw((case["vocab"], d))}
    for axis, size in enumerate((HEIGHT, WIDTH, CHANNELS)):
        arrays[f"model/pos_emb_{axis}"] = 0.5 * draw((size, d))
    for table, values in case["tables"].items():
        arrays[f"model/sos_token/{table}"] = draw((values, d))
    if not case["tables"]:
        arrays["model/sos_token/sos"] = draw((1, 1, d))
    for layer in range(case["layers"]):
        scope = f"model/h{layer}"
        for name, rows, columns in (
            ("q_proj", d, keys),
            ("k_proj", d, keys),
            ("v_proj", d, d),
            ("post_proj", d, d),
            ("mlp_proj1", d, inner),
            ("mlp_proj2", inner, d),
        ):
            gain = 1.5 if name in ("q_proj", "k_proj") else 1.0
            arrays[f"{scope}/{name}/w"] = gain * draw((rows, columns)) / math.sqrt(rows)
            arrays[f"{scope}/{name}/b"] = 0.3 * draw(columns)
        for name in ("attn_input", "mlp"):
            arrays[f"{scope}/{name}/g"] = 1 + 0.2 * draw(d)
            arrays[f"{scope}/{name}/b"] = 0.3 * draw(d)
    arrays["model/final_norm/g"] = 1 + 0.2 * draw(d)
    arrays["model/final_norm/b"] = 0.3 * draw(d)
    arrays["model/gen_logits/logits_proj"] = 2 * draw((d, case["vocab"])) / math.sqrt(d)
    return {name: array.astype(case["dtype"]) for name, array in arrays.items()}


def variables(case, rng):
    """All that save_params writes: the weights, their averages, slots, counters."""
    arrays = {
        "global_step:0": np.int64(1000),
        "num_epochs:0": np.int64(3),
        "curr_loss_scale:0": np.float32(65536),
        "best_val_loss:0": np.float32(1.9),
        "optimizer/adam_beta/beta1_power:0": np.float32(0),
    }
    weights, averages = parameters(case, rng), parameters(case, rng)
    for name, array in weights.items():
        arrays[f"{name}:0"] = array
        arrays[f"{name}/Adam:0"] = np.zeros(array.shape, np.float16)
        arrays[f"{name}/Adam_1:0"] = np.full(array.shape, np.nan, np.float32)
        arrays[f"{name}/Ema/ema:0"] = averages[name]
    if case["fortran"]:
        arrays = {name: np.asfortranarray(array) for name, array in arrays.items()}
    return arrays


def quick_gelu(x):
    return x / (1 + np.exp(-1.702 * x))


class Network:
    """The forward pass of model() in train.py, in float64, over the arrays of a file."""

    def __init__(self, path, case):
        suffix = ":0" if case["raw"] else "/Ema/ema:0"
        with np.load(path) as stored:
            self.arrays = {
                name[: -len(suffix)]: stored[name].astype(np.float64)
                for name in stored.files
                if name.startswith("model/") and name.endswith(suffix)
            }
        self.case = case

    def norm(self, scope, x, epsilon=EPSILON):
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon)
        return x * self.arrays[f"{scope}/g"] + self.arrays[f"{scope}/b"]

    def linear(self, scope, x):
        return x @ self.arrays[f"{scope}/w"] + self.arrays[f"{scope}/b"]

    def mask(self, mode, n):
        query, key = np.indices((n, n))
        behind = query - key
        allowed = {"a": behind >= 0, "b": behind < STRIDE, "bT": behind % STRIDE == 0}[mode]
        return allowed & (behind >= 0)

    def attend(self, scope, x, mode):
        heads = self.case["heads"]
        h = self.norm(f"{scope}/attn_input", x)
        q, k, v = (
            np.stack(np.split(self.linear(f"{scope}/{part}_proj", h), heads, axis=-1))
            for part in "qkv"
        )
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        scores = np.where(self.mask(mode, len(x)), scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        merged = np.concatenate(list(weights @ v), axis=-1)
        return self.linear(f"{scope}/post_proj", merged)

    def start(self, values):
        tables = self.case["tables"]
        if not tables:
            return self.arrays["model/sos_token/sos"][0, 0]
        return sum(
            self.arrays[f"model/sos_token/{table}"][value]
            for table, value in zip(tables, values, strict=True)
        )

    def log_probs(self, tokens, values):
        h = self.arrays["model/we"][tokens]
        positions = itertools.product(range(HEIGHT), range(WIDTH), range(CHANNELS))
        for place, position in zip(range(len(tokens)), positions):
            for axis, index in enumerate(position):
                h[place] += self.arrays[f"model/pos_emb_{axis}"][index]
        h = np.concatenate([self.start(values)[None], h[:-1]])
        modes = self.case["attention"].split(",")
        for layer in range(self.case["layers"]):
            scope = f"model/h{layer}"
            h = h + self.attend(scope, h, modes[layer % len(modes)])
            m = self.linear(f"{scope}/mlp_proj1", self.norm(f"{scope}/mlp", h))
            h = h + self.linear(f"{scope}/mlp_proj2", quick_gelu(m))
        h = self.norm("model/final_norm", h, FINAL_EPSILON)
        logits = h @ self.arrays["model/gen_logits/logits_proj"]
        logits = logits - logits.max(axis=-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def write_case(directory, name):
    case = DEFAULTS | CASES[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    directory.mkdir(parents=True)
    path = directory / "run.npz"
    save = np.savez_compressed if case["compressed"] else np.savez
    save(path, **variables(case, rng))
    network = Network(path, case)
    sequences = []
    for last in (False, True):
        values = [size - 1 if last else 0 for size in case["tables"].values()]
        tokens = rng.integers(0, case["vocab"], HEIGHT * WIDTH * CHANNELS)
        log_probs = network.log_probs(tokens, values)
        sequences.append(
            {
                "tokens": tokens.tolist(),
                "condition_values": values,
                "log_probs": log_probs.tolist(),
            }
        )
    (directory / "golden.json").write_text(json.dumps({"sequences": sequences}))


def main():
    directory = pathlib.Path(sys.argv[1])
    for name in CASES:
        write_case(directory / name, name)


if __name__ == "__main__":
    main()
