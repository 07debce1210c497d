"""The peers compute the network that config.json describes, and none vanishes: a wrong peer is no peer.

On tiny shapes, against the model of engine/training with its dense masks in eager float32, on the CPU. Kernels in
Triton run in its interpreter, which needs a NumPy before 2.4.
"""

import importlib.util
import json
import os
import pathlib
import sys
import tempfile
import time
import unittest
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "peers"), str(HERE.parents[1] / "engine" / "training")]
SKIPPED = 77
os.environ |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "TRITON_INTERPRET": "1"}
try:
    import numpy
    import torch
    import triton  # noqa: F401
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(SKIPPED)

import attention  # noqa: E402
import compare  # noqa: E402
import network  # noqa: E402
import race  # noqa: E402
import report  # noqa: E402
import shape as shapes  # noqa: E402
import strip_attention  # noqa: E402
import torch_prefill  # noqa: E402
from model import SparseTransformer, load_tensors  # noqa: E402

NUMPY_SUITS_TRITON = tuple(map(int, numpy.__version__.split(".")[:2])) < (2, 4)
LOCAL, STRIDED = {"pattern": "local", "window": 4}, {"pattern": "strided", "stride": 4}
FIXED = {"pattern": "fixed", "stride": 4, "cells": 1, "spread": 3}
CYCLES = {"rings and columns": [STRIDED, LOCAL], "packed cells and an open block": [FIXED]}


def tiny_shape(cycle, n=22):
    config = {
        "vocab_size": 19, "context_length": n, "n_layer": 2, "n_head": 3, "d_model": 24, "d_ff": 40, "d_key": 8,
        "d_value": 16, "activation": "quick_gelu", "norm_epsilon": 1e-5, "final_norm_epsilon": 1e-6,
        "attention_scale": "inverse_sqrt", "position_axes": [3, 8], "position_rule": "previous", "attention": cycle,
        "tied_head": False, "head_bias": False,
    }  # fmt: skip
    return shapes.Shape("tiny", config)


@torch.no_grad()
def reference_logits(shape, tensors, tokens):
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    model = load_tensors(SparseTransformer(shape.config), arrays).eval()
    return model.prepare(tokens.shape[1], "plain")(tokens)


@torch.no_grad()
def decoded_logits(shape, tensors, tokens, attend, dense=False, linear=network.by_library):
    """Row t: what the step at position t gives when it is forced to read `tokens`."""
    net, pieces = network.Network(shape, tensors), network.make_pieces(shape, linear)
    caches = network.Caches(shape, tokens.shape[0], dense, "cpu", torch.float32)
    rows, noise = [], torch.ones(tokens.shape[0], shape.vocab)
    for position in range(tokens.shape[1]):
        previous = tokens[:, max(position - 1, 0)]
        rows.append(net.step(previous, position, caches, attend, pieces, noise)[1])
        caches.close_block(position)
    return torch.stack(rows, 1)


class NetworkCase(unittest.TestCase):
    def make(self, cycle):
        shape = tiny_shape(cycle)
        tokens = torch.randint(shape.vocab, (2, shape.n), generator=torch.Generator().manual_seed(3))
        return shape, network.random_tensors(shape, "cpu", torch.float32), tokens

    def assert_close(self, found, expected):
        difference = (found - expected).abs().amax(-1)
        worst = divmod(int(difference.argmax()), expected.shape[1])
        self.assertLess(float(difference.max()), 2e-5, f"worst at sequence, position {worst}")


class TorchDecodeTest(NetworkCase):
    def check(self, cycle, attend, **options):
        shape, tensors, tokens = self.make(cycle)
        read = tiny_shape([shapes.DENSE]) if options.get("dense") else shape
        self.assert_close(
            decoded_logits(shape, tensors, tokens, attend, **options), reference_logits(read, tensors, tokens)
        )

    def test_sparse_caches_equal_the_masks(self):
        for name, cycle in CYCLES.items():
            with self.subTest(name):
                self.check(cycle, strip_attention.attend_sdpa)

    def test_dense_caches_equal_the_causal_mask(self):
        self.check([FIXED], strip_attention.attend_sdpa, dense=True)

    def test_products_as_sums_equal_products(self):
        self.check([STRIDED, LOCAL], strip_attention.attend_sdpa, linear=network.by_reduction)

    @unittest.skipUnless(NUMPY_SUITS_TRITON, "Triton's interpreter needs a NumPy before 2.4")
    def test_the_kernel_equals_the_masks(self):
        for name, cycle in CYCLES.items():
            with self.subTest(name):
                self.check(cycle, strip_attention.ATTENTIONS["triton32"])

    @unittest.skipUnless(NUMPY_SUITS_TRITON, "Triton's interpreter needs a NumPy before 2.4")
    def test_the_kernel_joins_the_splits_of_a_long_strip(self):
        with mock.patch.object(strip_attention, "_KEYS_PER_SPLIT", 2):
            self.assertEqual(strip_attention.split_count(pairs=6, count=22), 8)
            self.check([FIXED], strip_attention.ATTENTIONS["triton64x3"], dense=True)


