"""Sparse attention in PyTorch, for the read sets of model-format.md.

Two ways to the same result, chosen by `make_attention`:
  plain  one masked attention over all n keys; for short sequences, for the CPU and for tests;
  flex   FlexAttention, which computes only the tiles that a block mask keeps. Where a pattern is
         scattered in the order of positions, queries or keys are first put in an order in which it
         is not, so that the work is that of the pattern and no n x n matrix exists:
           strided        positions by residue, so that a residue's column is one dense run;
           local_strided  a window in natural order and a column by residue, joined by their
                          log-sum-exps (each key once: the column leaves out the query itself);
           summary        the cells of all blocks alone, gathered per head;
           fixed          the cells of all blocks, then all keys: a query reads the cells of earlier
                          blocks, whose tiles lie side by side, and the diagonal tile of its own.

Shapes: q, k [batch, heads, n, d_key], v [batch, heads, n, d_value]; the result is as v. A query
with an empty read set gets zeros.
"""

import torch
import torch.nn.functional as F
from torch.nn.attention.flex_attention import AuxRequest, create_block_mask, flex_attention

# Above this many mask elements a block mask is computed in a compiled kernel, tile by tile.
_COMPILED_MASK_ELEMENTS = 2**28


def _cells_offset(pattern, head):
    return pattern["stride"] - pattern["cells"] * (1 + head % pattern["spread"])


def attends(pattern, head, i, j):
    """Whether head `head` reads position j at position i; i, j and head are ints or tensors."""
    kind, stride = pattern["pattern"], pattern.get("stride", 1)
    same_block = i // stride == j // stride
    causal = j <= i
    if kind == "dense":
        return causal
    if kind == "local":
        return causal & (i - j < pattern["window"])
    if kind == "strided":
        return causal & ((i - j) % stride == 0)
    if kind == "local_strided":
        return causal & ((i - j < stride) | ((i - j) % stride == 0))
    if kind == "block":
        return causal & same_block
    if kind == "previous_block":
        return i // stride == j // stride + 1
    offset = _cells_offset(pattern, head)
    is_cell = (j % stride >= offset) & (j % stride < offset + pattern["cells"])
    if kind == "summary":
        return causal & is_cell
    if kind == "fixed":
        return causal & (is_cell | same_block)
    raise ValueError(f"attention: unknown pattern {kind!r}")


class PlainAttention:
    """All n keys under a mask [1, heads or 1, n, n]."""

    def __init__(self, patterns, n, device):
        i, j = torch.arange(n, device=device)[:, None], torch.arange(n, device=device)[None, :]
        masks = [attends(pattern, head, i, j) for head, pattern in enumerate(patterns)]
        if all(torch.equal(mask, masks[0]) for mask in masks):
            masks = masks[:1]
        mask = torch.stack(masks)[None]
        self.reads = mask.any(dim=-1, keepdim=True)
        # A soft maximum over nothing is undefined: such a query reads itself, times zero.
        self.mask = mask | ((i == j) & ~self.reads)

    def __call__(self, q, k, v, scale):
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask, scale=scale)
        return torch.where(self.reads, out, torch.zeros((), dtype=out.dtype, device=out.device))


def _block_mask(mask_mod, queries, keys, device, heads=None):
    return create_block_mask(
        mask_mod,
        B=None,
        H=heads,
        Q_LEN=queries,
        KV_LEN=keys,
        device=device,
        _compile=queries * keys * (heads or 1) > _COMPILED_MASK_ELEMENTS,
    )


def _pad(x, n):
    """x [batch, heads, fewer or n, width] with zeros up to n."""
    return x if x.shape[2] == n else F.pad(x, (0, 0, 0, n - x.shape[2]))


class _NaturalOrder:
    """Patterns whose keys lie together already: dense, local, block, previous_block."""

    def __init__(self, pattern, n, device):
        def mask_mod(batch, head, i, j):
            return attends(pattern, 0, i, j)

        self.mask = _block_mask(mask_mod, n, n, device)

    def __call__(self, q, k, v, scale, aux=None):
        return flex_attention(q, k, v, block_mask=self.mask, scale=scale, return_aux=aux)


