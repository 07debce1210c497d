"""Bits per token of a text under a model, and text drawn from a model."""

import torch


@torch.no_grad()
def bits_per_token(model, content, n, batch, kind="plain"):
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
        total += model.prepare(len(rest), "plain").loss(rest[None]).item() * len(rest)
    return total / len(content)


@torch.no_grad()
def sample(model, length, temperature=0.8, seed=0):
    """`length` tokens from the start. No cache: for a look while training, not for serving."""
    device = model.token_embedding.weight.device
    generator = torch.Generator(device).manual_seed(seed)
    tokens = torch.zeros(1, length, dtype=torch.int64, device=device)
    model.prepare(length, "plain")
    for t in range(length):
        logits = model(tokens)[0, t].float()
        probabilities = torch.softmax(logits / temperature, dim=-1)
        tokens[0, t] = torch.multinomial(probabilities, 1, generator=generator)[0]
    return bytes(tokens[0].tolist())
