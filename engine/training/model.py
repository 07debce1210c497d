"""The model that config.json describes, for training; parameter names are the names in the file."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from attention import make_attention

ACTIVATIONS = {
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}
INITIAL_SCALE = 0.125  # of the paper, section 6: weights are N(0, 0.125 / sqrt(d_in))


def rounded(x):
    """x as multiples of its rows' largest magnitude / 127, float32; the gradient is that of x."""
    x = x.float()
    scale = x.detach().abs().amax(-1, keepdim=True).clamp(min=1e-30) / 127
    return x + (torch.round(x / scale) * scale - x).detach()


def product(x, weight, bias, to_int8):
    """to_int8: of what executors with int8 products multiply."""
    return F.linear(rounded(x), rounded(weight), bias) if to_int8 else F.linear(x, weight, bias)


class Attention(nn.Module):
    def __init__(self, config, to_int8=False):
        super().__init__()
        self.to_int8 = to_int8
        self.heads, d = config["n_head"], config["d_model"]
        self.d_key, self.d_value = config["d_key"], config["d_value"]
        self.q = nn.Linear(d, self.heads * self.d_key)
        self.k = nn.Linear(d, self.heads * self.d_key)
        self.v = nn.Linear(d, self.heads * self.d_value)
        self.o = nn.Linear(self.heads * self.d_value, d)
        self.scale = 1 / math.sqrt(self.d_key) if config["attention_scale"] == "inverse_sqrt" else 1.0

    def forward(self, x, attend):
        parts = (self.q, self.k, self.v)
        weight = torch.cat([part.weight for part in parts])  # one product is faster than three
        bias = torch.cat([part.bias for part in parts])
        widths = [self.heads * self.d_key] * 2 + [self.heads * self.d_value]
        q, k, v = (
            y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for y in product(x, weight, bias, self.to_int8).split(widths, dim=-1)
        )
        read = attend(q, k, v, self.scale).transpose(1, 2).flatten(2)
        return product(read, self.o.weight, self.o.bias, self.to_int8)


class FeedForward(nn.Module):
    def __init__(self, config, to_int8=False):
        super().__init__()
        self.to_int8 = to_int8
        self.up = nn.Linear(config["d_model"], config["d_ff"])
        self.down = nn.Linear(config["d_ff"], config["d_model"])
        self.activation = ACTIVATIONS[config["activation"]]

    def forward(self, x):
        hidden = self.activation(product(x, self.up.weight, self.up.bias, self.to_int8))
        return product(hidden, self.down.weight, self.down.bias, self.to_int8)


class ScaleNorm(nn.Module):
    """x / sqrt(mean of squares + eps) * weight."""

    def __init__(self, d, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def make_norm(config, epsilon):
    if epsilon is None:
        return nn.Identity()
    kind = ScaleNorm if config.get("norm", "layer") == "scale" else nn.LayerNorm
    return kind(config["d_model"], eps=epsilon)


class Layer(nn.Module):
    """h += O attend(norm(h)), then h += down(f(up(norm(h)))); dropout ends each residual.

    recompute: each of the two blocks again in the backward pass, so that it keeps its input alone.
    to_int8: see `product`.
    """

    def __init__(self, config, dropout, recompute=False, to_int8=False):
        super().__init__()
        self.attn_norm = make_norm(config, config["norm_epsilon"])
        self.attn = Attention(config, to_int8)
        self.mlp_norm = make_norm(config, config["norm_epsilon"])
        self.mlp = FeedForward(config, to_int8)
        self.dropout, self.recompute = dropout, recompute

    def attention_block(self, h, attend):
        return h + F.dropout(self.attn(self.attn_norm(h), attend), self.dropout, self.training)

    def feed_forward_block(self, h):
        return h + F.dropout(self.mlp(self.mlp_norm(h)), self.dropout, self.training)

    def forward(self, h, attend):
        if not (self.recompute and self.training):
            return self.feed_forward_block(self.attention_block(h, attend))
        h = checkpoint(self.attention_block, h, attend, use_reentrant=False)
        return checkpoint(self.feed_forward_block, h, use_reentrant=False)

    def compile_parts(self):
        """What is computed in one go: the layer, or each block where they are recomputed."""
        if not self.recompute:
            return self.compile(dynamic=False)
        self.attention_block = torch.compile(self.attention_block, dynamic=False)
        self.feed_forward_block = torch.compile(self.feed_forward_block, dynamic=False)


class Head(nn.Module):
    """The output matrix; `weight` is absent where it is the token embedding."""

    def __init__(self, config, to_int8=False):
        super().__init__()
        self.to_int8 = to_int8
        vocab = config["vocab_size"]
        shape = (vocab, config["d_model"])
        self.weight = None if config["tied_head"] else nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(vocab)) if config["head_bias"] else None

    def forward(self, h, embedding):
        weight = embedding if self.weight is None else self.weight
        return product(h, weight, self.bias, self.to_int8)


