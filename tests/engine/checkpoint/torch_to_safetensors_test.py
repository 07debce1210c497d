"""Pickles become safetensors, and nothing in them is run. Skipped without PyTorch."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "engine" / "training"))
from require import require

require("torch", "numpy")

import numpy as np
import tensor_file
import torch

SCRIPT = ROOT / "engine" / "checkpoint" / "torch_to_safetensors.py"


def run(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Evil:
    def __reduce__(self):
        return (open, ("ran", "w"))


class TorchToSafetensorsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.tensors = {
            "a.weight": torch.arange(6.0).reshape(2, 3),
            "b": torch.ones(3, dtype=torch.bfloat16),
            "c.weight": torch.arange(6.0).reshape(2, 3).T,  # not contiguous
            "attn.bias": torch.ones(1, 1, 2, 2, dtype=torch.bool),
        }

    def check(self, path):
        stored = tensor_file.read_file(path)
        self.assertEqual(sorted(stored), ["a.weight", "b", "c.weight"])
        np.testing.assert_array_equal(stored["a.weight"][1], [[0, 1, 2], [3, 4, 5]])
        np.testing.assert_array_equal(stored["c.weight"][1], [[0, 3], [1, 4], [2, 5]])
        self.assertEqual(stored["b"][0], "BF16")

    def test_a_file_becomes_one_beside_it(self):
        for name, wrapped in (("plain", self.tensors), ("wrapped", {"state_dict": self.tensors})):
            torch.save(wrapped, self.folder / f"{name}.pt")
            done = run(self.folder / f"{name}.pt")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check(self.folder / f"{name}.safetensors")

    def test_a_directory_of_one_file_or_of_shards_is_filled(self):
        torch.save(self.tensors, self.folder / "pytorch_model.bin")
        self.assertEqual(run(self.folder).returncode, 0)
        self.check(self.folder / "model.safetensors")
        shards = self.folder / "shards"
        shards.mkdir()
        names = list(self.tensors)
        weight_map = {}
        for number, part in enumerate((names[:2], names[2:]), 1):
            file_name = f"pytorch_model-{number:05d}-of-00002.bin"
            torch.save({name: self.tensors[name] for name in part}, shards / file_name)
            weight_map.update(dict.fromkeys(part, file_name))
        (shards / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
        done = run(shards, self.folder / "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        index = json.loads((self.folder / "out" / "model.safetensors.index.json").read_text())
        self.assertEqual(sorted(index["weight_map"]), ["a.weight", "b", "c.weight"])

    def test_code_in_a_pickle_is_refused_and_not_run(self):
        torch.save({"a": Evil()}, self.folder / "evil.pt")
        done = run(self.folder / "evil.pt")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no checkpoint of tensors alone", done.stderr)
        self.assertFalse(pathlib.Path("ran").exists())
        self.assertFalse((self.folder / "evil.safetensors").exists())

    def test_what_is_wrong_is_said(self):
        cases = {
            "nothing": ({"step": 3}, "holds no tensors by name"),
            "ours": ({"recipe": {}, "model": self.tensors}, "engine/training/export.py"),
            "infinite": ({"a": torch.tensor([float("inf")])}, "a holds a value that is not finite"),
        }
        for name, (content, text) in cases.items():
            with self.subTest(name):
                torch.save(content, self.folder / "x.pt")
                done = run(self.folder / "x.pt")
                self.assertEqual(done.returncode, 1)
                self.assertIn(text, done.stderr)
        (self.folder / "x.pt").write_bytes(b"PK\x03\x04 cut")
        self.assertIn("no checkpoint of tensors alone", run(self.folder / "x.pt").stderr)
        self.assertIn("does not exist", run(self.folder / "none.pt").stderr)


if __name__ == "__main__":
    unittest.main()
