"""PyTorch as an expert would write it: compiled pieces and one CUDA graph for each step, sampling included.

torch-dense keeps and reads the whole past, torch-sparse what the pattern reads (shape.strip). The graph is captured
for its position, so that nothing is masked or looked up: a real sampler would need a graph per length. Every pair of
product and attention is raced at every point and the fastest counts.
"""

import contextlib
import functools

import torch

import network
import timing
import worker
from shape import load_shape
from strip_attention import ATTENTIONS, compile_only

RACE_REPEATS = 5
LINEARS = {"cublas": network.by_library, "fused": network.by_reduction}


class Decoder:
    """The network, and for each name of a product the compiled pieces."""

    def __init__(self, shape, dense):
        self.shape, self.dense = shape, dense
        self.net = network.Network(shape, network.random_tensors(shape, "cuda"))
        self.pieces = {
            name: network.compile_pieces(network.make_pieces(shape, linear)) for name, linear in LINEARS.items()
        }

    def variants(self, batch):
        """Products as sums are for one row only."""
        names = ["cublas", "fused"] if batch == 1 else ["cublas"]
        return [(linear, attention) for linear in names for attention in ATTENTIONS]

    def compile(self, batch, positions):
        """Compiles what the steps of a batch will run; needs no large memory."""
        net, shape = self.net, self.shape
        tokens = torch.zeros(batch, dtype=torch.int64, device="cuda")
        noise = torch.ones(batch, shape.vocab, device="cuda")
        attended = torch.zeros(batch, shape.split[2], dtype=torch.bfloat16, device="cuda")
        for linear in {name for name, _ in self.variants(batch)}:
            first, between, last = self.pieces[linear]
            hidden, qkv = first(tokens, net.table, net.positions[0], net.begins[0])
            between(hidden, attended, net.ends[0], net.begins[1])
            last(hidden, attended, net.ends[-1], net.final, noise)
        few = network.Caches(shape, 1, self.dense, "cuda", layers=len(shape.config["attention"]))
        for position in positions:
            for layer in range(len(few.patterns)):
                for attend in ATTENTIONS.values():
                    attend(shape, qkv, *few.of(layer), few.strip(layer, position), launch=compile_only)

    def measure(self, batch, positions, repeats):
        """Yields the best variant's microseconds at each position, and what all of them took in a short race."""
        if self.shape.cache_bytes(self.dense) * batch + self.shape.weight_bytes() > timing.total_memory():
            raise torch.OutOfMemoryError("the caches alone are larger than the memory")
        caches = network.Caches(self.shape, batch, self.dense, "cuda")
        tokens = torch.zeros(batch, dtype=torch.int64, device="cuda")
        noise = torch.ones(batch, self.shape.vocab, device="cuda")
        pool = torch.cuda.graph_pool_handle()

        def step(position, linear, attention):
            noise.exponential_()
            drawn, _ = self.net.step(tokens, position, caches, ATTENTIONS[attention], self.pieces[linear], noise)
            tokens.copy_(drawn)

        for position in positions:
            graphs, raced, failed = {}, {}, {}
            for variant in self.variants(batch):
                name = "+".join(variant)
                try:
                    graphs[name] = timing.capture(functools.partial(step, position, *variant), pool)
                    raced[name] = round(timing.replay_us(graphs[name], RACE_REPEATS), 1)
                except Exception as error:  # the others are still to be raced
                    failed[name] = worker.first_line(error)
            if not raced:
                raise RuntimeError(f"no variant works; the last: {failed[name]}")
            best = min(raced, key=raced.get)
            us = timing.replay_us(graphs[best], repeats)
            yield {"us_per_step": us, "variant": best, "raced_us": raced | failed}


@torch.no_grad()
def main():
    options = worker.parse_arguments()
    torch._dynamo.config.recompile_limit = 64
    shape = load_shape(options.shape)
    positions = worker.numbered(shape, options.positions)
    decoder = Decoder(shape, dense=options.peer == "torch-dense")
    for batch in options.batches:
        with contextlib.suppress(Exception):  # what does not compile fails again, and is reported, where it is measured
            decoder.compile(batch, positions)
    with worker.gpu_turn(options.lock):
        worker.emit(**timing.describe_device())
        for batch in options.batches:
            rows = [dict(shape=shape.name, batch=batch, position=p, peer=options.peer) for p in positions]
            worker.attempt(rows, lambda batch=batch: decoder.measure(batch, positions, options.repeats))
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
