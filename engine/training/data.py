"""Byte sequences for training and scoring, held on the device as one uint8 tensor."""

import hashlib
import lzma
import pathlib

import numpy as np
import torch


def read_bytes(directory, plan):
    """The unpacked file of a recipe's data plan, checked against its sha256."""
    path = pathlib.Path(directory) / plan.file
    content = path.read_bytes() if path.exists() else lzma.open(f"{path}.xz").read()
    found = hashlib.sha256(content).hexdigest()
    if found != plan.sha256:
        raise ValueError(f"{path}: sha256 is {found}; the recipe expects {plan.sha256}")
    return np.frombuffer(content, np.uint8)


def split(content, plan):
    """{"train", "valid", "test"}: consecutive parts of the file."""
    ends = np.cumsum([plan.train_bytes, plan.valid_bytes, plan.test_bytes])
    return dict(zip(["train", "valid", "test"], np.split(content[: ends[-1]], ends[:-1])))


class Batches:
    """Step -> batch, a function of the seed alone, so that a resumed run sees what it would have.

    An epoch is one pass over windows of n bytes that start at a phase drawn for that epoch, in
    random order. `at` gives uint8 [batch, n] on the device.
    """

    def __init__(self, content, n, batch, seed, device):
        self.n, self.batch, self.seed = n, batch, seed
        self.content = torch.from_numpy(content.copy()).to(device)
        self.within = torch.arange(n, device=device)
        self.steps_per_epoch = (len(content) // n - 1) // batch
        if self.steps_per_epoch < 1:
            raise ValueError(f"{len(content)} bytes are too few for batches of {batch} x {n}")
        self.epoch, self.starts = None, None

    def _begin(self, epoch):
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        phase = torch.randint(self.n, (), generator=generator)
        order = torch.randperm(self.steps_per_epoch * self.batch, generator=generator)
        self.epoch, self.starts = epoch, (phase + order * self.n).to(self.content.device)

    def at(self, step):
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self.epoch:
            self._begin(epoch)
        starts = self.starts[place * self.batch : (place + 1) * self.batch]
        return self.content[starts[:, None] + self.within]
