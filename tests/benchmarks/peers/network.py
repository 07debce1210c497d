"""The network of a config.json for decoding in PyTorch: fused weights, three compiled pieces, caches.

A layer's end and the next layer's beginning are one compiled piece, so that the residual sum, the norm and the
activation fuse; attention stands between the pieces (strip_attention.py). Each piece is compiled once and takes the
weights as arguments. A whole step is a fixed list of kernels without a word from the host: it can be one CUDA graph.
"""

import collections

import torch
import torch.nn.functional as F

import shape as shapes

ACTIVATIONS = {
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}
Pieces = collections.namedtuple("Pieces", "first between last")


def random_tensors(shape, device, dtype=torch.bfloat16, seed=1):
    """Random weights by the names of the model format, of a size that keeps activations near 1."""
    generator = torch.Generator(device).manual_seed(seed)
    config, width = shape.config, shape.width
    keys, _, values = shape.split

    def normal(*size, spread=1.0):
        return (torch.randn(size, generator=generator, device=device) * spread).to(dtype)

    def product(name, rows, columns):
        return {f"{name}.weight": normal(rows, columns, spread=columns**-0.5), f"{name}.bias": normal(rows, spread=0.1)}

    def norm(name):
        return {f"{name}.weight": 1 + normal(width, spread=0.1), f"{name}.bias": normal(width, spread=0.1)}

    tensors = {"token_embedding.weight": normal(shape.vocab, width), "start": normal(width)}
    for axis, size in enumerate(config["position_axes"]):
        tensors[f"position_embedding.{axis}.weight"] = normal(size, width, spread=0.5)
    for layer in range(shape.layers):
        at = f"layers.{layer}."
        tensors |= norm(at + "attn_norm") | norm(at + "mlp_norm") | product(at + "attn.o", width, values)
        tensors |= product(at + "attn.q", keys, width) | product(at + "attn.k", keys, width)
        tensors |= product(at + "attn.v", values, width)
        tensors |= product(at + "mlp.up", shape.d_ff, width) | product(at + "mlp.down", width, shape.d_ff)
    return tensors | norm("final_norm") | {"head.weight": normal(shape.vocab, width, spread=width**-0.5)}


def by_library(x, weight, bias):
    """A product by cuBLAS."""
    return F.linear(x, weight, bias)


def by_reduction(x, weight, bias):
    """The same as a sum that the compiler fuses with what follows; for one row, which is a matrix times a vector."""
    total = (x[:, None, :].float() * weight[None].float()).sum(-1)
    return (total if bias is None else total + bias.float()).to(x.dtype)


def make_halves(shape, linear):
    """A layer before its attention and after it, in eager PyTorch; `linear` is one of the two above.

    hidden [..., d_model] is the residual stream, qkv as in strip_attention.py. `begin` and `end` are the weights.
    """
    width, config = [shape.width], shape.config
    activation = ACTIVATIONS[config["activation"]]

    def begin_layer(hidden, begin):
        norm_weight, norm_bias, weight, bias = begin
        return linear(F.layer_norm(hidden, width, norm_weight, norm_bias, config["norm_epsilon"]), weight, bias)

    def end_layer(hidden, attended, end):
        out_weight, out_bias, norm_weight, norm_bias, up_weight, up_bias, down_weight, down_bias = end
        hidden = hidden + linear(attended, out_weight, out_bias)
        normed = F.layer_norm(hidden, width, norm_weight, norm_bias, config["norm_epsilon"])
        return hidden + linear(activation(linear(normed, up_weight, up_bias)), down_weight, down_bias)

    return begin_layer, end_layer


def make_pieces(shape, linear):
    """The three pieces of a step for rows of `batch` sequences."""
    begin_layer, end_layer = make_halves(shape, linear)

    def first(tokens, table, offset, begin):
        hidden = table[tokens] + offset
        return hidden, begin_layer(hidden, begin)

    def between(hidden, attended, end, begin):
        hidden = end_layer(hidden, attended, end)
        return hidden, begin_layer(hidden, begin)

    def last(hidden, attended, end, final, noise):
        """Draws by the exponential race: argmax of p / noise, noise ~ Exp(1), which is Gumbel's in other words."""
        hidden = end_layer(hidden, attended, end)
        norm_weight, norm_bias, head = final
        hidden = F.layer_norm(hidden, [shape.width], norm_weight, norm_bias, shape.config["final_norm_epsilon"])
        logits = linear(hidden, head, None).float()
        return (torch.softmax(logits, -1) / noise).argmax(-1), logits

    return Pieces(first, between, last)


