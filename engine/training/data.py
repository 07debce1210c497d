"""Sequences of bytes for training and scoring, held on the device as uint8 tensors."""

import dataclasses
import hashlib
import lzma
import pathlib

import numpy as np
import torch


def _read(directory, pattern, sha256=None):
    """uint8 array of all files that match, in the order of their names."""
    folder = pathlib.Path(directory)
    paths = {path.with_suffix("") for path in folder.glob(pattern + ".xz")} | set(folder.glob(pattern))
    if not paths:
        raise FileNotFoundError(f"{folder}: no file matches {pattern}")
    content = b"".join(
        path.read_bytes() if path.exists() else lzma.open(f"{path}.xz").read()
        for path in sorted(paths)
    )
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        raise ValueError(f"{folder / pattern}: sha256 is {found}; the recipe expects {sha256}")
    return np.frombuffer(content, np.uint8)


@dataclasses.dataclass(frozen=True)
class Content:
    """Of one source. labels: int64 [sequences, conditions], by the model's order, or None."""

    tokens: np.ndarray
    labels: np.ndarray | None = None


def read_source(directory, source, config):
    """A label of byte b becomes the condition's value b + 1: value 0 means "not given"."""
    end = None if source.tokens is None else source.first + source.tokens
    tokens = _read(directory, source.files, source.sha256)[source.first : end]
    if source.labels is None:
        return Content(tokens)
    names = [condition["name"] for condition in config["conditions"]]
    first, count = source.first // config["context_length"], len(tokens) // config["context_length"]
    labels = np.zeros((count, len(names)), np.int64)
    for name, pattern in source.labels.items():
        found = _read(directory, pattern)[first : first + count]
        if len(found) != count:
            raise ValueError(f"{pattern}: {len(found)} labels for {count} sequences")
        labels[:, names.index(name)] = found.astype(np.int64) + 1
    return Content(tokens, labels)


class _Stream:
    """Windows of n tokens of one source, `rows` per step.

    An epoch is one pass over windows in random order. They start at a phase drawn for that epoch,
    or at multiples of n where sequences are whole things (`aligned`).
    """

    def __init__(self, content, n, rows, seed, aligned, device):
        self.n, self.rows, self.seed, self.aligned = n, rows, seed, aligned
        self.tokens = torch.from_numpy(content.tokens.copy()).to(device)
        self.labels = None if content.labels is None else torch.from_numpy(content.labels).to(device)
        self.within = torch.arange(n, device=device)
        self.steps_per_epoch = (len(content.tokens) // n - (0 if aligned else 1)) // rows
        if self.steps_per_epoch < 1:
            raise ValueError(f"{len(content.tokens)} tokens are too few for {rows} windows of {n}")
        self.epoch, self.starts = None, None

    def _begin(self, epoch):
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        phase = 0 if self.aligned else torch.randint(self.n, (), generator=generator)
        order = torch.randperm(self.steps_per_epoch * self.rows, generator=generator)
        self.epoch, self.starts = epoch, (phase + order * self.n).to(self.tokens.device)

    def at(self, step, conditions):
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self.epoch:
            self._begin(epoch)
        starts = self.starts[place * self.rows : (place + 1) * self.rows]
        windows = self.tokens[starts[:, None] + self.within]
        if self.labels is None:
            return windows, starts.new_zeros(self.rows, conditions)
        return windows, self.labels[starts // self.n]


def _flip(tokens, config):
    image = config["image"]
    shape = (image["height"], image["width"], image["channels"])
    return tokens.unflatten(1, shape).flip(2).flatten(1)


def _negate(tokens, config):
    return 255 - tokens  # both encodings are symmetric


AUGMENTATIONS = {"flip": _flip, "negate": _negate}


class Batches:
    """Step -> batch, a function of the seed alone, so that a resumed run sees what it would have.

    contents: a `Content` for each source of the plan's `train`, which share a batch by `rows`.
    `at` gives uint8 [batch, n] and int64 [batch, conditions], on the device.
    """

    def __init__(self, config, sources, contents, plan, device):
        given = sum(source.rows or 0 for source in sources)
        self.config, self.plan, self.device = config, plan, device
        aligned = config["modality"] == "image"
        self.streams = [
            _Stream(
                content,
                config["context_length"],
                source.rows or plan.batch - given,
                plan.seed + index,
                aligned,
                device,
            )
            for index, (source, content) in enumerate(zip(sources, contents, strict=True))
        ]
        rows = sum(stream.rows for stream in self.streams)
        if rows != plan.batch:
            raise ValueError(f"the sources give {rows} rows; the batch has {plan.batch}")

    def at(self, step):
        conditions = len(self.config.get("conditions") or [])
        parts = [stream.at(step, conditions) for stream in self.streams]
        tokens, labels = (torch.cat(part) for part in zip(*parts))
        generator = torch.Generator().manual_seed(self.plan.seed * 7_368_787 + step)
        for name in self.plan.augment:
            chosen = self._draw(0.5, (len(tokens), 1), generator)
            tokens = torch.where(chosen, AUGMENTATIONS[name](tokens, self.config), tokens)
        dropped = self._draw(self.plan.condition_dropout, labels.shape, generator)
        return tokens, labels.masked_fill(dropped, 0)

    def _draw(self, probability, shape, generator):
        return (torch.rand(shape, generator=generator) < probability).to(self.device)
