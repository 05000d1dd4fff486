"""The optimizer of a recipe and its learning rate over time."""

import math

import torch
from torch import nn

from dbviz.errors import InputError
from dbviz.spec import Recipe

__all__ = ["learning_rate", "make_optimizer"]

_STEPS = (0.37, 0.62, 0.87)
"""Where `steps` divides by ten, as shares of the training (Somepalli et al. 2022)."""
_WARM_UP = 0.25
"""Share of the training in which `one-cycle` rises."""


def make_optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with momentum (for SAM too), or AdamW, over every parameter of `module`.

    Raises:
        InputError: the recipe takes no steps.
    """
    if recipe.optimizer == "least-squares":
        raise InputError("optimizer least-squares takes no steps: solve with dbviz.training.least_squares")
    common = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, "fused": True}
    if recipe.optimizer == "adam":
        return torch.optim.AdamW(module.parameters(), **common)
    return torch.optim.SGD(module.parameters(), momentum=recipe.momentum, **common)


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """The learning rate of step `step` of `total`, counted from 0.

    A function of the step alone, so a resumed run needs no scheduler state. `one-cycle` rises linearly from a
    twenty-fifth of the peak and falls along a cosine to nearly 0 at the last step (Smith & Topin 2018).
    """
    done = step / total
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "steps":
        return recipe.learning_rate * 0.1 ** sum(done >= milestone for milestone in _STEPS)
    if done < _WARM_UP:
        return recipe.learning_rate * (0.04 + 0.96 * done / _WARM_UP)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))
