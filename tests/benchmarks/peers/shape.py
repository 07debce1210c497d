"""What a shape is and what a step of it must move: sizes, strips of cache rows, bytes, the floor.

A shape is a config.json (engine/README.md) under tests/benchmarks/shapes. Weights and caches are bfloat16. The peers
know the patterns of those shapes: dense, local, strided and fixed, one for all heads of a layer.
"""

import collections
import json
import math
import pathlib

SHAPES = pathlib.Path(__file__).resolve().parents[1] / "shapes"
ELEMENT_BYTES = 2
DENSE = {"pattern": "dense"}

# The rows of a head's cache that one step touches: it reads [first, first + count), among them `write`, the row of the
# step's own key and value.
Strip = collections.namedtuple("Strip", "first count write")


def strip(pattern, n, position):
    """Where the step at `position` finds its keys; always one contiguous run of rows.

    local    a ring of w rows
    strided  [residue][row]: a residue's rows lie together
    fixed    the cells of earlier blocks, packed, and behind them the open block, whose own cells take the place of its
             first rows when it ends
    """
    kind = pattern["pattern"]
    if kind == "dense":
        return Strip(0, position + 1, position)
    if kind == "local":
        window = pattern["window"]
        return Strip(0, min(position + 1, window), position % window)
    stride = pattern["stride"]
    block, residue = divmod(position, stride)
    if kind == "strided":
        first = residue * math.ceil(n / stride)
        return Strip(first, block + 1, first + block)
    if kind == "fixed":
        cells = pattern["cells"] * block
        return Strip(0, cells + residue + 1, cells + residue)
    raise ValueError(f"attention: the peers do not know the pattern {kind!r}")


def cache_rows(pattern, n):
    """Rows that a head's cache has for a sequence of n tokens."""
    kind = pattern["pattern"]
    if kind == "dense":
        return n
    if kind == "local":
        return min(pattern["window"], n)
    blocks = math.ceil(n / pattern["stride"])
    if kind == "strided":
        return blocks * pattern["stride"]
    if kind == "fixed":
        return blocks * pattern["cells"] + pattern["stride"]
    raise ValueError(f"attention: the peers do not know the pattern {kind!r}")


def cell_offset(pattern, head):
    """The first cell of head `head` within a block: model-format, `fixed`."""
    return pattern["stride"] - pattern["cells"] * (1 + head % pattern["spread"])


class Shape:
    """One config.json: sizes as attributes, the pattern of each layer, bytes."""

    def __init__(self, name, config):
        self.name, self.config = name, config
        self.layers, self.heads, self.width = config["n_layer"], config["n_head"], config["d_model"]
        self.d_key, self.d_value, self.d_ff = config["d_key"], config["d_value"], config["d_ff"]
        self.vocab, self.n = config["vocab_size"], config["context_length"]
        self.split = [self.heads * self.d_key] * 2 + [self.heads * self.d_value]
        self.scale = self.d_key**-0.5 if config["attention_scale"] == "inverse_sqrt" else 1.0
        cycle = config["attention"]
        self.patterns = [cycle[layer % len(cycle)] for layer in range(self.layers)]

    def layer_patterns(self, dense):
        return [DENSE] * self.layers if dense else self.patterns

    def positions(self):
        """The positions at which a step is measured."""
        return {"early": self.n // 16, "middle": self.n // 2, "end": self.n - 1}

    def _row_bytes(self):
        return self.heads * (self.d_key + self.d_value) * ELEMENT_BYTES

    def weight_bytes(self):
        """Every matrix, bias and norm that one step reads; rows of the embeddings are left out."""
        products = self.width * sum(self.split) + self.split[2] * self.width + 2 * self.width * self.d_ff
        vectors = sum(self.split) + self.width + self.d_ff + self.width + 4 * self.width
        head = self.vocab * self.width + 2 * self.width
        return (self.layers * (products + vectors) + head) * ELEMENT_BYTES

    def cache_bytes(self, dense=False):
        """What one sequence's caches occupy."""
        return sum(cache_rows(pattern, self.n) for pattern in self.layer_patterns(dense)) * self._row_bytes()

    def step_bytes(self, batch, position, dense=False):
        """Weights once; per sequence the strips that are read and the row that is written, per layer."""
        rows = sum(strip(pattern, self.n, position).count for pattern in self.layer_patterns(dense))
        return self.weight_bytes() + batch * (rows + self.layers) * self._row_bytes()

    def floor_us(self, batch, position, gb_per_s):
        """The least time for the sparse step's bytes at a memory bandwidth."""
        return self.step_bytes(batch, position) / (gb_per_s * 1e3)


def load_shape(name):
    """The shape `name` of tests/benchmarks/shapes."""
    return Shape(name, json.loads((SHAPES / name / "config.json").read_text(encoding="utf-8")))
