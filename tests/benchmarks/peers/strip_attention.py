"""Decode attention over a strip of cache rows: PyTorch's own kernel, or one in Triton.

    qkv           [batch, heads * (2 d_key + d_value)]    the step's queries, then keys, then values, head by head
    keys, values  [batch, heads, rows, d_key or d_value]  one layer's cache; the step's own row is written
    result        [batch, heads * d_value]

`strip` says which rows are read and which one is written (shape.py). Soft maximum and sums are float32. The widths are
powers of two.
"""

import functools
import math

import torch
import torch.nn.functional as F
import triton
import triton.language as tl

_KEYS_PER_SPLIT = 256  # fewer are not worth the kernel that joins the splits
_PROGRAMS = 264  # two for each of an H100's 132 multiprocessors


@triton.jit(do_not_specialize=["write"])
def _write_kernel(qkv, keys, values, rows, write, HEADS: tl.constexpr, D_KEY: tl.constexpr, D_VALUE: tl.constexpr):
    """Copies the step's key and value into row `write`. One program per sequence and head."""
    pair = tl.program_id(0).to(tl.int64)
    head = pair % HEADS
    sequence = qkv + pair // HEADS * (HEADS * (2 * D_KEY + D_VALUE))
    key_dims, value_dims = tl.arange(0, D_KEY), tl.arange(0, D_VALUE)
    key = tl.load(sequence + (HEADS + head) * D_KEY + key_dims)
    value = tl.load(sequence + 2 * HEADS * D_KEY + head * D_VALUE + value_dims)
    tl.store(keys + (pair * rows + write) * D_KEY + key_dims, key)
    tl.store(values + (pair * rows + write) * D_VALUE + value_dims, value)


