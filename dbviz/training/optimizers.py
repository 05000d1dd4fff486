"""The optimizer of a recipe, its learning rate over time, and the ascent step of SAM."""

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import nn

from dbviz.core.errors import InputError
from dbviz.spec import Recipe

__all__ = [
    "learning_rate",
    "make_optimizer",
    "sam_ascent",
]

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


@contextlib.contextmanager
def sam_ascent(model: nn.Module, radius: float) -> Iterator[None]:
    """Within the block the weights stand at w + radius g / |g|, g their gradient; then they are w again, exactly.

    |g| is the norm over all parameters together. Batch norm's running statistics do not move within the block: they are
    those of the weights that are kept. A gradient of zero moves nothing.
    """
    climbing = [(p, p.grad) for p in model.parameters() if p.grad is not None]
    before = [p.detach().clone() for p, _ in climbing]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
    momenta = [norm.momentum for norm in norms]
    counted = [norm.num_batches_tracked for norm in norms]
    with torch.no_grad():
        scale = radius / (nn.utils.get_total_norm([g for _, g in climbing]) + 1e-12)
        for parameter, gradient in climbing:
            parameter.add_(gradient * scale)
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counted, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
        with torch.no_grad():
            for (parameter, _), kept in zip(climbing, before, strict=True):
                parameter.copy_(kept)
