"""Bits per token of held-out data under a model."""

import torch


@torch.no_grad()
def bits_per_token(model, content, n, batch, kind):
    """Mean bits over `content` (uint8, on the model's device), cut into windows of n tokens.

    Every window starts from the start vector, as separate requests to a server would; the last one
    may be shorter. The arithmetic is that of the caller's autocast.
    """
    total = 0.0
    whole = len(content) // n * n
    windows = content[:whole].view(-1, n)
    for first in range(0, len(windows), batch):
        rows = windows[first : first + batch]
        total += model.prepare(n, kind).loss(rows).item() * rows.numel()
    rest = content[whole:]
    if len(rest):
        total += model.prepare(len(rest), kind).loss(rest[None]).item() * len(rest)
    return total / len(content)
