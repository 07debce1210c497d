#!/usr/bin/env python3
"""The model that config.json describes, in float64 NumPy: slow, plain, and the judge of the others.

Written from the definitions alone (Child et al. 2019, sections 4 and 5): it shares no code with the
C++ executors or with model.py, builds the full n x n attention, and keeps no cache.

  oracle.py MODEL_DIR FILE [--tokens N] [--condition R ...]

prints the bits per token of the first N bytes of FILE, read as one sequence of byte tokens.
"""

import argparse
import math
import pathlib

import numpy as np

from tensor_file import read_directory


def attention_set(pattern, head, n):
    """Boolean [query i, key j]: whether head `head` reads j at i. A row may be empty."""
    i, j = np.arange(n)[:, None], np.arange(n)[None, :]
    kind, l = pattern["pattern"], pattern.get("stride")
    if kind == "dense":
        chosen = j <= i
    elif kind == "local":
        chosen = i - j < pattern["window"]
    elif kind == "strided":
        chosen = (i - j) % l == 0
    elif kind == "local_strided":
        chosen = (i - j < l) | ((i - j) % l == 0)
    elif kind == "block":
        chosen = j // l == i // l
    elif kind == "previous_block":
        chosen = j // l == i // l - 1
    elif kind in ("summary", "fixed"):
        c, s = pattern["cells"], pattern["spread"]
        o = l - c * (1 + head % s)
        chosen = (o <= j % l) & (j % l < o + c)
        if kind == "fixed":
            chosen = chosen | (j // l == i // l)
    else:
        raise ValueError(f"attention: unknown pattern {kind!r}")
    return chosen & (j <= i)


def pattern_of(config, layer, head):
    entry = config["attention"][layer % len(config["attention"])]
    return entry["heads"][head] if "heads" in entry else entry


ERF = np.vectorize(math.erf, otypes=[np.float64])
ACTIVATIONS = {
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "gelu": lambda x: 0.5 * x * (1 + ERF(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
}


def soft_maximum(scores, chosen):
    """Row-wise over the chosen entries; a row without any is all zero."""
    scores = np.where(chosen, scores, -np.inf)
    largest = scores.max(axis=1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
    total = weights.sum(axis=1, keepdims=True)
    return weights / np.where(total == 0, 1, total)


class Oracle:
    """A model directory, ready to give log-probabilities of whole sequences."""

    def __init__(self, directory):
        self.config, tensors = read_directory(directory)
        self.tensors = {name: array.astype(np.float64) for name, array in tensors.items()}

    def log_probs(self, tokens, condition_values=()):
        """[n, vocab]: row t is the natural log-softmax that predicts tokens[t] from tokens[:t].

        A model without a start vector reads its start token before tokens[0]."""
        h = self._inputs(list(tokens), condition_values)
        for layer in range(self.config["n_layer"]):
            name = f"layers.{layer}"
            h = h + self._attention(layer, self._norm(h, f"{name}.attn_norm", "norm_epsilon"))
            x = self._linear(self._norm(h, f"{name}.mlp_norm", "norm_epsilon"), f"{name}.mlp.up")
            h = h + self._linear(ACTIVATIONS[self.config["activation"]](x), f"{name}.mlp.down")
        if self.config["final_norm_epsilon"] is not None:
            h = self._norm(h, "final_norm", "final_norm_epsilon")
        logits = self._logits(h)
        logits = logits - logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def _start(self, condition_values):
        if "start_token" in self.config:
            return self.tensors["token_embedding.weight"][self.config["start_token"]]
        conditions = self.config.get("conditions") or []
        if not conditions:
            return self.tensors["start"]
        values = list(condition_values) or [0] * len(conditions)
        return sum(
            self.tensors[f"condition.{condition['name']}.weight"][value]
            for condition, value in zip(conditions, values, strict=True)
        )

    def _positions(self, n):
        """[n, d_model]: position t is unravelled over position_axes and the axes' rows are summed."""
        coordinates = np.unravel_index(np.arange(n), self.config["position_axes"])
        return sum(
            self.tensors[f"position_embedding.{axis}.weight"][rows]
            for axis, rows in enumerate(coordinates)
        )

    def _inputs(self, tokens, condition_values):
        n = len(tokens)
        h = np.empty((n, self.config["d_model"]))
        h[0] = self._start(condition_values)
        h[1:] = self.tensors["token_embedding.weight"][tokens[:-1]]
        positions = self._positions(n)
        if self.config["position_rule"] == "previous":
            h[1:] += positions[:-1]
        else:
            h += positions
        return h

    def _linear(self, x, name):
        y = x @ self.tensors[f"{name}.weight"].T
        return y + self.tensors.get(f"{name}.bias", 0.0)

    def _norm(self, x, name, epsilon_field):
        if self.config.get("norm", "layer") == "layer":
            x = x - x.mean(axis=1, keepdims=True)
        x = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + self.config[epsilon_field])
        return x * self.tensors[f"{name}.weight"] + self.tensors.get(f"{name}.bias", 0.0)

    def _attention(self, layer, x):
        config, n = self.config, len(x)
        heads = config["n_head"]
        q, k, v = (self._linear(x, f"layers.{layer}.attn.{part}") for part in "qkv")
        scale = 1 / math.sqrt(config["d_key"]) if config["attention_scale"] == "inverse_sqrt" else 1.0
        outputs = []
        for head, (qh, kh, vh) in enumerate(
            zip(np.split(q, heads, 1), np.split(k, heads, 1), np.split(v, heads, 1))
        ):
            chosen = attention_set(pattern_of(config, layer, head), head, n)
            outputs.append(soft_maximum(scale * (qh @ kh.T), chosen) @ vh)
        return self._linear(np.concatenate(outputs, axis=1), f"layers.{layer}.attn.o")

    def _logits(self, h):
        tied = self.config["tied_head"]
        logits = h @ self.tensors["token_embedding.weight" if tied else "head.weight"].T
        return logits + self.tensors["head.bias"] if self.config["head_bias"] else logits


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model_dir")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--condition", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    tokens = np.frombuffer(arguments.file.read_bytes()[: arguments.tokens], np.uint8)
    log_probs = Oracle(arguments.model_dir).log_probs(tokens, arguments.condition)
    bits = -log_probs[np.arange(len(tokens)), tokens].mean() / math.log(2)
    print(f"{len(tokens)} tokens, {bits:.6f} bits per token")


if __name__ == "__main__":
    main()
