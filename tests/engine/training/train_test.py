"""Training resumes exactly, learns, and exports what it trained."""

import copy
import dataclasses
import hashlib
import json
import pathlib
import tempfile
import unittest

from require import require

require("numpy", "torch", "torch.nn.attention.flex_attention")

import export
import make_golden
import numpy as np
import optimizer
import oracle
import torch
from data import Batches, Content, read_source
from recipe import DataPlan, Recipe, Source, TrainingPlan
from tensor_file import read_directory, write_directory
from train import Trainer

TEXT = bytes(range(32)) * 400
PLAN = TrainingPlan(
    batch=4,
    tokens=4 * 32 * 60,
    optimizer="muon",
    learning_rate=0.01,
    warm_up_steps=5,
    weight_decay=0.1,
    clip=1.0,
    dropout=0.1,
    average=0.9,
    recompute=True,
    seed=3,
)


def tiny_recipe(folder, **changes):
    (folder / "tiny.txt").write_bytes(TEXT)
    digest = hashlib.sha256(TEXT).hexdigest()
    attention = [{"pattern": "fixed", "stride": 8, "cells": 2, "spread": 2}]
    return Recipe(
        copy.deepcopy(make_golden.BASE) | {"vocab_size": 32, "attention": attention},
        DataPlan(
            (Source("tiny.txt", digest, tokens=len(TEXT) - 2000),),
            Source("tiny.txt", first=len(TEXT) - 2000, tokens=1000),
            Source("tiny.txt", first=len(TEXT) - 1000),
        ),
        dataclasses.replace(PLAN, **changes),
    )


def trainer_in(folder, **changes):
    trainer = Trainer(tiny_recipe(folder, **changes), folder, folder, None, "cpu")
    trainer.choose_loss()
    return trainer


class TrainerTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)

    def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(self):
        for kind in ("muon", "adamw"):
            with self.subTest(kind):
                straight = trainer_in(self.folder, optimizer=kind)
                losses = [straight.train_step().item() for _ in range(8)]
                first = trainer_in(self.folder, optimizer=kind)
                for _ in range(5):
                    first.train_step()
                first.save()
                second = Trainer(first.recipe, self.folder, self.folder, None, "cpu")
                second.resume()
                second.choose_loss()
                self.assertEqual([second.train_step().item() for _ in range(3)], losses[5:])
                for a, b in zip(straight.averaged.average, second.averaged.average, strict=True):
                    self.assertTrue(torch.equal(a, b))

    def test_a_run_learns_a_repeating_text_and_writes_its_log_and_samples(self):
        trainer = trainer_in(self.folder, dropout=0.0)
        before = trainer.look()
        trainer.run()
        after = trainer.look()
        self.assertAlmostEqual(before, 5, places=1)
        self.assertLess(after, 2)
        self.assertTrue((self.folder / "checkpoint.pt").exists())
        self.assertEqual(len((self.folder / "samples" / "step000060.txt").read_bytes()), 32)

    def test_a_divergence_goes_back_to_the_checkpoint_at_half_the_rate(self):
        trainer = trainer_in(self.folder)
        trainer.train_step()
        trainer.save()
        kept = trainer.model.start.detach().clone()
        trainer.train_step()
        trainer.recover()
        self.assertEqual((trainer.progress.step, trainer.progress.rate_scale), (1, 0.5))
        self.assertTrue(torch.equal(trainer.model.start, kept))

    def test_what_is_exported_is_the_averaged_model(self):
        trainer = trainer_in(self.folder)
        for _ in range(4):
            trainer.train_step()
        trainer.save()
        checkpoint = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        config, tensors = export.checkpoint_tensors(checkpoint)
        content = np.frombuffer(TEXT[:64], np.uint8)
        for dtype, bound in [("float32", 1e-4), ("int8", 0.05)]:
            write_directory(self.folder / dtype, config, tensors, dtype)
            stored = read_directory(self.folder / dtype)[1]
            bits = export.held_out_bits(config, stored, content, "cpu")
            judge = oracle.Oracle(self.folder / dtype)
            judged = [judge.log_probs(half)[np.arange(32), half] for half in (content[:32], content[32:])]
            self.assertAlmostEqual(bits, -np.mean(judged) / np.log(2), places=4)
            self.assertLess(abs(bits - export.held_out_bits(config, tensors, content, "cpu")), bound)


