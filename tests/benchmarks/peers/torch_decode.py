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
LARGEST_ERROR = 0.2  # of a variant's logits; bfloat16 makes some hundredths in 128 layers, a wrong kernel 1 and more
# How products are made, and what the compiler is told.
LINEARS = {
    "cublas": (network.by_library, {}),
    "fused": (network.by_reduction, {}),
    "tuned": (network.by_library, {"max_autotune": True, "coordinate_descent_tuning": True}),
}


class Decoder:
    """The network, and for each name of a product the compiled pieces."""

    def __init__(self, shape, dense, tuned):
        self.shape, self.dense, self.tuned = shape, dense, tuned
        self.net = network.Network(shape, network.random_tensors(shape, "cuda"))
        self.pieces = {
            name: network.compile_pieces(network.make_pieces(shape, linear), told)
            for name, (linear, told) in LINEARS.items()
        }

    def variants(self, batch):
        """Products as sums are for one row only."""
        names = ["cublas"] + ["fused"] * (batch == 1) + ["tuned"] * self.tuned
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
        caches = network.Caches(self.shape, batch, self.dense, "cuda")
        for position in positions:
            yield self.race(Point(self, caches, batch, position), repeats)

    def race(self, point, repeats):
        graphs, raced, failed, reference = {}, {}, {}, None
        for variant in self.variants(point.batch):
            name = "+".join(variant)
            try:
                logits = point.logits(*variant)
                reference = logits if reference is None else reference
                error = float((logits - reference).norm() / reference.norm())
                if not error < LARGEST_ERROR:
                    raise ArithmeticError(f"its logits differ from the first's by {error:.2f} of their size")
                graphs[name] = timing.capture(functools.partial(point.step, *variant))
                raced[name] = round(timing.replay_us(graphs[name], RACE_REPEATS), 1)
            except Exception as error:  # the others are still to be raced
                failed[name] = worker.first_line(error)
        if not raced:
            raise RuntimeError(f"no variant works; the last: {failed[name]}")
        best = min(raced, key=raced.get)
        timing.warm_up(graphs[best])
        return {"us_per_step": timing.replay_us(graphs[best], repeats), "variant": best, "raced_us": raced | failed}


DRAWS = 16  # steps until the noise repeats


class Point:
    """A batch at a position: the step that is timed, and the same without chance for comparison."""

    def __init__(self, decoder, caches, batch, position):
        self.decoder, self.caches, self.batch, self.position = decoder, caches, batch, position
        self.tokens = torch.zeros(batch, dtype=torch.int64, device="cuda")
        self.noise = torch.ones(batch, decoder.shape.vocab, device="cuda")
        # Drawn ahead: torch refuses its own generator in one graph after another of the same process.
        self.draws = torch.empty(DRAWS, batch, decoder.shape.vocab, device="cuda").exponential_()
        self.draw = torch.zeros(1, dtype=torch.int64, device="cuda")

    def _run(self, tokens, noise, linear, attention):
        net, pieces = self.decoder.net, self.decoder.pieces[linear]
        return net.step(tokens, self.position, self.caches, ATTENTIONS[attention], pieces, noise)

    def logits(self, linear, attention):
        return self._run(torch.zeros_like(self.tokens), torch.ones_like(self.noise), linear, attention)[1]

    def step(self, linear, attention):
        self.noise.copy_(self.draws.index_select(0, self.draw)[0])
        self.draw.add_(1).remainder_(DRAWS)
        self.tokens.copy_(self._run(self.tokens, self.noise, linear, attention)[0])


@torch.no_grad()
def main():
    options = worker.parse_arguments()
    torch._dynamo.config.recompile_limit = 64
    shape = load_shape(options.shape)
    positions = worker.numbered(shape, options.positions)
    decoder = Decoder(shape, options.peer == "torch-dense", options.tuned)
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
