"""The figure of memory.py."""

import unittest

import require  # noqa: F401: makes engine/training importable
from memory_plot import announced, lines_of

CASES = [
    {"n": 12288, "attention": "matrices", "recompute": False, "gib": None},
    {"n": 1024, "attention": "matrices", "recompute": False, "gib": 2.0},
    {"n": 12288, "attention": "pattern", "recompute": True, "gib": 1.5},
]


class MemoryPlotTest(unittest.TestCase):
    def test_the_announced_figures_are_those_of_the_matrices_alone(self):
        self.assertAlmostEqual(announced(12288, False) * 2**30 / 1e9, 154.6, places=1)
        self.assertAlmostEqual(announced(24000, False) * 2**30 / 1e9, 589.8, places=1)
        self.assertAlmostEqual(announced(24000, True) * 2**30 / 1e9, 9.2, places=1)

    def test_what_did_not_fit_is_left_out(self):
        self.assertEqual(lines_of(CASES)["matrices", False], [(1024, 2.0)])
        self.assertEqual(lines_of(CASES)["pattern", True], [(12288, 1.5)])
        self.assertEqual(lines_of(CASES)["pattern", False], [])

    def test_the_announced_lines_have_every_length(self):
        self.assertEqual([n for n, _ in lines_of(CASES)["announced", True]], [1024, 12288])


if __name__ == "__main__":
    unittest.main()