def compile_pieces(pieces, options):
    """Batch 1 is compiled on its own; the first larger batch makes a version for all larger ones.

    `options` are the compiler's, as torch.compile takes them.
    """
    return Pieces(*(torch.compile(piece, options=options) for piece in pieces))


class Network:
    """Weights on a device, from tensors by the names of the model format (a `start` vector, a head of its own)."""

    def __init__(self, shape, tensors):
        self.shape = shape
        self.table = tensors["token_embedding.weight"]
        self.start = tensors["start"]
        self.positions = sum_of_axes(shape, tensors)
        self.begins, self.ends = [], []
        for layer in range(shape.layers):

            def get(*names, layer=layer):
                return [tensors[f"layers.{layer}.{name}.{kind}"] for name in names for kind in ("weight", "bias")]

            parts = get("attn.q", "attn.k", "attn.v")
            self.begins.append((*get("attn_norm"), torch.cat(parts[0::2]), torch.cat(parts[1::2])))
            self.ends.append(tuple(get("attn.o", "mlp_norm", "mlp.up", "mlp.down")))
        self.final = (tensors["final_norm.weight"], tensors["final_norm.bias"], tensors["head.weight"])

    def step(self, tokens, position, caches, attend, pieces, noise):
        """The next token and the logits of each sequence; tokens int64 [batch], noise float32 [batch, vocab]."""
        if position == 0:  # the start vector stands for every token
            table, offset = self.start.expand_as(self.table).contiguous(), torch.zeros_like(self.start)
        else:
            table, offset = self.table, self.positions[position - 1]
        hidden, qkv = pieces.first(tokens, table, offset, self.begins[0])
        for layer, end in enumerate(self.ends):
            attended = attend(self.shape, qkv, *caches.of(layer), caches.strip(layer, position))
            if layer + 1 < self.shape.layers:
                hidden, qkv = pieces.between(hidden, attended, end, self.begins[layer + 1])
        return pieces.last(hidden, attended, self.ends[-1], self.final, noise)


def sum_of_axes(shape, tensors):
    """[n, d_model]: the rows of the position tables, unravelled in C order and summed."""
    total = torch.zeros_like(tensors["start"])[None]
    for axis in range(len(shape.config["position_axes"])):
        total = (total[:, None] + tensors[f"position_embedding.{axis}.weight"][None]).flatten(0, 1)
    return total[: shape.n].contiguous()


class Caches:
    """Keys and values of `batch` sequences, layer by layer, in the layout that shape.strip describes."""

    def __init__(self, shape, batch, dense, device, dtype=torch.bfloat16, layers=None):
        self.shape, self.patterns = shape, shape.layer_patterns(dense)[:layers]
        self._layers = []
        for pattern in self.patterns:
            rows = shapes.cache_rows(pattern, shape.n)
            widths = (shape.d_key, shape.d_value)
            size = [(batch, shape.heads, rows, width) for width in widths]
            self._layers.append([torch.empty(s, device=device, dtype=dtype).normal_() for s in size])

    def of(self, layer):
        return self._layers[layer]

    def strip(self, layer, position):
        return shapes.strip(self.patterns[layer], self.shape.n, position)

    def close_block(self, position):
        """After the step at `position`: where a block of `fixed` ends there, its cells take the place of its rows.

        Once every l steps, so it is not part of a timed step.
        """
        for pattern, tensors in zip(self.patterns, self._layers, strict=True):
            if pattern["pattern"] != "fixed" or (position + 1) % pattern["stride"]:
                continue
            start, cells = position // pattern["stride"] * pattern["cells"], pattern["cells"]
            for head in range(self.shape.heads):
                offset = start + shapes.cell_offset(pattern, head)
                for tensor in tensors:
                    tensor[:, head, start : start + cells] = tensor[:, head, offset : offset + cells].clone()