class SparseTransformer(nn.Module):
    """Call `prepare(n, kind)` before sequences of n tokens are given."""

    def __init__(self, config, dropout=0.0, recompute=False, to_int8=False):
        super().__init__()
        self.config = config
        d = config["d_model"]
        self.token_embedding = nn.Embedding(config["vocab_size"], d)
        self.position_embedding = nn.ModuleList(nn.Embedding(n, d) for n in config["position_axes"])
        self.conditions = [entry["name"] for entry in config.get("conditions") or []]
        if self.conditions:
            tables = {entry["name"]: nn.Embedding(entry["values"], d) for entry in config["conditions"]}
            self.condition = nn.ModuleDict(tables)
        elif "start_token" not in config:
            self.start = nn.Parameter(torch.empty(d))
        self.layers = nn.ModuleList(
            Layer(config, dropout, recompute, to_int8) for _ in range(config["n_layer"])
        )
        self.final_norm = make_norm(config, config["final_norm_epsilon"])
        self.head = Head(config, to_int8)
        self.attends = []
        self._prepared = {}
        self.initialise()

    @torch.no_grad()
    def initialise(self):
        """The paper's: the last matrix of each residual is smaller by sqrt(2 layers), a head of its
        own is zero, and biases are zero."""
        for name, parameter in self.named_parameters():
            if name.endswith("norm.weight"):
                parameter.fill_(1)
            elif name.endswith("bias") or name == "head.weight":
                parameter.zero_()
            else:
                embedding = "embedding" in name or name.startswith("condition.")
                d_in = self.config["d_model"] if embedding else parameter.shape[-1]
                spread = INITIAL_SCALE / math.sqrt(d_in)
                if name.startswith("position_embedding."):
                    spread /= math.sqrt(len(self.config["position_axes"]))
                if name.endswith((".o.weight", ".down.weight")):
                    spread /= math.sqrt(2 * self.config["n_layer"])
                parameter.normal_(0, spread)

    def prepare(self, n, kind):
        """Chooses attention `kind` ("plain", "flex") for sequences of n tokens; masks are kept."""
        if (n, kind) not in self._prepared:
            device = self.token_embedding.weight.device
            cycle = []
            for entry in self.config["attention"]:
                heads = entry.get("heads") or [entry] * self.config["n_head"]
                cycle.append(make_attention(kind, heads, n, device))
            layers = range(self.config["n_layer"])
            self._prepared[n, kind] = [cycle[layer % len(cycle)] for layer in layers]
        self.attends = self._prepared[n, kind]
        return self

    def positions(self, n):
        """[n, d_model], P(0) to P(n-1): the axes' rows summed, in C order."""
        total = torch.zeros(1, self.config["d_model"], device=self.token_embedding.weight.device)
        for table in self.position_embedding:
            total = (total[:, None] + table.weight[None]).flatten(0, 1)
        return total[:n]

    def start_vectors(self, batch, conditions=None):
        """[batch, d_model]; conditions as for `forward`."""
        if "start_token" in self.config:
            return self.token_embedding.weight[self.config["start_token"]].expand(batch, -1)
        if not self.conditions:
            return self.start.expand(batch, -1)
        if conditions is None:
            conditions = torch.zeros(
                batch, len(self.conditions), dtype=torch.int64, device=self.token_embedding.weight.device
            )
        return sum(
            self.condition[name](conditions[:, index]) for index, name in enumerate(self.conditions)
        )

    def _inputs(self, tokens, conditions):
        batch, n = tokens.shape
        start = self.start_vectors(batch, conditions)
        embedded = self.token_embedding(tokens[:, :-1])
        positions = self.positions(n)
        if self.config["position_rule"] == "previous":
            return torch.cat([start[:, None], embedded + positions[: n - 1]], dim=1)
        return torch.cat([start[:, None], embedded], dim=1) + positions

    def logits(self, h):
        return self.head(self.final_norm(h), self.token_embedding.weight)

    def compile_parts(self):
        """Compiles layers and the loss, not the whole: layers of one pattern share their kernels, so
        that the time it takes does not grow with depth."""
        for layer in self.layers:
            layer.compile_parts()
        self._bits = torch.compile(self._bits, dynamic=False)
        return self

    def _hidden(self, tokens, conditions):
        h = self._inputs(tokens, conditions)
        for layer, attend in zip(self.layers, self.attends, strict=True):
            h = layer(h, attend)
        return h

    def forward(self, tokens, conditions=None):
        """Logits [batch, n, vocab]: row t predicts tokens[:, t] from the tokens before it.

        tokens: int64 [batch, n]; conditions: int64 [batch, number of conditions].
        """
        return self.logits(self._hidden(tokens, conditions))

    def loss(self, tokens, conditions=None):
        """Mean bits per token of int64 or uint8 tokens [batch, n]."""
        tokens = tokens.long()
        return self._bits(self._hidden(tokens, conditions), tokens)

    def _bits(self, h, tokens):
        logits = self.logits(h).float()
        return F.cross_entropy(logits.flatten(0, 1), tokens.flatten()) / math.log(2)


@torch.no_grad()
def load_tensors(model, tensors):
    """Copies {name: array} of a model directory; a bias that the file leaves out is zero."""
    state = model.state_dict()
    for name, parameter in state.items():
        if name in tensors:
            parameter.copy_(torch.from_numpy(tensors[name]))
        elif name.endswith(".bias"):
            parameter.zero_()
        else:
            raise KeyError(f"{name}: missing")
    unknown = set(tensors) - set(state)
    if unknown:
        raise KeyError(f"{sorted(unknown)[0]}: no such tensor in this configuration")
    return model


def saved_tensors(state):
    """{name: float32 array} of a state dictionary, as tensor_file.write_directory takes it."""
    return {name: value.detach().float().cpu().numpy() for name, value in state.items()}