class JaxDecodeTest(NetworkCase):
    @unittest.skipUnless(importlib.util.find_spec("jax"), "no JAX")
    def test_sparse_caches_equal_the_masks(self):
        for name, cycle in CYCLES.items():
            with self.subTest(name):
                shape, tensors, tokens = self.make(cycle)
                self.assert_close(self.decode(shape, tensors, tokens), reference_logits(shape, tensors, tokens))

    @unittest.skipUnless(importlib.util.find_spec("jax"), "no JAX")
    def test_dense_caches_equal_the_dense_network(self):
        shape, tensors, tokens = self.make([shapes.DENSE])
        sparse = tiny_shape(CYCLES["rings and columns"])
        self.assert_close(self.decode(sparse, tensors, tokens, dense=True), reference_logits(shape, tensors, tokens))

    def decode(self, shape, tensors, tokens, dense=False):
        import jax
        import jax_decode

        net = network.Network(shape, tensors)
        names = ("attn_norm.weight", "attn_norm.bias", "qkv.weight", "qkv.bias", "o.weight", "o.bias",
                 "mlp_norm.weight", "mlp_norm.bias", "up.weight", "up.bias", "down.weight", "down.bias")  # fmt: skip
        layers = [dict(zip(names, begin + end)) for begin, end in zip(net.begins, net.ends)]
        groups = [{name: tensor[None].numpy() for name, tensor in layer.items()} for layer in layers]
        weights = {
            "groups": groups, "table": net.table.numpy(), "start": net.start.numpy(),
            "positions": net.positions.numpy(), "final": [x.numpy() for x in net.final[:2]],
            "head": net.final[2].numpy(),
        }  # fmt: skip
        step = jax.jit(lambda *inputs: jax_decode.step(shape, *inputs[:-1], dense, inputs[-1]), static_argnums=4)
        caches, rows = jax_decode.empty_caches(shape, tokens.shape[0], dense, "float32"), []
        for position in range(shape.n):
            limit = min(position // 6 * 6 + 6, shape.n)  # several, none of them a whole number of strides
            logits, caches = step(weights, caches, tokens[:, max(position - 1, 0)].numpy(), position, limit)
            rows.append(torch.tensor(numpy.asarray(logits)))
        return torch.stack(rows, 1)


class TorchPrefillTest(NetworkCase):
    @torch.no_grad()
    def last_logits(self, shape, tensors, tokens, attends):
        layers = [torch_prefill.make_layer(shape, attend) for attend in attends]
        return torch_prefill.prefill(network.Network(shape, tensors), tokens[:1, :-1], layers)[0]

    def test_flex_attention_equals_the_masks(self):
        for name, cycle in CYCLES.items():
            with self.subTest(name):
                shape, tensors, tokens = self.make(cycle)
                found = self.last_logits(shape, tensors, tokens, torch_prefill.flex_attentions(shape, "cpu"))
                self.assert_close(found[:, None], reference_logits(shape, tensors, tokens)[:1, -1:])

    def test_both_dense_ways_equal_the_causal_mask(self):
        shape, tensors, tokens = self.make([shapes.DENSE])
        for attend in (torch_prefill.attend_dense, torch_prefill.attend_padded):
            with self.subTest(attend.__name__):
                found = self.last_logits(shape, tensors, tokens, [attend])
                self.assert_close(found[:, None], reference_logits(shape, tensors, tokens)[:1, -1:])


class ShapeTest(unittest.TestCase):
    def test_a_strip_has_as_many_rows_as_the_pattern_has_keys(self):
        for pattern in (LOCAL, STRIDED, FIXED, shapes.DENSE):
            for position in range(22):
                keys = sum(bool(attention.attends(pattern, 1, position, key)) for key in range(22))
                self.assertEqual(shapes.strip(pattern, 22, position).count, keys, f"{pattern} at {position}")

    def test_bytes_of_the_named_shapes_are_those_of_the_design(self):
        mebibytes = {"cifar10-59m": (78.75, 288), "enwik8-95m": (187.5, 720), "imagenet64-152m": (297, 1152),
                     "music-152m": (1554, 6144)}  # fmt: skip
        for name, expected in mebibytes.items():
            shape = shapes.load_shape(name)
            self.assertEqual((shape.cache_bytes() / 2**20, shape.cache_bytes(dense=True) / 2**20), expected, name)


class RaceTest(unittest.TestCase):
    """`fake` is a peer whose process runs the given lines."""

    def rows_of(self, program, per_peer=60.0):
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder) / "fake.py"
            script.write_text(program, encoding="utf-8")
            limits = race.Limits(time.monotonic() + 60, per_peer, repeats=1)
            with mock.patch.dict(race.SCRIPTS, fake=str(script)):
                return race.run_task(race.Task("fake", "cifar10-59m", [1, 8], "end"), limits, folder + "/lock")

    def test_a_peer_that_raises_gives_its_error_for_every_row(self):
        rows = self.rows_of("raise ValueError('no such kernel')")
        self.assertEqual([row["batch"] for row in rows], [1, 8])
        self.assertEqual({row["error"] for row in rows}, {"ValueError: no such kernel"})

    def test_rows_before_a_crash_are_kept(self):
        row = '{"shape": "cifar10-59m", "peer": "fake", "batch": 1, "position": 3071, "us_per_step": 5.0}'
        rows = self.rows_of(f"import os\nprint('{row}', flush=True)\nos.abort()")
        self.assertEqual([row.get("us_per_step") for row in rows], [5.0, None])
        self.assertIn("error", rows[1])

    def test_a_peer_that_takes_too_long_is_ended_and_says_so(self):
        rows = self.rows_of("import threading\nthreading.Event().wait()", per_peer=0.1)
        self.assertEqual({row["error"] for row in rows}, {"ended at the limit of 0 s"})

    def test_a_peer_out_of_memory_does_not_fit(self):
        program = "import worker\nworker.attempt([{'batch': 1, 'position': 3071, 'shape': 'cifar10-59m', " \
                  "'peer': 'fake'}], lambda: (_ for _ in ()).throw(RuntimeError('CUDA out of memory. Tried')))"
        rows = self.rows_of(f"import sys\nsys.path.insert(0, {str(HERE / 'peers')!r})\n{program}")
        self.assertEqual(rows[0]["error"], "does not fit")


    def test_batches_that_cannot_fit_are_told_apart_from_large_ones(self):
        task = race.Task("torch-sparse", "imagenet64-152m", [1, 64, 256], "end")
        beside, alone, hopeless = race.split_by_memory(task, memory=80 * 2**30)
        self.assertEqual((beside.batches, alone.batches, hopeless.batches), ([1, 64], [256], []))
        hopeless = race.split_by_memory(task._replace(peer="torch-dense"), memory=80 * 2**30)[2]
        self.assertEqual(hopeless.batches, [256])

    def test_what_the_compiler_of_jax_takes_counts_too(self):
        task = race.Task("jax-sparse", "enwik8-95m", [1, 8, 64, 256], "end")
        beside, alone, hopeless = race.split_by_memory(task, memory=80 * 2**30)
        self.assertEqual((beside.batches, alone.batches, hopeless.batches), ([1, 8, 64], [256], []))


