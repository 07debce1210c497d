"""The PyTorch model equals the oracle, plain and flex, and FlexAttention on a GPU equals plain."""

import json
import math
import unittest

from require import GOLDEN, ROOT, require

require("numpy", "torch", "torch.nn.attention.flex_attention")

import make_golden
import numpy as np
import tensor_file
import torch
from attention import make_attention
from decoder import Decoder
from model import SparseTransformer, load_tensors

RECIPE = json.loads((ROOT / "engine" / "training" / "recipes" / "text.json").read_text())
LONG_PATTERNS = [
    {"pattern": "dense"},
    {"pattern": "local", "window": 100},
    {"pattern": "strided", "stride": 32},
    {"pattern": "local_strided", "stride": 48},
    {"pattern": "block", "stride": 96},
    {"pattern": "previous_block", "stride": 64},
    {"pattern": "summary", "stride": 64, "cells": 8, "spread": 4},
    {"pattern": "fixed", "stride": 64, "cells": 8, "spread": 4},
]


def golden_model(name):
    config, tensors = tensor_file.read_directory(GOLDEN / name)
    return load_tensors(SparseTransformer(config), tensors).eval()


def random_qkv(heads, n, width, device="cpu"):
    torch.manual_seed(7)
    return [torch.randn(2, heads, n, width, device=device, requires_grad=True) for _ in "qkv"]


def result_and_gradients(attend, inputs, cotangent):
    if cotangent is None:  # FlexAttention has no backward pass on a CPU
        return [attend(*(x.detach() for x in inputs), 0.25)]
    out = attend(*inputs, 0.25)
    return [out.detach(), *torch.autograd.grad((out * cotangent).sum(), inputs)]


class GoldenParityTest(unittest.TestCase):
    def assert_equals_oracle(self, name, kind):
        model = golden_model(name)
        for sequence in json.loads((GOLDEN / name / "golden.json").read_text())["sequences"]:
            tokens = torch.tensor([sequence["tokens"]])
            conditions = torch.tensor([sequence["condition_values"]], dtype=torch.int64)
            model.prepare(tokens.shape[1], kind)
            with torch.no_grad():
                logits = model(tokens, conditions if conditions.numel() else None)
            found = torch.log_softmax(logits[0], dim=-1).numpy()
            difference = np.abs(found - np.array(sequence["log_probs"]))
            worst = np.unravel_index(difference.argmax(), difference.shape)
            self.assertLess(difference[worst], 1e-4, f"worst at {worst}")

    def test_the_decoder_gives_the_same_logits_token_by_token(self):
        for name in make_golden.CASES:
            with self.subTest(name):
                model = golden_model(name)
                sequence = max(
                    json.loads((GOLDEN / name / "golden.json").read_text())["sequences"],
                    key=lambda sequence: len(sequence["tokens"]),
                )
                tokens = torch.tensor([sequence["tokens"]])
                conditions = torch.tensor([sequence["condition_values"]], dtype=torch.int64)
                decoder = Decoder(model, 1, tokens.shape[1], conditions)
                inputs = torch.cat([tokens[:, :1], tokens[:, :-1]], dim=1)  # the first is not looked at
                logits = [decoder.step(column) for column in inputs.T]
                found = torch.log_softmax(torch.cat(logits), dim=-1).numpy()
                difference = np.abs(found - np.array(sequence["log_probs"])).max()
                self.assertLess(difference, 1e-4)

    def test_plain_attention_gives_the_oracles_log_probabilities(self):
        for name in make_golden.CASES:
            with self.subTest(name):
                self.assert_equals_oracle(name, "plain")

    def test_flex_attention_gives_the_oracles_log_probabilities(self):
        for name in make_golden.CASES:
            with self.subTest(name):
                self.assert_equals_oracle(name, "flex")


