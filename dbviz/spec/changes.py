"""Types of the keyword arguments by which functions change single fields of a spec, for editors and type checkers.

`tests/spec/test_changes.py` compares them with the dataclasses field by field.
"""

from typing import TypedDict

from dbviz.spec.recipe import Augmentation, Mode, Optimizer, Precision, Schedule

__all__ = ["RecipeChanges", "SpecChanges"]


class RecipeChanges(TypedDict, total=False):
    """Any fields of `Recipe`.

    Example:
        >>> from dataclasses import replace
        >>> from dbviz.spec import Recipe
        >>> adam: RecipeChanges = {"optimizer": "adam", "weight_decay": 0.0}
        >>> replace(Recipe(epochs=1, learning_rate=0.1), **adam)
        Recipe(epochs=1, learning_rate=0.1, optimizer='adam', weight_decay=0.0)
    """

    epochs: int
    learning_rate: float
    optimizer: Optimizer
    momentum: float
    weight_decay: float
    batch_size: int
    schedule: Schedule
    augmentation: Augmentation
    label_smoothing: float
    clip_norm: float | None
    mode: Mode
    temperature: float
    sam_radius: float
    precision: Precision
    deterministic: bool


class SpecChanges(RecipeChanges, total=False):
    """Any fields of `Recipe`, and those of `RunSpec` that are not arguments of their own.

    Example:
        >>> from dbviz.runs.specs import make_specs
        >>> from dbviz.training import choose_device
        >>> from dbviz.data import Images, shapes
        >>> changes: SpecChanges = {"width": 16, "epochs": 1, "train_size": 32}
        >>> images = Images(train=shapes(32), test=shapes(8, split="test"))
        >>> make_specs(["fcnet"], [0], images=images, preset="quick", device=choose_device("cpu"), **changes)[0].width
        16
    """

    width: int | None
    train_size: int | None
    teacher: str | None
