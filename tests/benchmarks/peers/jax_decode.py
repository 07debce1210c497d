"""JAX: the whole sampler in one jit, with the caches of the pattern.

A fori_loop over steps around a fori_loop over groups of layers (a whole number of cycles each, so that patterns are
known when it is compiled); caches are carried and written in place. The position is a number that the device counts:
one compilation serves all of them, and reads are masked to a fixed number of rows. `fixed` keeps its cells in rows of
their own and the open block behind them.
"""

import functools
import math
import os
import statistics
import time

os.environ.setdefault("JAX_PLATFORMS", "cuda")  # without a GPU it fails, and is not timed on the CPU
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.95")
import jax  # noqa: E402  (after its allocator is chosen)
import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

import worker  # noqa: E402
from shape import cache_rows, cell_offset, load_shape  # noqa: E402

LAYERS_PER_GROUP = 4  # at least; fewer make the loop's own cost visible, more take long to compile
STEPS = 16  # in one call


def activate(x):
    return x * jax.nn.sigmoid(1.702 * x)


def group_size(shape):
    """Layers in a group: the least number of whole cycles that divides the layers and is not below the minimum."""
    cycle = len(shape.config["attention"])
    sizes = range(cycle, shape.layers + 1, cycle)
    return next(size for size in sizes if shape.layers % size == 0 and size >= min(LAYERS_PER_GROUP, shape.layers))


def layer_sizes(shape):
    """Name -> size of the tensors of one layer; matrices are [out, in]."""
    width, qkv, values = shape.width, sum(shape.split), shape.split[2]
    matrices = {"qkv": (qkv, width), "o": (width, values), "up": (shape.d_ff, width), "down": (width, shape.d_ff)}
    sizes = {f"{name}.weight": size for name, size in matrices.items()}
    sizes |= {f"{name}.bias": size[:1] for name, size in matrices.items()}
    return sizes | {f"{norm}.{kind}": (width,) for norm in ("attn_norm", "mlp_norm") for kind in ("weight", "bias")}


