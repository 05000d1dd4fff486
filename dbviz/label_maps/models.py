"""Models that can be sampled and measured: trained runs, modules and plain functions, each with a name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from dbviz.core.errors import InputError, NotFiniteError
from dbviz.runs import Run

__all__ = [
    "Model",
    "check_finite",
    "checked_logits",
    "device_of",
    "named_models",
    "shaped_logits",
]

Model = Run | Callable[[Tensor], Tensor]
"""A trained run, any module, or any function from images (n, c, h, w) to logits (n, k)."""


def named_models(models: Model | Sequence[Model] | Mapping[str, Model]) -> dict[str, Model]:
    """Models by name: the keys of a mapping; else the names of runs, and `model N` for others by their position N.

    Raises:
        InputError: there is no model, a run is given twice, or a model is neither a run nor callable.
    """
    if isinstance(models, Mapping):
        named = dict(models)
    else:
        listed = [models] if callable(models) or isinstance(models, Run) else list(models)
        named = {m.spec.name if isinstance(m, Run) else f"model {i}": m for i, m in enumerate(listed)}
        if len(named) < len(listed):
            raise InputError("a run is given twice: give each model once, or a mapping from names to models")
    if not named:
        raise InputError("no model to sample: give at least one run or module")
    for name, model in named.items():
        if not (isinstance(model, Run) or callable(model)):
            raise InputError(
                f"{name} is of type {type(model).__name__}: give a run, a module, or a function from images to logits"
            )
    return named


def device_of(model: Callable[[Tensor], Tensor], otherwise: torch.device) -> torch.device:
    """The device of a module's parameters; `otherwise` for a model without any."""
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return otherwise if parameter is None else parameter.device


def checked_logits(logits: Any, name: str, count: int) -> Float32[Tensor, "n k"]:
    """The outputs of the model called `name` for `count` images, in single precision.

    Raises:
        InputError: they are not of shape (count, k), or not finite.
    """
    shaped = shaped_logits(logits, name, count)
    check_finite(shaped, torch.arange(count), name, count)
    return shaped


def shaped_logits(logits: Any, name: str, count: int) -> Float32[Tensor, "n k"]:
    """The outputs of the model called `name` for `count` images, in single precision, finite or not.

    Raises:
        InputError: they are not of shape (count, k).
    """
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != count:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(
            f"{name} returns {shape} for {count} images: it must return logits of shape ({count}, classes)"
        )
    return logits.float()


def check_finite(logits: Float32[Tensor, "n k"], places: Int64[Tensor, " n"], name: str, count: int) -> None:
    """Checks the logits of some of `count` points, those at `places`.

    Raises:
        NotFiniteError: some are infinite or NaN.
    """
    bad = ~torch.isfinite(logits).all(1)
    if bad.any():
        raise NotFiniteError(name, places.to(bad.device)[bad].tolist(), count)
