"""The recipe of a training run: optimizer, schedule, augmentation, objective and precision."""

import typing
from dataclasses import dataclass
from typing import Literal

from dbviz.spec.fields import allows_float, require, short_repr

__all__ = ["MODES", "OPTIMIZERS", "Augmentation", "Mode", "Optimizer", "Precision", "Recipe", "Schedule"]

Optimizer = Literal["sgd", "adam", "sam", "least-squares"]
Schedule = Literal["constant", "steps", "one-cycle"]
Augmentation = Literal["none", "crop-flip"]
Mode = Literal["plain", "mixup", "cutmix", "adversarial", "distil-soft", "distil-hard"]
Precision = Literal["fp32", "bf16"]
OPTIMIZERS: tuple[Optimizer, ...] = typing.get_args(Optimizer)
MODES: tuple[Mode, ...] = typing.get_args(Mode)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained. Defaults never change: they are part of what a stored run's identity means.

    Raises:
        InputError: a value is out of range.

    Example:
        >>> Recipe(epochs=30, learning_rate=0.1, optimizer="sam")
        Recipe(epochs=30, learning_rate=0.1, optimizer='sam')
    """

    epochs: int
    """Passes over the training images."""
    learning_rate: float
    """The peak of the schedule."""
    optimizer: Optimizer = "sgd"
    """least-squares takes no steps: it solves for the linear head of least norm in closed form (random_features)."""
    momentum: float = 0.9
    """Of SGD and of SAM's steps; Adam ignores it."""
    weight_decay: float = 5e-4
    """L2 penalty for SGD, decoupled decay for Adam (AdamW); on every parameter."""
    batch_size: int = 128
    schedule: Schedule = "one-cycle"
    """constant; steps: x0.1 at 37, 62 and 87 % (Somepalli et al. 2022); one-cycle: up over 25 %, down to 0."""
    augmentation: Augmentation = "crop-flip"
    """crop-flip: random crop after zero padding by an eighth of the side, and random horizontal flip."""
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    """Maximum norm of the gradient; None clips nothing."""
    mode: Mode = "plain"
    """mixup, cutmix; adversarial: PGD of radius 8/255; distil-soft, distil-hard: the targets are a teacher's outputs
    or its labels."""
    temperature: float = 30.0
    """Of the softmax of teacher and student in distil-soft."""
    sam_radius: float = 0.01
    """Length of SAM's ascent step."""
    precision: Precision = "fp32"
    """bf16: forward and backward under autocast, weights and optimizer in fp32."""
    deterministic: bool = True
    """Only deterministic algorithms: two trainings on the same device have bitwise identical results."""

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(Recipe).items():  # 1 and 1.0 are one value: they must hash alike
            value = getattr(self, name)
            if allows_float(hint) and isinstance(value, int) and not isinstance(value, bool):
                object.__setattr__(self, name, float(value))
        require(self.epochs >= 1, "recipe.epochs", self.epochs, "at least 1")
        require(self.learning_rate > 0, "recipe.learning_rate", self.learning_rate, "above 0")
        require(0 <= self.momentum < 1, "recipe.momentum", self.momentum, "in [0, 1)")
        require(self.weight_decay >= 0, "recipe.weight_decay", self.weight_decay, "at least 0")
        require(self.batch_size >= 1, "recipe.batch_size", self.batch_size, "at least 1")
        require(0 <= self.label_smoothing < 1, "recipe.label_smoothing", self.label_smoothing, "in [0, 1)")
        require(self.temperature > 0, "recipe.temperature", self.temperature, "above 0")
        require(self.sam_radius > 0, "recipe.sam_radius", self.sam_radius, "above 0")
        require(self.clip_norm is None or self.clip_norm > 0, "recipe.clip_norm", self.clip_norm, "above 0")
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            require(value in choices, f"recipe.{name}", value, f"one of {', '.join(choices)}")
        if self.optimizer == "least-squares":
            for name, required in _CLOSED_FORM.items():
                value, expected = getattr(self, name), f"{required!r} under least-squares, which takes no steps"
                require(value == required, f"recipe.{name}", value, expected)

    def __repr__(self) -> str:
        return short_repr(self)


_CHOICES = {
    name: typing.get_args(hint)
    for name, hint in typing.get_type_hints(Recipe).items()
    if typing.get_origin(hint) is Literal
}
_CLOSED_FORM = {"epochs": 1, "mode": "plain", "augmentation": "none", "precision": "fp32"}
"""The values that the optimizer least-squares requires."""
