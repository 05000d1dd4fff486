"""What a training step minimises: the batch as the mode makes it, and the loss on it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dbviz.errors import InputError
from dbviz.images import ImageSet
from dbviz.spec import Recipe
from dbviz.training.adversarial import Attack
from dbviz.training.distillation import soft_loss
from dbviz.training.mixing import cutmix, mixup

__all__ = ["Objective", "make_objective", "plain_objective"]

Prepared = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Objective:
    """One mode of training."""

    prepare: Callable[[nn.Module, Tensor, Tensor, np.random.Generator], Prepared]
    """From the model, a batch (b, c, h, w), its labels (b,) and a generator: the images to show, and the targets."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """From logits (b, k) and the targets."""


def make_objective(recipe: Recipe, images: ImageSet, teacher: nn.Module | None = None) -> Objective:
    """The objective of a recipe's mode.

    Args:
        teacher: what distillation learns from, in evaluation mode.

    Raises:
        InputError: a distillation has no teacher, or another mode has one.
    """
    distils = recipe.mode in ("distil-soft", "distil-hard")
    if distils != (teacher is not None):
        said = f"mode {recipe.mode} " + ("needs a teacher" if distils else "learns from no teacher, but one is given")
        raise InputError(f"{said}: a teacher goes with the modes distil-soft and distil-hard")
    plain = plain_objective(recipe)
    if recipe.mode in ("mixup", "cutmix"):
        mix = partial({"mixup": mixup, "cutmix": cutmix}[recipe.mode], classes=len(images.class_names))
        return Objective(lambda _, x, y, rng: mix(x, y, rng=rng), plain.loss)
    if recipe.mode == "adversarial":
        attack = Attack(mean=images.mean, std=images.std)
        return Objective(lambda model, x, y, rng: (attack(model, x, y, rng), y), plain.loss)
    if teacher is not None and recipe.mode == "distil-soft":
        soft = partial(soft_loss, temperature=recipe.temperature)
        return Objective(lambda _, x, __, ___: (x, _said_by(teacher, x)), soft)
    if teacher is not None:
        return Objective(lambda _, x, __, ___: (x, _said_by(teacher, x).argmax(1)), plain.loss)
    return plain


def plain_objective(recipe: Recipe) -> Objective:
    """Cross-entropy of the images as they come."""
    return Objective(lambda _, x, y, __: (x, y), partial(F.cross_entropy, label_smoothing=recipe.label_smoothing))


def _said_by(teacher: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return teacher(images).float()
