"""Prefill of the whole context by PyTorch: compiled layers in one CUDA graph, batch 1.

prefill-flex   FlexAttention with the pattern's mask, in the form that is proportional to the pattern
               (engine/training/attention.py); block masks are made before the clock starts
prefill-dense  scaled_dot_product_attention, causal

Keys and values of all layers are kept, as the products leave them; only the last position's logits are made.
"""

import functools
import pathlib
import sys

import torch
import torch.nn.functional as F

import network
import timing
import worker
from shape import load_shape

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "engine" / "training"))
import attention  # noqa: E402

ENOUGH_US = 1e6  # repeats stop here, but not before the third


def attend_dense(q, k, v, scale):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)


def attend_padded(q, k, v, scale):
    """Queries and keys as wide as values, which PyTorch's fastest kernel wants."""
    q, k = (F.pad(x, (0, v.shape[-1] - x.shape[-1])) for x in (q, k))
    return attend_dense(q, k, v, scale)


def flex_attentions(shape, device):
    """One attention for each pattern of the cycle."""
    cycle = shape.config["attention"]
    return [attention.make_attention("flex", [entry] * shape.heads, shape.n, device) for entry in cycle]


def make_layer(shape, attend):
    """A layer over all positions: hidden [1, n, d_model] -> hidden, qkv."""
    begin_layer, end_layer = network.make_halves(shape, network.by_library)

    def layer(hidden, begin, end):
        qkv = begin_layer(hidden, begin)
        q, k, v = (part.unflatten(-1, (shape.heads, -1)).transpose(1, 2) for part in qkv.split(shape.split, -1))
        attended = attend(q, k, v, shape.scale).transpose(1, 2).flatten(2)
        return end_layer(hidden, attended, end), qkv

    return layer


def prefill(net, tokens, layers):
    """Logits [1, vocab] of the position after `tokens` [1, n - 1], and every layer's qkv."""
    shape, kept = net.shape, []
    embedded = net.table[tokens] + net.positions[: tokens.shape[1]]
    hidden = torch.cat([net.start.expand(1, 1, -1), embedded], 1)
    for index, (begin, end) in enumerate(zip(net.begins, net.ends, strict=True)):
        hidden, qkv = layers[index % len(layers)](hidden, begin, end)
        kept.append(qkv)
    weight, bias, head = net.final
    final = F.layer_norm(hidden[:, -1], [shape.width], weight, bias, shape.config["final_norm_epsilon"])
    return F.linear(final, head), kept


def variants(peer, shape):
    """Name -> attention per pattern of the cycle; the fastest counts."""
    if peer == "prefill-flex":
        return {"flex": flex_attentions(shape, "cuda")}
    ways = {"sdpa": [attend_dense]}
    return ways if shape.d_key == shape.d_value else ways | {"padded": [attend_padded]}


def measure(net, tokens, ways, repeats):
    """Yields the fastest way's median milliseconds."""
    raced = {}
    for name, layers in ways.items():
        graph = timing.capture(functools.partial(prefill, net, tokens, layers))
        once = timing.replay_us(graph, 1, warm=1)
        raced[name] = timing.replay_us(graph, max(3, min(repeats, int(ENOUGH_US / once))), warm=0) / 1e3
    best = min(raced, key=raced.get)
    yield {"prefill_ms": raced[best], "variant": best, "raced_ms": {name: round(ms, 3) for name, ms in raced.items()}}


@torch.no_grad()
def main():
    options = worker.parse_arguments()
    torch._dynamo.config.recompile_limit = 64
    shape = load_shape(options.shape)
    net = network.Network(shape, network.random_tensors(shape, "cuda"))
    tokens = torch.randint(shape.vocab, (1, shape.n - 1), device="cuda")
    ways = {
        name: [torch.compile(make_layer(shape, attend), dynamic=False) for attend in attends]
        for name, attends in variants(options.peer, shape).items()
    }
    hidden = torch.zeros(1, shape.n, shape.width, dtype=torch.bfloat16, device="cuda")
    for layers in ways.values():
        for layer in layers:
            layer(hidden, net.begins[0], net.ends[0])
    with worker.gpu_turn(options.lock):
        row = dict(shape=shape.name, peer=options.peer)
        worker.attempt([row], lambda: measure(net, tokens, ways, options.repeats))


if __name__ == "__main__":
    main()