class BatchesTest(unittest.TestCase):
    TEXT_MODEL = {"modality": "text", "context_length": 16}
    IMAGE_MODEL = {
        "modality": "image",
        "image": {"height": 2, "width": 4, "channels": 2},
        "context_length": 16,
        "conditions": [{"name": "class", "values": 11}],
    }

    def batches(self, count=1000, config=TEXT_MODEL, labels=None, **changes):
        content = Content(np.arange(count, dtype=np.int64).astype(np.uint8), labels)
        plan = dataclasses.replace(PLAN, **changes)
        return Batches(config, [Source("any")], [content], plan, "cpu")

    def test_a_batch_is_a_function_of_the_step(self):
        one, other = self.batches(augment=("negate",)), self.batches(augment=("negate",))
        for step in (40, 3, 17):
            self.assertTrue(torch.equal(one.at(step)[0], other.at(step)[0]))

    def test_an_epoch_reads_each_window_once(self):
        batches = self.batches()
        batches.at(0)
        starts = batches.streams[0].starts.sort().values
        self.assertTrue((starts.diff() == 16).all())
        self.assertLessEqual(starts[-1] + 16, 1000)

    def test_too_little_text_is_refused(self):
        with self.assertRaisesRegex(ValueError, "too few"):
            self.batches(count=60)

    def test_images_are_read_whole_with_their_labels_or_none(self):
        labels = np.arange(16)[:, None] % 10 + 1
        batches = self.batches(256, self.IMAGE_MODEL, labels, condition_dropout=0.3)
        dropped = 0
        for step in range(40):
            tokens, conditions = batches.at(step)
            for image, label in zip(tokens, conditions[:, 0].tolist(), strict=True):
                self.assertEqual(image[0].item() % 16, 0)
                self.assertIn(label, (0, image[0].item() // 16 % 10 + 1))
                dropped += label == 0
        self.assertTrue(20 < dropped < 80, dropped)  # of 160, 48 expected

    def test_a_flip_mirrors_whole_pixels_within_their_rows(self):
        batches = self.batches(256, self.IMAGE_MODEL, augment=("flip",))
        seen = set()
        for step in range(10):
            for image in batches.at(step)[0].int():
                seen.add(tuple((image - image.min()).tolist()))
        flipped = (6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9)
        self.assertEqual(seen, {tuple(range(16)), flipped})

    def test_sources_share_each_batch_by_their_rows(self):
        contents = [Content(np.full(200, value, np.uint8)) for value in (1, 2)]
        sources = [Source("a", rows=1), Source("b")]
        batches = Batches(self.TEXT_MODEL, sources, contents, PLAN, "cpu")
        self.assertEqual(batches.at(5)[0][:, 0].tolist(), [1, 2, 2, 2])
        with self.assertRaisesRegex(ValueError, "rows"):
            Batches(self.TEXT_MODEL, [Source("a", rows=1)], contents[:1], PLAN, "cpu")


class SourceTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)

    def write(self, **files):
        for name, content in files.items():
            (self.folder / f"{name}.u8").write_bytes(bytes(content))

    def test_files_are_joined_by_name_and_labels_follow_their_sequences(self):
        self.write(part_b=range(8, 16), part_a=range(8), label_a=[0, 1], label_b=[2, 3])
        config = {"context_length": 4, "conditions": [{"name": "class", "values": 5}]}
        source = Source("part_?.u8", first=4, tokens=8, labels={"class": "label_?.u8"})
        content = read_source(self.folder, source, config)
        self.assertEqual(content.tokens.tolist(), list(range(4, 12)))
        self.assertEqual(content.labels.tolist(), [[2], [3]])

    def test_what_is_missing_or_changed_is_refused(self):
        self.write(part=range(8), label=[1])
        config = {"context_length": 4, "conditions": [{"name": "class", "values": 5}]}
        for source, error in [
            (Source("other*"), "no file matches other"),
            (Source("part.u8", sha256="0" * 64), "the recipe expects 000"),
            (Source("part.u8", labels={"class": "label.u8"}), "1 labels for 2 sequences"),
        ]:
            with self.subTest(error), self.assertRaisesRegex((ValueError, OSError), error):
                read_source(self.folder, source, config)


class OptimizerTest(unittest.TestCase):
    def test_orthogonalised_matrices_have_singular_values_near_one(self):
        torch.manual_seed(0)
        for shape in [(3, 8, 24), (3, 24, 8), (2, 16, 16)]:
            values = torch.linalg.svdvals(optimizer.orthogonalise(torch.randn(shape), iterations=8))
            self.assertGreater(values.min().item(), 0.5)
            self.assertLess(values.max().item(), 1.3)

    def test_the_rate_warms_up_and_ends_at_zero(self):
        self.assertAlmostEqual(optimizer.learning_rate(0, 0.0, PLAN), PLAN.learning_rate / 5)
        self.assertAlmostEqual(optimizer.learning_rate(9, 0.0, PLAN), PLAN.learning_rate)
        self.assertAlmostEqual(optimizer.learning_rate(99, 0.5, PLAN), PLAN.learning_rate / 2)
        self.assertAlmostEqual(optimizer.learning_rate(99, 1.2, PLAN), 0)

    def test_an_unknown_field_of_a_recipe_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            recipe = tiny_recipe(pathlib.Path(folder))
            fields = dataclasses.asdict(recipe)
            fields["training"]["momentum"] = 1
            (pathlib.Path(folder) / "r.json").write_text(json.dumps(fields))
            with self.assertRaisesRegex(TypeError, "momentum"):
                Recipe.load(pathlib.Path(folder) / "r.json")


if __name__ == "__main__":
    unittest.main()