@triton.jit(do_not_specialize=["first", "count", "write"])
def _attend_kernel(
    qkv, keys, values, out, parts, rows, first, count, write, scale_log2,
    HEADS: tl.constexpr, D_KEY: tl.constexpr, D_VALUE: tl.constexpr,
    BLOCK: tl.constexpr, SPLITS: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """One program per (sequence and head, split of the strip); online soft maximum in base 2.

    The step's own key and value come from `qkv`: split 0 starts with them and writes them to the cache, and everybody
    passes over their row, so that no program waits for another. `parts` [pairs, splits, d_value + 2] float32 takes
    sum, maximum and weight where there are several splits.
    """
    pair = tl.program_id(0).to(tl.int64)
    split = tl.program_id(1)
    head = pair % HEADS
    sequence = qkv + pair // HEADS * (HEADS * (2 * D_KEY + D_VALUE))
    key_dims, value_dims = tl.arange(0, D_KEY), tl.arange(0, D_VALUE)
    query = tl.load(sequence + head * D_KEY + key_dims).to(tl.float32) * scale_log2
    strip_keys = keys + (pair * rows + first) * D_KEY
    strip_values = values + (pair * rows + first) * D_VALUE
    own = write - first

    maximum = -1e30  # finite: a split without keys then weighs exp2(-1e30 - m) = 0, not NaN
    weight = 0.0
    total = tl.zeros([D_VALUE], tl.float32)
    if split == 0:
        key = tl.load(sequence + (HEADS + head) * D_KEY + key_dims)
        value = tl.load(sequence + 2 * HEADS * D_KEY + head * D_VALUE + value_dims)
        tl.store(strip_keys + own * D_KEY + key_dims, key)
        tl.store(strip_values + own * D_VALUE + value_dims, value)
        maximum = tl.sum(query * key.to(tl.float32), 0)
        weight = 1.0
        total = value.to(tl.float32)

    share = tl.cdiv(count, SPLITS)
    end = tl.minimum((split + 1) * share, count)
    for start in tl.range(split * share, end, BLOCK, num_stages=STAGES):
        row = start + tl.arange(0, BLOCK)
        reads = (row < end) & (row != own)
        key = tl.load(strip_keys + row[:, None] * D_KEY + key_dims[None, :], mask=reads[:, None], other=0.0)
        value = tl.load(strip_values + row[:, None] * D_VALUE + value_dims[None, :], mask=reads[:, None], other=0.0)
        score = tl.where(reads, tl.sum(query[None, :] * key.to(tl.float32), 1), -float("inf"))
        larger = tl.maximum(maximum, tl.max(score, 0))
        factor = tl.exp2(maximum - larger)
        share_of_key = tl.exp2(score - larger)
        weight = weight * factor + tl.sum(share_of_key, 0)
        total = total * factor + tl.sum(share_of_key[:, None] * value.to(tl.float32), 0)
        maximum = larger

    if SPLITS == 1:
        tl.store(out + pair * D_VALUE + value_dims, (total / weight).to(out.dtype.element_ty))
    else:
        part = parts + (pair * SPLITS + split) * (D_VALUE + 2)
        tl.store(part + value_dims, total)
        tl.store(part + D_VALUE, maximum)
        tl.store(part + D_VALUE + 1, weight)


@triton.jit
def _join_kernel(parts, out, D_VALUE: tl.constexpr, SPLITS: tl.constexpr):
    """Joins the splits of one sequence and head."""
    pair = tl.program_id(0).to(tl.int64)
    splits, value_dims = tl.arange(0, SPLITS), tl.arange(0, D_VALUE)
    part = parts + (pair * SPLITS + splits) * (D_VALUE + 2)
    maximum = tl.load(part + D_VALUE)
    factor = tl.exp2(maximum - tl.max(maximum, 0))
    weight = tl.sum(factor * tl.load(part + D_VALUE + 1), 0)
    total = tl.sum(factor[:, None] * tl.load(part[:, None] + value_dims[None, :]), 0)
    tl.store(out + pair * D_VALUE + value_dims, (total / weight).to(out.dtype.element_ty))


def split_count(pairs, count):
    """Splits of a strip of `count` rows, a power of two: enough programs to fill a GPU, none with few keys."""
    splits = 1
    while pairs * splits < _PROGRAMS and count >= 2 * splits * _KEYS_PER_SPLIT:
        splits *= 2
    return splits


def _launch(kernel, grid, *arguments, **options):
    kernel[grid](*arguments, **options)


def compile_only(kernel, grid, *arguments, **options):
    """A launch that stops after compilation; `keys` and `values` may then be of one sequence."""
    kernel.warmup(*arguments, grid=grid, **options)


def attend_triton(shape, qkv, keys, values, strip, block=64, stages=1, launch=_launch):
    """One kernel, two for a long strip and few sequences; `block` keys at a time, `stages` of them under way."""
    pairs = qkv.shape[0] * shape.heads
    splits = split_count(pairs, strip.count)
    out = torch.empty(qkv.shape[0], shape.split[2], dtype=qkv.dtype, device=qkv.device)
    parts = out
    if splits > 1:
        parts = torch.empty(pairs, splits, shape.d_value + 2, dtype=torch.float32, device=qkv.device)
    launch(
        _attend_kernel, (pairs, splits),
        qkv, keys, values, out, parts, keys.shape[2], *strip, shape.scale * math.log2(math.e),
        shape.heads, shape.d_key, shape.d_value, block, splits, stages, num_warps=4 if block <= 64 else 8,
    )  # fmt: skip
    if splits > 1:
        launch(_join_kernel, (pairs,), parts, out, shape.d_value, splits)
    return out


def attend_sdpa(shape, qkv, keys, values, strip, launch=_launch):
    """One kernel that writes the cache, then scaled_dot_product_attention over exactly the strip."""
    batch = qkv.shape[0]
    launch(
        _write_kernel, (batch * shape.heads,),
        qkv, keys, values, keys.shape[2], strip.write, shape.heads, shape.d_key, shape.d_value, num_warps=1,
    )  # fmt: skip
    if launch is compile_only:
        return None
    query = qkv[:, : shape.split[0]].view(batch, shape.heads, 1, shape.d_key)
    reads = slice(strip.first, strip.first + strip.count)
    out = F.scaled_dot_product_attention(query, keys[:, :, reads], values[:, :, reads], scale=shape.scale)
    return out.reshape(batch, shape.split[2])


ATTENTIONS = {
    "sdpa": attend_sdpa,
    "triton32": functools.partial(attend_triton, block=32),
    "triton128": functools.partial(attend_triton, block=128),
    "triton64x3": functools.partial(attend_triton, block=64, stages=3),
}