class LongAttentionTest(unittest.TestCase):
    def assert_flex_equals_plain(self, patterns, n, device, bound):
        inputs = random_qkv(len(patterns), n, 32, device)
        on_gpu = device == "cuda"
        cotangent = torch.randn_like(inputs[0]) if on_gpu else None
        plain = make_attention("plain", patterns, n, device)
        flex = make_attention("flex", patterns, n, device)
        if on_gpu:
            flex = torch.compile(flex, dynamic=False)
        expected = result_and_gradients(plain, inputs, cotangent)
        found = result_and_gradients(flex, inputs, cotangent)
        for what, a, b in zip(["output", "q", "k", "v"], expected, found):
            error = ((a - b).norm() / a.norm()).item()
            self.assertLess(error, bound, f"{what} of {patterns[0]}")

    def test_results_agree_at_lengths_that_are_no_whole_number_of_strides(self):
        for pattern in LONG_PATTERNS:
            with self.subTest(pattern["pattern"]):
                self.assert_flex_equals_plain([pattern] * 4, 333, "cpu", 1e-5)

    def test_heads_of_several_patterns_keep_their_places(self):
        patterns = [LONG_PATTERNS[index] for index in (7, 1, 7, 2, 6, 3)]
        self.assert_flex_equals_plain(patterns, 200, "cpu", 1e-5)

    @unittest.skipUnless(torch.cuda.is_available(), "no GPU")
    def test_compiled_results_and_gradients_agree_on_the_gpu(self):
        for pattern in LONG_PATTERNS[1:4] + LONG_PATTERNS[6:]:
            with self.subTest(pattern["pattern"]):
                self.assert_flex_equals_plain([pattern] * 4, 1000, "cuda", 5e-3)


class ModelTest(unittest.TestCase):
    def losses_and_gradients(self, model, tokens, kind):
        model.prepare(tokens.shape[1], kind).zero_grad()
        loss = model.loss(tokens)
        loss.backward()
        return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters()}

    def test_recomputation_changes_neither_loss_nor_gradients(self):
        model = golden_model("mixed_layers").train()
        tokens = torch.randint(0, 17, (3, 32))
        loss, gradients = self.losses_and_gradients(model, tokens, "plain")
        for layer in model.layers:
            layer.recompute = True
        loss_again, gradients_again = self.losses_and_gradients(model, tokens, "plain")
        self.assertEqual(loss, loss_again)
        for name in gradients:
            torch.testing.assert_close(gradients[name], gradients_again[name])

    def test_an_untrained_model_with_its_own_head_predicts_uniformly(self):
        model = SparseTransformer(RECIPE["model"]).prepare(64, "plain")
        bits = model.loss(torch.randint(0, 256, (2, 64))).item()
        self.assertAlmostEqual(bits, math.log2(RECIPE["model"]["vocab_size"]), places=4)

    def test_dropout_acts_in_training_alone(self):
        model = golden_model("dense")
        for layer in model.layers:
            layer.dropout = 0.5
        tokens = torch.randint(0, 17, (2, 32))
        model.prepare(32, "plain")
        self.assertEqual(model.loss(tokens).item(), model.loss(tokens).item())
        model.train()
        self.assertNotEqual(model.loss(tokens).item(), model.loss(tokens).item())

    def test_a_missing_or_unknown_tensor_is_named(self):
        config, tensors = tensor_file.read_directory(GOLDEN / "dense")
        del tensors["layers.1.attn.q.weight"]
        with self.assertRaisesRegex(KeyError, "layers.1.attn.q.weight"):
            load_tensors(SparseTransformer(config), tensors)
        config, tensors = tensor_file.read_directory(GOLDEN / "dense")
        tensors["head.bias"] = np.zeros(17, np.float32)
        with self.assertRaisesRegex(KeyError, "head.bias"):
            load_tensors(SparseTransformer(config), tensors)

    @unittest.skipUnless(torch.cuda.is_available(), "no GPU")
    def test_the_text_recipe_trains_alike_with_flex_and_plain_attention(self):
        torch.manual_seed(0)
        model = SparseTransformer(RECIPE["model"]).cuda()
        with torch.no_grad():
            model.head.weight.normal_(0, 0.05)
        tokens = torch.randint(0, 256, (2, 4096), device="cuda")
        loss, gradients = self.losses_and_gradients(model, tokens, "plain")
        forward = torch.compile(model.prepare(4096, "flex").loss, dynamic=False)
        model.zero_grad()
        loss_flex = forward(tokens)
        loss_flex.backward()
        self.assertAlmostEqual(loss, loss_flex.item(), places=3)
        for name, parameter in model.named_parameters():
            expected, found = gradients[name], parameter.grad
            # A key's bias moves all scores of a query alike: its true gradient is zero.
            error = ((expected - found).norm() / (expected.norm() + 1e-3)).item()
            self.assertLess(error, 2e-2, name)


if __name__ == "__main__":
    unittest.main()
