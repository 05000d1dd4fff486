"""The optimizer of a recipe, its learning-rate schedule, and the ascent step of SAM."""

import contextlib
import inspect
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

_MILESTONES = (0.37, 0.62, 0.87)
"""Where `steps` divides by ten, as fractions of the training (Somepalli et al. 2022)."""
_WARM_UP = 0.25
"""Fraction of the training in which `one-cycle` rises."""


class _Eager(torch.optim.Optimizer):
    """The methods of an optimizer without the wrappers that import torch's compiler, which takes seconds.

    The wrapped methods are torch's own: what they compute is unchanged.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)


class _SGD(_Eager, torch.optim.SGD):
    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class _AdamW(_Eager, torch.optim.AdamW):
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


def make_optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with momentum (for SAM too), or AdamW, over all parameters of `module`.

    Raises:
        InputError: the recipe takes no steps.

    Example:
        >>> recipe = Recipe(epochs=1, learning_rate=0.1, optimizer="adam", weight_decay=0.05)
        >>> make_optimizer(nn.Linear(2, 1), recipe).defaults["weight_decay"]
        0.05
    """
    if recipe.optimizer == "least-squares":
        raise InputError("optimizer least-squares takes no steps: solve with dbviz.training.least_squares")
    options = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, "fused": True}
    if recipe.optimizer == "adam":
        return _AdamW(module.parameters(), **options)
    return _SGD(module.parameters(), momentum=recipe.momentum, **options)


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """The learning rate of step `step` of `total`, counted from 0.

    A function of the step alone, so a resumed run needs no scheduler state. `one-cycle` rises linearly from a
    twenty-fifth of the peak and falls along a cosine to nearly 0 at the last step (Smith & Topin 2018).

    Example:
        >>> recipe = Recipe(epochs=1, learning_rate=0.1, schedule="one-cycle")
        >>> [round(learning_rate(recipe, step, 100), 4) for step in (0, 25, 99)]
        [0.004, 0.1, 0.0]
    """
    fraction = step / total
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "steps":
        return recipe.learning_rate * 0.1 ** sum(fraction >= milestone for milestone in _MILESTONES)
    if fraction < _WARM_UP:
        return recipe.learning_rate * (0.04 + 0.96 * fraction / _WARM_UP)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (fraction - _WARM_UP) / (1 - _WARM_UP)))


@contextlib.contextmanager
def sam_ascent(model: nn.Module, radius: float) -> Iterator[None]:
    """Within the block the weights are w + radius g / |g|, where g is their gradient; then they are exactly w again.

    |g| is the norm over all parameters together (Foret et al. 2021). Batch norm's running statistics are not updated
    within the block: they are those of w. A gradient of zero changes nothing.

    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> layer(torch.ones(1)).backward()
        >>> weight = layer.weight.item()
        >>> with sam_ascent(layer, radius=0.5):
        ...     round(layer.weight.item() - weight, 4)
        0.5
        >>> layer.weight.item() == weight
        True
    """
    parameters = [p for p in model.parameters() if p.grad is not None]
    gradients = [p.grad for p in parameters if p.grad is not None]
    weights = [p.detach() for p in parameters]
    originals = [torch.empty_like(weight) for weight in weights]
    torch._foreach_copy_(originals, weights)  # all tensors at once: one by one, a GPU waits for their launches
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
    momenta = [norm.momentum for norm in norms]
    counts = [norm.num_batches_tracked for norm in norms]
    with torch.no_grad():
        scale = radius / (nn.utils.get_total_norm(gradients) + 1e-12)
        torch._foreach_add_(weights, torch._foreach_mul(gradients, scale))
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counts, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
        with torch.no_grad():
            torch._foreach_copy_(weights, originals)