class ReportTest(unittest.TestCase):
    def test_a_time_becomes_rates_and_a_share_of_the_floor(self):
        row = {"shape": "cifar10-59m", "batch": 64, "position": 1536, "peer": "torch-sparse", "us_per_step": 1000.0}
        found = report.complete(row, gb_per_s=4300)
        self.assertEqual(found["tokens_per_s"], 64000)
        self.assertAlmostEqual(found["floor_us"], 140.5, places=0)  # design: 139 at the mean position
        self.assertAlmostEqual(found["floor_share"] * 1000, found["floor_us"])


class CompareTest(unittest.TestCase):
    def measured(self, ours, peers):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name, rows in (("ours", ours), ("peers", peers)):
                files.append(pathlib.Path(folder) / name)
                files[-1].write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
            return compare.Measured(*map(compare.read_rows, files))

    def test_a_ratio_is_that_to_the_fastest_peer_around_the_same_position(self):
        point = {"shape": "enwik8-95m", "batch": 1}
        ours = [point | {"position": 6176, "path": "graph", "us_per_step": 400.0},
                point | {"shape": "enwik8-95m-dense", "position": 6144, "path": "graph", "us_per_step": 100.0}]
        peers = [point | {"position": 6144, "peer": "torch-sparse", "us_per_step": 1200.0},
                 point | {"position": 6144, "peer": "torch-dense", "error": "does not fit"}]
        measured = self.measured(ours, peers)
        self.assertEqual(measured.ratio("enwik8-95m", 1, 6144, compare.PYTORCH), 3.0)
        self.assertIn("does not fit", compare.decode_table(measured))
        self.assertIn("3.00 (≥ 3)", compare.bar_table(measured))

    def test_growth_is_the_end_over_the_start_beside_that_of_the_floors(self):
        point = {"shape": "cifar10-59m", "batch": 64, "path": "graph"}
        ours = [point | {"position": 224, "us_per_step": 1000.0, "floor_us": 100.0},
                point | {"position": 3040, "us_per_step": 1100.0, "floor_us": 150.0}]
        peers = [{"shape": "cifar10-59m", "batch": 64, "position": position, "peer": "torch-dense", "us_per_step": us}
                 for position, us in ((192, 2000.0), (3071, 5000.0))]
        table = compare.growth_table(self.measured(ours, peers))
        self.assertIn("| cifar10-59m | 64 | 1.10 | 1.50 | - | 2.50 |", table)

    def test_a_table_of_named_positions_has_no_others(self):
        ours = [{"shape": "cifar10-59m", "batch": 1, "path": "graph", "position": position, "us_per_step": 9.0}
                for position in (192, 1536, 3071)]
        table = compare.decode_table(self.measured(ours, [{}]), ["middle"])
        self.assertIn("| 1536 |", table)
        self.assertNotIn("| 192 |", table)

    def test_what_was_not_measured_is_a_dash(self):
        self.assertIn("| - (≤ 1000) |", compare.bar_table(self.measured([{}], [{}])))


if __name__ == "__main__":
    unittest.main()
