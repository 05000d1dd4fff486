"""What may be sampled and measured: trained runs, modules and plain functions, each under a name."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from dbviz.core import files
from dbviz.core.errors import InputError, NotFiniteError
from dbviz.runs import Run

__all__ = [
    "Model",
    "check_finite",
    "checked_logits",
    "device_of",
    "model_coordinates",
    "model_provenance",
    "named_models",
    "shaped_logits",
]

Model = Run | Callable[[Tensor], Tensor]
"""A trained run, any module, or any function from images (n, c, h, w) to logits (n, k)."""


def named_models(models: Model | Sequence[Model] | Mapping[str, Model]) -> dict[str, Model]:
    """Models under the keys of a mapping; else runs under their own names, others under their position.

    Raises:
        InputError: there is no model, one is given twice, or one is neither a run nor callable.
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
                f"{name} is a {type(model).__name__}: give a run, a module, or a function from images to logits"
            )
    return named


def device_of(model: Callable[[Tensor], Tensor], otherwise: torch.device) -> torch.device:
    """Where a module's parameters are; `otherwise` for what has none."""
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
    """The outputs of the model called `name` for `count` images, if they are logits, in single precision.

    Raises:
        InputError: they are not of shape (count, k).
    """
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != count:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"{name} gives {shape} for {count} images: it must give logits of shape ({count}, classes)")
    return logits.float()


def check_finite(logits: Float32[Tensor, "n k"], places: Int64[Tensor, " n"], name: str, count: int) -> None:
    """Checks the logits of some of `count` points, those at `places`.

    Raises:
        NotFiniteError: some are infinite or no number.
    """
    bad = ~torch.isfinite(logits).all(1)
    if bad.any():
        raise NotFiniteError(name, places.to(bad.device)[bad].tolist(), count)


def model_coordinates(named: Mapping[str, Model]) -> dict[str, Any]:
    """model (name), arch, seed and test_accuracy, all along `model`."""
    runs = {name: model if isinstance(model, Run) else None for name, model in named.items()}
    return {
        "model": np.array(list(named)),
        "arch": ("model", np.array([run.spec.arch if run else name for name, run in runs.items()])),
        "seed": ("model", np.array([str(run.spec.seeds) if run else "" for run in runs.values()])),
        "test_accuracy": ("model", np.array([run.test_accuracy if run else np.nan for run in runs.values()])),
    }


def model_provenance(named: Mapping[str, Model]) -> dict[str, str]:
    """The specs of the runs and a digest of every model's weights, as JSON objects by name."""
    # without the fields that stand at their default: maps stay equal to themselves when a spec gains a field
    specs = {name: json.loads(model.spec.canonical()) for name, model in named.items() if isinstance(model, Run)}
    weights = {name: _fingerprint(model) for name, model in named.items()}
    return {"specs": json.dumps(specs), "weights": json.dumps(weights)}


def _fingerprint(model: Model) -> str | None:
    """A digest of the model's weights; None for a function, whose insides cannot be seen."""
    if isinstance(model, Run):
        return model.fingerprint
    return files.digest(model.state_dict()) if isinstance(model, nn.Module) else None
