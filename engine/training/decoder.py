"""The model token by token, to look at samples while training: whole caches, masked."""

import torch
import torch.nn.functional as F

from attention import attends


class Decoder:
    """`batch` sequences at one position; the arithmetic is that of the caller's autocast.

    conditions: int64 [batch, number of conditions], or None for value 0 of each.
    """

    def __init__(self, model, batch, length, conditions=None):
        config = model.config
        device = model.token_embedding.weight.device
        self.model, self.t = model, 0
        self.places = torch.arange(length, device=device)
        self.positions = model.positions(length)
        self.start = model.start_vectors(batch, conditions)
        self.cycle = [
            entry.get("heads") or [entry] * config["n_head"] for entry in config["attention"]
        ]
        shape = (config["n_layer"], batch, config["n_head"], length)
        self.keys = torch.zeros(*shape, config["d_key"], device=device)
        self.values = torch.zeros(*shape, config["d_value"], device=device)

    def _input(self, tokens):
        first = self.t == 0
        h = self.start if first else self.model.token_embedding(tokens)
        if self.model.config["position_rule"] == "current":
            return h + self.positions[self.t]
        return h if first else h + self.positions[self.t - 1]

    def _masks(self):
        """For each entry of the attention cycle, [heads, t + 1]."""
        places = self.places[: self.t + 1]
        return [
            torch.stack([attends(pattern, head, self.t, places) for head, pattern in enumerate(heads)])
            for heads in self.cycle
        ]

    def _attend(self, index, mask):
        def attend(q, k, v, scale):
            self.keys[index, :, :, self.t], self.values[index, :, :, self.t] = k[:, :, 0], v[:, :, 0]
            k = self.keys[index, :, :, : self.t + 1].to(q.dtype)
            v = self.values[index, :, :, : self.t + 1].to(q.dtype)
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[None, :, None], scale=scale)
            return torch.where(mask.any(-1)[None, :, None, None], out, 0)

        return attend

    @torch.no_grad()
    def step(self, tokens=None):
        """Logits [batch, vocab] of the next position; tokens int64 [batch]: at the last one."""
        masks = self._masks()
        h = self._input(tokens)[:, None]
        for index, layer in enumerate(self.model.layers):
            h = layer(h, self._attend(index, masks[index % len(masks)]))
        self.t += 1
        return self.model.logits(h)[:, 0]


@torch.no_grad()
def sample(model, length, batch=1, temperature=1.0, seed=0, conditions=None):
    """uint8 [batch, length] drawn from the start."""
    decoder = Decoder(model, batch, length, conditions)
    generator = torch.Generator(decoder.places.device).manual_seed(seed)
    drawn, tokens = [], None
    # Every step has a shape of its own, for which compiled layers would be compiled again.
    with torch.compiler.set_stance("force_eager"):
        for _ in range(length):
            logits = decoder.step(tokens).float() / temperature
            tokens = torch.multinomial(torch.softmax(logits, -1), 1, generator=generator)[:, 0]
            drawn.append(tokens)
    return torch.stack(drawn, 1).to(torch.uint8).cpu().numpy()
