"""The files in tests/golden are what make_golden.py writes, and the oracle obeys the definitions."""

import json
import math
import pathlib
import tempfile
import unittest

from require import GOLDEN, ROOT, require

require("numpy")

import make_golden
import numpy as np
import oracle
import tensor_file

PATTERN_CASES = ROOT / "tests" / "engine" / "model" / "patterns.json"


def log_probs_of(directory):
    sequences = json.loads((directory / "golden.json").read_text())["sequences"]
    return [np.array(sequence["log_probs"]) for sequence in sequences]


def model_with(changes, **replaced):
    """A golden-like model in a folder of its own; `replaced` tensors are filled with one value."""
    directory = pathlib.Path(tempfile.mkdtemp())
    config = make_golden.BASE | changes
    rng = np.random.default_rng(1)
    tensors = {}
    for name, shape in make_golden.tensor_shapes(config).items():
        tensors[name] = make_golden.random_tensor(name, shape, config, rng)
        for part, value in replaced.items():
            if part in name.replace(".", "_"):
                tensors[name] = np.full(shape, value)
    tensor_file.write_directory(directory, config, tensors)
    return oracle.Oracle(directory)


class GoldenTest(unittest.TestCase):
    def test_every_case_is_there_and_no_other(self):
        self.assertEqual(
            sorted(make_golden.CASES), sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
        )

    def test_making_a_case_again_gives_the_same_tensors_and_log_probabilities(self):
        for name in make_golden.CASES:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                made = pathlib.Path(folder)
                make_golden.write_case(made, name)
                for stored in (GOLDEN / name).iterdir():
                    if stored.name != "golden.json":
                        self.assertEqual(stored.read_bytes(), (made / stored.name).read_bytes(), stored)
                for old, new in zip(log_probs_of(GOLDEN / name), log_probs_of(made), strict=True):
                    worst = np.unravel_index(np.abs(old - new).argmax(), old.shape)
                    self.assertLess(abs(old[worst] - new[worst]), 2e-6, f"worst at {worst}")

    def test_log_probabilities_are_normalised_and_far_from_uniform(self):
        for name in make_golden.CASES:
            for log_probs in log_probs_of(GOLDEN / name):
                with self.subTest(name):
                    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, atol=1e-4)
                    self.assertGreater(log_probs.std(), 1)


class AttentionSetTest(unittest.TestCase):
    def test_sets_equal_the_brute_force_vectors(self):
        cases = json.loads(PATTERN_CASES.read_text())
        self.assertGreater(len(cases), 100)
        for case in cases:
            with self.subTest(pattern=case["pattern"], head=case["head"]):
                chosen = oracle.attention_set(case["pattern"], case["head"], case["length"])
                self.assertEqual(case["reads"], [np.flatnonzero(row).tolist() for row in chosen])


class OracleTest(unittest.TestCase):
    def test_a_prediction_depends_on_earlier_tokens_alone(self):
        model = oracle.Oracle(GOLDEN / "mixed_layers")
        tokens = [3] * 20
        changed = tokens[:11] + [4] + tokens[12:]
        before, after = model.log_probs(tokens), model.log_probs(changed)
        np.testing.assert_array_equal(before[:12], after[:12])
        self.assertGreater(np.abs(before[12] - after[12]).max(), 1e-3)

    def test_an_empty_read_set_leaves_only_the_output_bias(self):
        pattern = {"attention": [{"pattern": "previous_block", "stride": 8}]}
        loud = model_with(pattern).log_probs([1] * 8)
        silent = model_with(pattern, attn_v_weight=0.0, attn_v_bias=0.0).log_probs([1] * 8)
        np.testing.assert_allclose(loud, silent, atol=1e-12)

    def test_a_head_of_zeros_predicts_every_token_alike(self):
        log_probs = model_with({}, head_weight=0.0).log_probs([5] * 4)
        np.testing.assert_allclose(log_probs, -math.log(make_golden.BASE["vocab_size"]), atol=1e-12)


class QuantiseTest(unittest.TestCase):
    def test_what_was_quantised_quantises_to_itself(self):
        matrix = np.random.default_rng(0).standard_normal((500, 24)).astype(np.float32)
        matrix[7] = 0
        elements, scale = tensor_file.quantise_rows(matrix)
        again, scale_again = tensor_file.quantise_rows(elements * scale[:, None])
        np.testing.assert_array_equal(elements, again)
        np.testing.assert_array_equal(scale, scale_again)
        self.assertLessEqual(np.abs(elements * scale[:, None] - matrix).max(), 0.51 * scale.max())

    def test_bfloat16_rounds_to_nearest_with_ties_to_even(self):
        values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -3.5], np.float32)
        rounded = tensor_file.widen_bfloat16(tensor_file.round_to_bfloat16(values))
        np.testing.assert_array_equal(rounded, [1.0, 1.0, 1 + 2**-6, 1 + 2**-7, -3.5])


if __name__ == "__main__":
    unittest.main()
