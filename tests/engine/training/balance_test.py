"""Models for products of int8 inputs: rounding while training, balanced weights."""

import unittest

from require import GOLDEN, require

require("numpy", "torch", "torch.nn.attention.flex_attention")

import numpy as np
import tensor_file
import torch
from balance import balance
from model import SparseTransformer, load_tensors, rounded

ROWS = np.random.default_rng(1).integers(0, 17, (4, 32), dtype=np.uint8)


def loss(config, tensors, to_int8):
    model = load_tensors(SparseTransformer(config, to_int8=to_int8), tensors).prepare(32, "plain")
    return model.loss(torch.from_numpy(ROWS)).item()


class RoundingTest(unittest.TestCase):
    def test_a_row_becomes_multiples_of_its_largest_magnitude_over_127(self):
        x = torch.tensor([[127.0, -3.4, 0.6], [0.0, 0.0, 0.0], [-1.27, 0.013, 0.0]])
        expected = torch.tensor([[127.0, -3.0, 1.0], [0.0, 0.0, 0.0], [-1.27, 0.01, 0.0]])
        torch.testing.assert_close(rounded(x), expected)

    def test_the_gradient_is_as_without_rounding(self):
        x = torch.randn(3, 5, requires_grad=True)
        (rounded(x) * torch.arange(5.0)).sum().backward()
        torch.testing.assert_close(x.grad, torch.arange(5.0).expand(3, 5))


class BalanceTest(unittest.TestCase):
    def test_a_balanced_model_computes_the_same(self):
        for case in ("dense", "mixed_layers", "start_token_tied_head_scale_norm"):
            with self.subTest(case):
                config, tensors = tensor_file.read_directory(GOLDEN / case)
                self.assertAlmostEqual(
                    loss(config, balance(config, tensors, ROWS), False),
                    loss(config, tensors, False),
                    places=5,
                )

    def test_a_channel_that_is_large_in_every_row_costs_less(self):
        config, tensors = tensor_file.read_directory(GOLDEN / "dense")
        for layer in range(config["n_layer"]):
            tensors[f"layers.{layer}.mlp_norm.weight"][3] *= 300
            tensors[f"layers.{layer}.mlp.up.weight"][:, 3] /= 300
        exact = loss(config, tensors, False)
        balanced = loss(config, balance(config, tensors, ROWS), True)
        self.assertLess(abs(balanced - exact), 0.5 * abs(loss(config, tensors, True) - exact))


if __name__ == "__main__":
    unittest.main()