def random_weights(shape, dtype=jnp.bfloat16):
    """Stacked weights: `groups`[place in group][name] is [groups, ...]."""
    keys = iter(jax.random.split(jax.random.key(1), 1000))

    def normal(size, spread):
        return (jax.random.normal(next(keys), size, jnp.float32) * spread).astype(dtype)

    size, width = group_size(shape), shape.width
    groups = [
        {
            name: normal((shape.layers // size, *dims), dims[-1] ** -0.5 if len(dims) == 2 else 0.1)
            + (1 if name.endswith("norm.weight") else 0)
            for name, dims in layer_sizes(shape).items()
        }
        for _ in range(size)
    ]
    return {
        "groups": groups, "table": normal((shape.vocab, width), 1), "start": normal((width,), 1),
        "positions": normal((shape.n, width), 0.5), "final": (1 + normal((width,), 0.1), normal((width,), 0.1)),
        "head": normal((shape.vocab, width), width**-0.5),
    }  # fmt: skip


def empty_caches(shape, batch, dtype=jnp.bfloat16):
    """Per place in a group, keys and values [groups, batch, heads, rows, width of a head]."""
    size, caches = group_size(shape), []
    for pattern in shape.patterns[:size]:
        rows = cache_rows(pattern, shape.n) + (pattern["pattern"] == "fixed")  # the last one takes what nobody reads
        dims = (shape.layers // size, batch, shape.heads, rows)
        caches.append(tuple(jnp.zeros((*dims, width), dtype) for width in (shape.d_key, shape.d_value)))
    return caches


def place(shape, pattern, position):
    """(row written, first row read, number of rows read, which of them count)."""
    if pattern["pattern"] == "local":
        window = cache_rows(pattern, shape.n)
        return position % window, 0, window, jnp.arange(window) <= position
    block, residue = position // pattern["stride"], position % pattern["stride"]
    blocks = math.ceil(shape.n / pattern["stride"])
    if pattern["pattern"] == "strided":
        return residue * blocks + block, residue * blocks, blocks, jnp.arange(blocks) <= block
    cells = blocks * pattern["cells"]
    row = jnp.arange(cells + pattern["stride"])
    reads = (row < pattern["cells"] * block) | ((row >= cells) & (row <= cells + residue))
    return cells + residue, 0, len(row), reads


def write_cell(shape, pattern, cache, group, position, new):
    """Copies the step's row to the cells of those heads whose cells hold its position."""
    heads = range(shape.heads)
    cell = position % pattern["stride"] - jnp.array([cell_offset(pattern, head) for head in heads])
    inside = (cell >= 0) & (cell < pattern["cells"])
    rows = jnp.where(inside, position // pattern["stride"] * pattern["cells"] + cell, cache.shape[3] - 1)
    return cache.at[group, :, jnp.arange(shape.heads), rows].set(new.transpose(1, 0, 2))


def attend(shape, pattern, caches, group, qkv, position):
    """[batch, heads * d_value], and the caches with the step's row; the sums are float32."""
    batch, ends = qkv.shape[0], (shape.split[0], 2 * shape.split[0])
    query, *new = (part.reshape(batch, shape.heads, -1) for part in jnp.split(qkv, ends, 1))
    row, first, count, counts = place(shape, pattern, position)
    strips, written = [], []
    for cache, part in zip(caches, new):
        cache = lax.dynamic_update_slice(cache, part[None, :, :, None].astype(cache.dtype), (group, 0, 0, row, 0))
        if pattern["pattern"] == "fixed":
            cache = write_cell(shape, pattern, cache, group, position, part.astype(cache.dtype))
        size = (1, batch, shape.heads, count, cache.shape[4])
        strips.append(lax.dynamic_slice(cache, (group, 0, 0, first, 0), size)[0].astype(jnp.float32))
        written.append(cache)
    keys, values = strips
    scores = (query[:, :, None].astype(jnp.float32) * keys).sum(-1) * shape.scale
    shares = jax.nn.softmax(jnp.where(counts, scores, -jnp.inf), -1)
    return (shares[..., None] * values).sum(2).reshape(batch, -1).astype(qkv.dtype), tuple(written)


def norm(x, weight, bias, epsilon):
    wide = x.astype(jnp.float32)
    centred = wide - wide.mean(-1, keepdims=True)
    scaled = centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + epsilon)
    return (scaled * weight + bias).astype(x.dtype)


def run_layer(shape, pattern, weights, caches, group, hidden, position):
    """One layer: h += O attend(norm(h)), h += down(f(up(norm(h))))."""
    at = {name: lax.dynamic_index_in_dim(tensor, group, keepdims=False) for name, tensor in weights.items()}
    epsilon = shape.config["norm_epsilon"]

    def product(x, name):
        return x @ at[f"{name}.weight"].T + at[f"{name}.bias"]

    qkv = product(norm(hidden, at["attn_norm.weight"], at["attn_norm.bias"], epsilon), "qkv")
    attended, caches = attend(shape, pattern, caches, group, qkv, position)
    hidden = hidden + product(attended, "o")
    normed = norm(hidden, at["mlp_norm.weight"], at["mlp_norm.bias"], epsilon)
    return hidden + product(activate(product(normed, "up")), "down"), caches


def step(shape, weights, caches, tokens, position):
    """Logits [batch, vocab] float32 of the step at `position`, which reads `tokens` [batch]; and the caches."""
    previous = weights["table"][tokens] + weights["positions"][jnp.maximum(position - 1, 0)]
    hidden = jnp.where(position == 0, weights["start"], previous)

    def run_group(group, carry):
        hidden, caches = carry
        caches = list(caches)
        for index, layer in enumerate(weights["groups"]):
            pattern = shape.patterns[index]
            hidden, caches[index] = run_layer(shape, pattern, layer, caches[index], group, hidden, position)
        return hidden, caches

    groups = shape.layers // len(weights["groups"])
    hidden, caches = lax.fori_loop(0, groups, run_group, (hidden, list(caches)))
    final = norm(hidden, *weights["final"], shape.config["final_norm_epsilon"])
    return (final @ weights["head"].T).astype(jnp.float32), caches


def sample(shape, weights, caches, tokens, start, key):
    """STEPS steps from position `start`: the caches and the last tokens."""

    def one(index, carry):
        caches, tokens = carry
        logits, caches = step(shape, weights, caches, tokens, start + index)
        return caches, jax.random.categorical(jax.random.fold_in(key, index), logits)

    return lax.fori_loop(0, STEPS, one, (list(caches), tokens))


def compile_sampler(shape, weights, batch):
    """The compiled `sample` for a batch; makes no caches."""
    caches = jax.eval_shape(functools.partial(empty_caches, shape, batch))
    tokens = jax.ShapeDtypeStruct((batch,), jnp.int32)
    sampler = jax.jit(functools.partial(sample, shape), donate_argnums=1)
    return sampler.lower(weights, caches, tokens, jnp.int32(1), jax.random.key(2)).compile()


def measure(shape, weights, sampler, batch, positions):
    """Yields the median microseconds of a step over calls that end at each position; a call is STEPS steps."""
    caches = empty_caches(shape, batch)
    tokens, key = jnp.zeros(batch, jnp.int32), jax.random.key(2)
    for position in positions:
        times, start = [], jnp.int32(position - STEPS + 1)
        for _ in range(2 + 5):
            begun = time.perf_counter()
            caches, tokens = sampler(weights, caches, tokens, start, key)
            tokens.block_until_ready()
            times.append((time.perf_counter() - begun) / STEPS)
        yield {"us_per_step": statistics.median(times[2:]) * 1e6, "variant": f"{STEPS} steps a call"}


def main():
    options = worker.parse_arguments()
    shape = load_shape(options.shape)
    positions = worker.numbered(shape, options.positions)
    weights = random_weights(shape)
    samplers = {batch: compile_sampler(shape, weights, batch) for batch in options.batches}
    with worker.gpu_turn(options.lock):
        for batch in options.batches:
            rows = [dict(shape=shape.name, batch=batch, position=p, peer=options.peer) for p in positions]
            worker.attempt(rows, functools.partial(measure, shape, weights, samplers[batch], batch, positions))


if __name__ == "__main__":
    main()
