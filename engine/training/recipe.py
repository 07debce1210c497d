"""A recipe: the model (a config.json), where its data lie, and how it is trained."""

import dataclasses
import json
import pathlib


@dataclasses.dataclass(frozen=True)
class DataPlan:
    file: str  # inside the data directory, or the same with .xz
    sha256: str  # of the unpacked file
    train_bytes: int  # the first bytes are for training,
    valid_bytes: int  # the next for watching it,
    test_bytes: int  # and the next for the figure in the model card


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    batch: int  # sequences of context_length tokens per step
    tokens: int  # budget; train.py --minutes replaces it by one of time
    optimizer: str  # "adamw", or "muon" for the layers' matrices and adamw for the rest
    learning_rate: float  # the highest; it rises over warm_up_steps, then falls to 0 as a cosine
    warm_up_steps: int
    weight_decay: float  # of matrices, per step and unit of learning rate
    clip: float  # largest norm of all gradients together
    dropout: float  # at the end of each residual
    average: float  # decay per step of the averaged weights, which are what is exported
    recompute: bool  # recompute each layer in the backward pass: memory does not grow with depth
    seed: int


@dataclasses.dataclass(frozen=True)
class Recipe:
    model: dict
    data: DataPlan
    training: TrainingPlan

    @staticmethod
    def load(path):
        """TypeError where a field is missing or unknown."""
        fields = json.loads(pathlib.Path(path).read_text())
        return Recipe(
            fields["model"], DataPlan(**fields["data"]), TrainingPlan(**fields["training"])
        )
