#!/usr/bin/env python3
"""Trains a recipe's model.

  train.py RECIPE --data DIR --out DIR [--minutes M] [--resume | --start MODEL_DIR]

DIR of --out gets checkpoint.pt (weights, averaged weights, optimizers, random state, progress:
--resume goes on from it exactly), log.jsonl (one object per progress line) and samples/: text,
PNG or WAV, one a validation. --start begins with the weights of an exported model, in the order of
data of the recipe's seed and at half the learning rate.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import time

import torch

from data import Batches, read_source
from model import SparseTransformer, load_tensors
from optimizer import AveragedWeights, learning_rate, make_optimizers
from recipe import Recipe
from samples import write_samples
from scoring import bits_per_token
from tensor_file import read_directory

LOG_SECONDS = 10  # at least, between progress lines,
LOG_STEPS = 20  # which come after a multiple of this many steps
LOOK_SECONDS = 200  # between validations, samples and checkpoints
LOOK_TOKENS = 1 << 20  # of the validation split


@dataclasses.dataclass
class Progress:
    step: int = 0
    seconds: float = 0.0  # of earlier runs and this one
    rate_scale: float = 1.0  # halved after each divergence


class Trainer:
    def __init__(self, recipe, data_directory, out, minutes, device):
        self.recipe, self.plan, self.minutes = recipe, recipe.training, minutes
        self.device, self.out = torch.device(device), pathlib.Path(out)
        self.n = recipe.model["context_length"]
        torch.manual_seed(self.plan.seed)
        plan = self.plan
        self.model = SparseTransformer(recipe.model, plan.dropout, plan.recompute, plan.to_int8)
        self.model.to(self.device).train()
        self.optimizers = make_optimizers(self.model, self.plan)
        self.averaged = AveragedWeights(self.model, self.plan.average)
        sources = recipe.data.train
        contents = [read_source(data_directory, source, recipe.model) for source in sources]
        self.batches = Batches(recipe.model, sources, contents, self.plan, self.device)
        valid = read_source(data_directory, recipe.data.valid, recipe.model).tokens[:LOOK_TOKENS]
        self.valid = torch.from_numpy(valid.copy()).to(self.device)
        self.progress = Progress()
        self.began = time.monotonic()

    def autocast(self):
        on_gpu = self.device.type == "cuda"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu)

    # --- one step

    def choose_loss(self):
        """Compiled FlexAttention on a GPU; elsewhere plain attention, which needs n x n masks."""
        self.kind = "flex" if self.device.type == "cuda" else "plain"
        self.model.prepare(self.n, self.kind)
        if self.device.type == "cuda":
            self.model.compile_parts()
        print(f"attention: {self.kind}", flush=True)

    def _backward(self, batch):
        with self.autocast():
            loss = self.model.loss(*batch)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        return loss.detach()

    def train_step(self):
        """One step; the loss stays on the device, so that nothing waits for it."""
        step = self.progress.step
        loss = self._backward(self.batches.at(step))
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip)
        rate = self.progress.rate_scale * learning_rate(step, self.fraction(), self.plan)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self.averaged.update(step)
        self.progress.step += 1
        return loss

    def seconds(self):
        return self.progress.seconds + time.monotonic() - self.began

    def fraction(self):
        """Of the budget, spent."""
        if self.minutes is not None:
            return self.seconds() / (60 * self.minutes)
        return self.progress.step * self.plan.batch * self.n / self.plan.tokens

    # --- what a person sees

    def write_line(self, bits, tokens_per_second, **more):
        """On the terminal and in the log; bits: the mean training loss since the last line."""
        left = max(0.0, self.seconds() * (1 / max(self.fraction(), 1e-9) - 1))
        line = {
            "step": self.progress.step,
            "tokens": self.progress.step * self.plan.batch * self.n,
            "bits": round(bits, 4),
            "tokens_per_second": round(tokens_per_second),
            "seconds": round(self.seconds(), 1),
        } | more
        memory = torch.cuda.max_memory_allocated() / 2**30 if self.device.type == "cuda" else 0
        print(
            f"step {line['step']:6d}  {line['tokens'] / 1e6:8.1f} M tokens  {bits:.4f} bits"
            f"  {tokens_per_second / 1e6:6.3f} M tokens/s  {memory:.1f} GiB"
            f"  {left / 60:5.1f} min left  " + "  ".join(f"{k} {v}" for k, v in more.items()),
            flush=True,
        )
        with open(self.out / "log.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")

    def look(self):
        """Validation bits (no condition given) and samples, both of the averaged weights."""
        self.averaged.swap()
        if self.plan.dropout:
            self.model.eval()
        with self.autocast():
            bits = self.validation_bits()
            (self.out / "samples").mkdir(exist_ok=True)
            step = self.progress.step
            write_samples(self.model, self.out / "samples", f"step{step:06d}", seed=step)
        self.model.prepare(self.n, self.kind).train()
        self.averaged.swap()
        return bits

    def validation_bits(self):
        # In batches of the training shape and with gradients enabled, although none is taken:
        # either would otherwise have the compiled function compiled anew.
        tokens = self.plan.batch * self.n
        batches = self.valid[: len(self.valid) // tokens * tokens].view(-1, self.plan.batch, self.n)
        if len(batches) == 0:
            return bits_per_token(self.model, self.valid, self.n, self.plan.batch, self.kind)
        none = torch.zeros(
            self.plan.batch, len(self.model.conditions), dtype=torch.int64, device=self.device
        )
        losses = [self.model.loss(rows, none).detach() for rows in batches]
        return torch.stack(losses).mean().item()

    # --- what lasts

    def save(self):
        cuda = torch.cuda.get_rng_state() if self.device.type == "cuda" else None
        state = {
            "recipe": dataclasses.asdict(self.recipe),
            "model": self.model.state_dict(),
            "average": self.averaged.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
            "progress": dataclasses.asdict(self.progress) | {"seconds": self.seconds()},
        }
        torch.save(state, self.out / "checkpoint.part")
        (self.out / "checkpoint.part").replace(self.out / "checkpoint.pt")

    def resume(self):
        state = torch.load(self.out / "checkpoint.pt", map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        for average, saved in zip(self.averaged.average, state["average"], strict=True):
            average.copy_(saved)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        torch.set_rng_state(state["random"]["cpu"])
        if state["random"]["cuda"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random"]["cuda"])
        self.progress = Progress(**state["progress"])
        self.began = time.monotonic()

    def start_from(self, model_directory):
        """Begins a run with the weights of an exported model."""
        load_tensors(self.model, read_directory(model_directory)[1])
        self.averaged = AveragedWeights(self.model, self.plan.average)
        self.progress.rate_scale = 0.5

    def recover(self):
        """After a loss that is not finite: back to the last checkpoint, at half the rate."""
        scale, seconds = self.progress.rate_scale / 2, self.seconds()
        if not (self.out / "checkpoint.pt").exists():
            raise FloatingPointError("the loss is not finite before the first checkpoint")
        self.resume()
        self.progress.rate_scale, self.progress.seconds = scale, seconds

    def run(self):
        self.choose_loss()
        losses, logged, looked = [], time.monotonic(), time.monotonic()
        while self.fraction() < 1:
            losses.append(self.train_step())
            if len(losses) % LOG_STEPS or time.monotonic() - logged < LOG_SECONDS:
                continue
            bits = torch.stack(losses).mean().item()
            rate = len(losses) * self.plan.batch * self.n / (time.monotonic() - logged)
            if not math.isfinite(bits):
                self.recover()
            elif time.monotonic() - looked > LOOK_SECONDS:
                self.save()
                began = time.monotonic()
                valid_bits = round(self.look(), 4)
                looked = time.monotonic()
                self.write_line(bits, rate, valid_bits=valid_bits, look_seconds=round(looked - began))
            else:
                self.write_line(bits, rate)
            losses, logged = [], time.monotonic()
        self.save()
        print(f"done: {self.progress.step} steps, {self.look():.4f} validation bits", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe")
    parser.add_argument("--data", required=True, help="directory of the recipe's data files")
    parser.add_argument("--out", required=True, help="directory for checkpoint, log and samples")
    parser.add_argument("--minutes", type=float, help="budget of time instead of tokens")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--start", help="model directory whose weights to begin with")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    pathlib.Path(arguments.out).mkdir(parents=True, exist_ok=True)
    recipe = Recipe.load(arguments.recipe)
    trainer = Trainer(recipe, arguments.data, arguments.out, arguments.minutes, arguments.device)
    if arguments.resume:
        trainer.resume()
    elif arguments.start:
        trainer.start_from(arguments.start)
    trainer.run()


if __name__ == "__main__":
    main()
