"""The model token by token, to look at samples while training: whole caches, masked.

Every step has the same shapes, and its position lies on the device: on a GPU a step is captured once
and then replayed, since the launches of some hundred small kernels would take most of its time.
"""

import torch
import torch.nn.functional as F

from attention import attends

EAGER_STEPS = 3  # on a GPU before a step is captured: libraries set themselves up in the first


class Decoder:
    """`batch` sequences at one position; the arithmetic is that of the caller's autocast.

    conditions: int64 [batch, number of conditions], or None for value 0 of each.
    """

    def __init__(self, model, batch, length, conditions=None):
        config = model.config
        device = model.token_embedding.weight.device
        autocast = torch.is_autocast_enabled(device.type)
        dtype = torch.get_autocast_dtype(device.type) if autocast else torch.float32
        self.model = model
        self.t = torch.zeros((), dtype=torch.int64, device=device)
        self.places = torch.arange(length, device=device)
        self.positions = model.positions(length)
        self.start = model.start_vectors(batch, conditions)
        self.cycle = [
            entry.get("heads") or [entry] * config["n_head"] for entry in config["attention"]
        ]
        shape = (config["n_layer"], batch, config["n_head"], length)
        self.keys = torch.zeros(*shape, config["d_key"], dtype=dtype, device=device)
        self.values = torch.zeros(*shape, config["d_value"], dtype=dtype, device=device)

    def _input(self, tokens):
        first = self.t == 0
        h = torch.where(first, self.start, self.model.token_embedding(tokens))
        # index_select: a subscript of one number would be read back from the device.
        if self.model.config["position_rule"] == "current":
            return h + self.positions.index_select(0, self.t[None])
        before = (self.t - 1).clamp(min=0)
        return torch.where(first, h, h + self.positions.index_select(0, before[None]))

    def _masks(self):
        """For each entry of the attention cycle, [heads, length]."""
        return [
            torch.stack(
                [attends(pattern, head, self.t, self.places) for head, pattern in enumerate(heads)]
            )
            for heads in self.cycle
        ]

    def _attend(self, index, mask):
        keys, values, place = self.keys[index], self.values[index], self.t[None]

        def attend(q, k, v, scale):
            keys.index_copy_(2, place, k.to(keys.dtype))
            values.index_copy_(2, place, v.to(values.dtype))
            k, v = keys.to(q.dtype), values.to(q.dtype)
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[None, :, None], scale=scale)
            return torch.where(mask.any(-1)[None, :, None, None], out, 0)

        return attend

    @torch.no_grad()
    def step(self, tokens):
        """Logits [batch, vocab] of the next position; tokens int64 [batch]: at the last one, and
        anything at the first."""
        masks = self._masks()
        h = self._input(tokens)[:, None]
        for index, layer in enumerate(self.model.layers):
            # `forward`: a call would go through the compiled layer, compiled anew for this shape.
            h = layer.forward(h, self._attend(index, masks[index % len(masks)]))
        self.t += 1
        return self.model.logits(h)[:, 0]


class _Drawing:
    """Tokens [batch, length] as they are drawn; `advance` draws the next of each sequence."""

    def __init__(self, decoder, length, batch, temperature, generator):
        self.decoder, self.temperature, self.generator = decoder, temperature, generator
        self.tokens = torch.zeros(batch, length, dtype=torch.int64, device=decoder.places.device)
        self.last = self.tokens[:, 0].clone()

    def advance(self):
        place = self.decoder.t.clone()
        logits = self.decoder.step(self.last).float() / self.temperature
        # argmax(p / e) with e exponential draws from p, without multinomial's wait for the device.
        noise = torch.empty_like(logits).exponential_(generator=self.generator)
        self.last.copy_((torch.softmax(logits, -1) / noise).argmax(-1))
        self.tokens.index_copy_(1, place[None], self.last[:, None])

    def capture(self):
        """A function that does what `advance` does, in one launch."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        with torch.cuda.graph(graph):
            self.advance()
        return graph.replay


@torch.no_grad()
def sample(model, length, batch=1, temperature=1.0, seed=0, conditions=None):
    """uint8 [batch, length] drawn from the start."""
    device = model.token_embedding.weight.device
    # A cached cast would belong to the graph's memory, or change after capture.
    with torch.autocast(device.type, enabled=torch.is_autocast_enabled(device.type), cache_enabled=False):
        decoder = Decoder(model, batch, length, conditions)
        generator = torch.Generator(device).manual_seed(seed)
        drawing = _Drawing(decoder, length, batch, temperature, generator)
        eager = min(length, EAGER_STEPS) if device.type == "cuda" else length
        for _ in range(eager):
            drawing.advance()
        advance = drawing.capture() if eager < length else None
        for _ in range(length - eager):
            advance()
    return drawing.tokens.to(torch.uint8).cpu().numpy()
