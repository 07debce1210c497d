"""JAX: the whole sampler in one jit.

jax-sparse  with the caches of the pattern
jax-dense   every layer over the whole past

A fori_loop over steps around a fori_loop over groups of layers (a whole number of cycles each, so that patterns are
known when it is compiled); caches are carried and written in place. The position is a number that the device counts.
Reads have a fixed size, which suits positions below a `limit`, and are masked; a sampler is compiled for each limit, a
multiple of the context / PARTS. `fixed` keeps the open block in rows of its own, and behind it the cells.
"""

import concurrent.futures
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
PARTS = 64  # limits, and so compilations, that a sampler of whole sequences would need
COMPILERS = 6  # threads; two where caches are large
LARGE_BYTES = 8e9


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


def limit_of(shape, position):
    """The least limit above `position`."""
    part = math.ceil(shape.n / PARTS)
    return min((position // part + 1) * part, shape.n)


def empty_caches(shape, batch, dense=False, dtype=jnp.bfloat16):
    """Per place in a group, keys and values [groups, batch, heads, rows, width of a head]."""
    size, caches = group_size(shape), []
    for pattern in shape.layer_patterns(dense)[:size]:
        rows = cache_rows(pattern, shape.n) + (pattern["pattern"] == "fixed")  # the last one takes what nobody reads
        dims = (shape.layers // size, batch, shape.heads, rows)
        caches.append(tuple(jnp.zeros((*dims, width), dtype) for width in (shape.d_key, shape.d_value)))
    return caches


def place(shape, pattern, position, limit):
    """(row written, first row read, number of rows read, which of them count), for positions below `limit`."""
    if pattern["pattern"] == "dense":
        return position, 0, limit, jnp.arange(limit) <= position
    if pattern["pattern"] == "local":
        window, rows = cache_rows(pattern, shape.n), cache_rows(pattern, limit)
        return position % window, 0, rows, jnp.arange(rows) <= position
    stride = pattern["stride"]
    block, residue = position // stride, position % stride
    blocks = math.ceil(limit / stride)
    if pattern["pattern"] == "strided":
        first = residue * math.ceil(shape.n / stride)
        return first + block, first, blocks, jnp.arange(blocks) <= block
    row = jnp.arange(stride + blocks * pattern["cells"])
    reads = (row <= residue) | ((row >= stride) & (row < stride + pattern["cells"] * block))
    return residue, 0, len(row), reads


def write_cell(shape, pattern, cache, group, position, new):
    """Copies the step's row to the cells of those heads whose cells hold its position."""
    heads = range(shape.heads)
    cell = position % pattern["stride"] - jnp.array([cell_offset(pattern, head) for head in heads])
    inside = (cell >= 0) & (cell < pattern["cells"])
    first = pattern["stride"] + position // pattern["stride"] * pattern["cells"]
    rows = jnp.where(inside, first + cell, cache.shape[3] - 1)
    return cache.at[group, :, jnp.arange(shape.heads), rows].set(new.transpose(1, 0, 2))


def attend(shape, pattern, caches, group, qkv, position, limit):
    """[batch, heads * d_value], and the caches with the step's row; the sums are float32."""
    batch, ends = qkv.shape[0], (shape.split[0], 2 * shape.split[0])
    query, *new = (part.reshape(batch, shape.heads, -1) for part in jnp.split(qkv, ends, 1))
    row, first, count, counts = place(shape, pattern, position, limit)
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


def run_layer(shape, pattern, weights, caches, group, hidden, position, limit):
    """One layer: h += O attend(norm(h)), h += down(f(up(norm(h))))."""
    at = {name: lax.dynamic_index_in_dim(tensor, group, keepdims=False) for name, tensor in weights.items()}
    epsilon = shape.config["norm_epsilon"]

    def product(x, name):
        return x @ at[f"{name}.weight"].T + at[f"{name}.bias"]

    qkv = product(norm(hidden, at["attn_norm.weight"], at["attn_norm.bias"], epsilon), "qkv")
    attended, caches = attend(shape, pattern, caches, group, qkv, position, limit)
    hidden = hidden + product(attended, "o")
    normed = norm(hidden, at["mlp_norm.weight"], at["mlp_norm.bias"], epsilon)
    return hidden + product(activate(product(normed, "up")), "down"), caches


def step(shape, weights, caches, tokens, position, dense=False, limit=None):
    """Logits [batch, vocab] float32 of the step at `position`, which reads `tokens` [batch]; and the caches."""
    patterns, limit = shape.layer_patterns(dense), limit or shape.n
    previous = weights["table"][tokens] + weights["positions"][jnp.maximum(position - 1, 0)]
    hidden = jnp.where(position == 0, weights["start"], previous)

    def run_group(group, carry):
        hidden, caches = carry
        caches = list(caches)
        for index, layer in enumerate(weights["groups"]):
            hidden, caches[index] = run_layer(
                shape, patterns[index], layer, caches[index], group, hidden, position, limit)
        return hidden, caches

    groups = shape.layers // len(weights["groups"])
    hidden, caches = lax.fori_loop(0, groups, run_group, (hidden, list(caches)))
    final = norm(hidden, *weights["final"], shape.config["final_norm_epsilon"])
    return (final @ weights["head"].T).astype(jnp.float32), caches


def sample(shape, dense, limit, weights, caches, tokens, start, key):
    """STEPS steps from position `start`, all below `limit`: the caches and the last tokens."""

    def one(index, carry):
        caches, tokens = carry
        logits, caches = step(shape, weights, caches, tokens, start + index, dense, limit)
        return caches, jax.random.categorical(jax.random.fold_in(key, index), logits)

    return lax.fori_loop(0, STEPS, one, (list(caches), tokens))


def compile_sampler(shape, weights, batch, dense, limit):
    """The compiled `sample` for a batch; makes no caches."""
    caches = jax.eval_shape(functools.partial(empty_caches, shape, batch, dense))
    tokens = jax.ShapeDtypeStruct((batch,), jnp.int32)
    sampler = jax.jit(functools.partial(sample, shape, dense, limit), donate_argnums=1)
    return sampler.lower(weights, caches, tokens, jnp.int32(1), jax.random.key(2)).compile()


def compile_samplers(shape, weights, batches, dense, positions):
    """{(batch, position): the compiled sampler, as a future}; the compiler runs on several at once."""
    large = max(batches) * shape.cache_bytes(dense) > LARGE_BYTES  # it makes arrays of their size
    with concurrent.futures.ThreadPoolExecutor(2 if large else COMPILERS) as pool:
        return {
            (batch, position): pool.submit(compile_sampler, shape, weights, batch, dense, limit_of(shape, position))
            for batch in batches for position in positions
        }  # fmt: skip


def measure(shape, weights, samplers, batch, dense, positions):
    """Yields the median microseconds of a step over calls that end at each position; a call is STEPS steps."""
    caches = empty_caches(shape, batch, dense)
    tokens, key = jnp.zeros(batch, jnp.int32), jax.random.key(2)
    for position in positions:
        times, start, sampler = [], jnp.int32(position - STEPS + 1), samplers[batch, position].result()
        for _ in range(2 + 5):
            begun = time.perf_counter()
            caches, tokens = sampler(weights, caches, tokens, start, key)
            tokens.block_until_ready()
            times.append((time.perf_counter() - begun) / STEPS)
        yield {"us_per_step": statistics.median(times[2:]) * 1e6, "variant": f"{STEPS} steps a call"}


def main():
    options = worker.parse_arguments()
    shape, dense = load_shape(options.shape), options.peer == "jax-dense"
    positions = worker.numbered(shape, options.positions)
    weights = random_weights(shape)
    samplers = compile_samplers(shape, weights, options.batches, dense, positions)
    with worker.gpu_turn(options.lock):
        for batch in options.batches:
            rows = [dict(shape=shape.name, batch=batch, position=p, peer=options.peer) for p in positions]
            worker.attempt(rows, functools.partial(measure, shape, weights, samplers, batch, dense, positions))


if __name__ == "__main__":
    main()
