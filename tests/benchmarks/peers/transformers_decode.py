"""transformers' `generate` with a GPT-2 of the shape's sizes: dense, static cache, eager, batch 1.

The clock is read where generate asks its logits processors, once a token; a step is the time between two readings.
GPT-2 has one width per head, d_model / heads, and knows no pattern.
"""

import statistics
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LogitsProcessor, LogitsProcessorList

import worker
from shape import load_shape


class Clock(LogitsProcessor):
    """Notes when each token's logits are there."""

    def __init__(self):
        self.readings = []

    def __call__(self, input_ids, scores):
        if scores.is_cuda:
            torch.cuda.synchronize()
        self.readings.append(time.perf_counter())
        return scores


def make_model(shape, device):
    config = GPT2Config(
        vocab_size=shape.vocab, n_positions=shape.n, n_embd=shape.width, n_layer=shape.layers, n_head=shape.heads,
        n_inner=shape.d_ff, bos_token_id=None, eos_token_id=None, attn_implementation="sdpa", dtype=torch.bfloat16,
    )  # fmt: skip
    with torch.device(device):
        return GPT2LMHeadModel(config).to(torch.bfloat16).eval()


def measure(model, shape, positions, steps):
    """Yields microseconds per token for `steps` tokens that end at each position."""
    for position in positions:
        prompt = torch.randint(shape.vocab, (1, position - steps), device=model.device)
        clock = Clock()
        model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=steps + 1, min_new_tokens=steps + 1,
            do_sample=True, top_k=0, cache_implementation="static", disable_compile=True, pad_token_id=0,
            logits_processor=LogitsProcessorList([clock]),
        )  # fmt: skip
        gaps = [after - before for before, after in zip(clock.readings[1:], clock.readings[2:])]
        yield {"us_per_step": statistics.median(gaps) * 1e6, "variant": "static cache, eager"}


@torch.no_grad()
def main():
    options = worker.parse_arguments()
    shape = load_shape(options.shape)
    positions = worker.numbered(shape, options.positions)
    rows = [dict(shape=shape.name, batch=1, position=position, peer=options.peer) for position in positions]
    with worker.gpu_turn(options.lock):
        model = make_model(shape, "cuda")
        worker.attempt(rows, lambda: measure(model, shape, positions, steps=12))


if __name__ == "__main__":
    main()