class _ByResidue:
    """strided: rows [t // l, t mod l] are transposed, so that a residue is `rows` long and dense."""

    def __init__(self, pattern, n, device, itself=True):
        self.n, self.stride = n, pattern["stride"]
        self.rows = rows = -(-n // self.stride)

        def mask_mod(batch, head, i, j):
            earlier = j <= i if itself else j < i
            return earlier & (i // rows == j // rows)

        self.mask = _block_mask(mask_mod, rows * self.stride, rows * self.stride, device)

    def _sort(self, x):
        x = _pad(x, self.rows * self.stride).unflatten(2, (self.rows, self.stride))
        return x.transpose(2, 3).flatten(2, 3)

    def _restore(self, x):
        return x.unflatten(2, (self.stride, self.rows)).transpose(2, 3).flatten(2, 3)[:, :, : self.n]

    def __call__(self, q, k, v, scale, aux=None):
        q, k, v = (self._sort(x) for x in (q, k, v))
        out = flex_attention(q, k, v, block_mask=self.mask, scale=scale, return_aux=aux)
        if aux is None:
            return self._restore(out)
        out, found = out
        return self._restore(out), found._replace(lse=self._restore(found.lse[..., None])[..., 0])


class _LocalAndColumn:
    """local_strided: two soft maxima over disjoint sets, joined in the ratio of their sums."""

    def __init__(self, pattern, n, device):
        window = {"pattern": "local", "window": pattern["stride"]}
        self.window = _NaturalOrder(window, n, device)
        self.column = _ByResidue(pattern, n, device, itself=False)

    def __call__(self, q, k, v, scale):
        aux = AuxRequest(lse=True)
        near, near_aux = self.window(q, k, v, scale, aux)
        far, far_aux = self.column(q, k, v, scale, aux)
        # The window is never empty; an empty column has log-sum-exp -inf, hence share 1.
        share = torch.sigmoid(near_aux.lse - far_aux.lse)[..., None].to(near.dtype)
        return share * near + (1 - share) * far


class _Cells:
    """summary and fixed: the cells of all blocks come first among the keys.

    `heads` are the indices within the layer of the heads in q, k, v: head h's cells start at
    l - c(1 + h mod s) of each block.
    """

    def __init__(self, pattern, n, device, heads):
        self.n, self.stride, self.cells = n, pattern["stride"], pattern["cells"]
        self.blocks = blocks = -(-n // self.stride)
        self.offsets = [_cells_offset(pattern, head) for head in heads]
        self.with_block = pattern["pattern"] == "fixed"
        stride, cells, total = self.stride, self.cells, blocks * self.cells
        offsets = torch.tensor(self.offsets, device=device)

        def fixed_mask(batch, head, i, j):
            cell_of_earlier_block = (j < total) & (j // cells < i // stride)
            position = j - total
            own_block = (position >= 0) & (position // stride == i // stride) & (position <= i)
            return cell_of_earlier_block | own_block

        def summary_mask(batch, head, i, j):
            return j // cells * stride + offsets[head] + j % cells <= i

        padded = blocks * stride
        if self.with_block:
            self.mask = _block_mask(fixed_mask, padded, total + padded, device)
        else:
            self.mask = _block_mask(summary_mask, padded, total, device, heads=len(heads))

    def _gather(self, x):
        """[batch, heads, blocks * cells (+ blocks * stride), width]."""
        by_block = x.unflatten(2, (self.blocks, self.stride))
        gathered = torch.stack(
            [
                by_block[:, head, :, offset : offset + self.cells]
                for head, offset in enumerate(self.offsets)
            ],
            dim=1,
        ).flatten(2, 3)
        return torch.cat([gathered, x], dim=2) if self.with_block else gathered

    def __call__(self, q, k, v, scale):
        q, k, v = (_pad(x, self.blocks * self.stride) for x in (q, k, v))
        k, v = self._gather(k), self._gather(v)
        return flex_attention(q, k, v, block_mask=self.mask, scale=scale)[:, :, : self.n]


def _flex_of_group(pattern, n, device, heads):
    kind = pattern["pattern"]
    if kind in ("summary", "fixed"):
        return _Cells(pattern, n, device, heads)
    if kind == "strided":
        return _ByResidue(pattern, n, device)
    if kind == "local_strided":
        return _LocalAndColumn(pattern, n, device)
    return _NaturalOrder(pattern, n, device)


class FlexAttention:
    """Heads of equal pattern go through FlexAttention together."""

    def __init__(self, patterns, n, device):
        groups = []
        for head, pattern in enumerate(patterns):
            for known, heads in groups:
                if known == pattern:
                    heads.append(head)
                    break
            else:
                groups.append((pattern, [head]))
        self.heads = [heads for _, heads in groups]
        self.groups = [_flex_of_group(pattern, n, device, heads) for pattern, heads in groups]
        order = [head for heads in self.heads for head in heads]
        self.places = [order.index(head) for head in range(len(patterns))]

    def __call__(self, q, k, v, scale):
        if len(self.groups) == 1:
            return self.groups[0](q, k, v, scale)
        outs = [
            group(q[:, heads], k[:, heads], v[:, heads], scale)
            for group, heads in zip(self.groups, self.heads)
        ]
        return torch.cat(outs, dim=1)[:, self.places]


def make_attention(kind, patterns, n, device):
    """kind: "plain" or "flex"; patterns: one entry per head; sequences of n tokens."""
    return {"plain": PlainAttention, "flex": FlexAttention}[kind](patterns, n, device)
