"""A recipe: the model (a config.json), where its data lie, and how it is trained."""

import dataclasses
import json
import pathlib


@dataclasses.dataclass(frozen=True)
class Source:
    """Tokens of one byte each: files of the data directory, one after the other."""

    files: str  # glob; matches are read in the order of their names, each plain or as .xz
    sha256: str | None = None  # of the unpacked files together; None: not checked
    first: int = 0  # token to begin with,
    tokens: int | None = None  # and how many from there; None: all
    rows: int | None = None  # of each training batch; None: all that other sources leave
    labels: dict[str, str] | None = None  # condition -> glob of files with a byte per sequence


@dataclasses.dataclass(frozen=True)
class DataPlan:
    train: tuple[Source, ...]
    valid: Source  # for watching the training,
    test: Source  # and for the figure in the model card


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
    seed: int
    recompute: bool = True  # attention and feed-forward blocks again in the backward pass
    to_int8: bool = False  # rows of weights and of products' inputs are rounded, as executors may do
    augment: tuple[str, ...] = ()  # "flip": images, left to right; "negate": audio; half the time
    condition_dropout: float = 0.5  # share of labels replaced by value 0, "not given"


@dataclasses.dataclass(frozen=True)
class Recipe:
    model: dict
    data: DataPlan
    training: TrainingPlan

    @staticmethod
    def of(fields):
        """From the fields of a recipe's JSON; TypeError where one is missing or unknown."""
        data = fields["data"]
        unknown = set(data) - {"train", "valid", "test"}
        if unknown:
            raise TypeError(f"data: unknown field {sorted(unknown)[0]!r}")
        plan = DataPlan(
            tuple(Source(**source) for source in data["train"]),
            Source(**data["valid"]),
            Source(**data["test"]),
        )
        return Recipe(fields["model"], plan, TrainingPlan(**fields["training"]))

    @staticmethod
    def load(path):
        return Recipe.of(json.loads(pathlib.Path(path).read_text()))
