"""Where label maps and margins come from: models, planes, grid, and the environments they were computed in."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from torch import nn

from dbviz.core import files
from dbviz.core.environment import Differences, differences
from dbviz.label_maps.layout import FORMAT
from dbviz.label_maps.models import Model
from dbviz.planes import PlaneSet
from dbviz.runs import Run

__all__ = [
    "combined_environments",
    "environment_attributes",
    "environment_differences",
    "model_coordinates",
    "model_provenance",
    "provenance",
    "short_identity",
]


def provenance(models: Mapping[str, Model], planes: PlaneSet, resolution: int, padding: float) -> dict[str, Any]:
    """Everything that determines the label maps of `models` on `planes`, as plain attributes."""
    return {
        "format": FORMAT,
        "dataset": planes.dataset,
        "split": planes.split,
        "class_names": json.dumps(planes.class_names),
        "planes": planes.identity,
        "resolution": resolution,
        "margin": padding,  # the name that is hashed and stored
        **model_provenance(models),
    }


def short_identity(provenance: dict[str, Any]) -> str:
    """Eight hexadecimal digits that identify a provenance in the name of a file."""
    return hashlib.sha256(json.dumps(provenance, sort_keys=True).encode()).hexdigest()[:8]


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
    # without fields at their default, so that a provenance does not change when a spec gains a field
    specs = {name: json.loads(model.spec.canonical()) for name, model in named.items() if isinstance(model, Run)}
    weights = {name: _fingerprint(model) for name, model in named.items()}
    return {"specs": json.dumps(specs), "weights": json.dumps(weights)}


def environment_attributes(models: Mapping[str, Model], computed_with: dict[str, Any]) -> dict[str, str]:
    """The attributes `environment` and `environments` of arrays computed from `models`.

    `environment` is the one they were computed in. `environments` is a JSON list of this and of the environments the
    models were trained in, each once, with the names of the models `trained` and `computed` in it; command lines are
    left out of it.
    """
    trained = {name: model.environment for name, model in models.items() if isinstance(model, Run)}
    entries = [
        *({"environment": _without_command(env), "trained": [name]} for name, env in trained.items() if env),
        {"environment": _without_command(computed_with), "computed": list(models)},
    ]
    return {"environment": json.dumps(computed_with), "environments": json.dumps(_merged(entries))}


def combined_environments(arrays: Sequence[xr.Dataset]) -> str:
    """The attribute `environments` of several arrays combined."""
    return json.dumps(_merged([entry for array in arrays for entry in _entries(array)]))


def environment_differences(arrays: xr.Dataset) -> dict[str, Differences]:
    """Settings that may change results and in which the environments of the models differ.

    Files written before environments were kept for each model have no differences, since nothing is known.

    Args:
        arrays: label maps or margins.

    Returns:
        For `trained` (how the models were trained) and `computed` (how the arrays were computed) the names of the
        models by setting and its value; see `dbviz.core.environment.differences`.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.label_maps import sample
        >>> from dbviz.planes import draw_planes
        >>> maps = sample(lambda x: x.mean((2, 3)), draw_planes(shapes(30, split="test"), 2), resolution=5)
        >>> environment_differences(maps)
        {'trained': {}, 'computed': {}}
    """
    present = {str(model) for model in np.atleast_1d(arrays.model.values)}
    by_role: dict[str, Differences] = {}
    for role in ("trained", "computed"):
        entries = [(entry["environment"], entry.get(role, [])) for entry in _entries(arrays)]
        by_role[role] = differences({name: env for env, names in entries for name in names if name in present})
    return by_role


def _fingerprint(model: Model) -> str | None:
    """A digest of the model's weights; None for a function, whose parameters are unknown."""
    if isinstance(model, Run):
        return model.fingerprint
    return files.digest(model.state_dict()) if isinstance(model, nn.Module) else None


def _entries(arrays: xr.Dataset) -> list[dict[str, Any]]:
    return json.loads(arrays.attrs.get("environments", "[]"))


def _without_command(environment: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environment.items() if name != "argv"}


def _merged(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of equal environments as one, their models in the order given."""
    merged: dict[str, dict[str, Any]] = {}
    for entry in entries:
        key = json.dumps(entry["environment"], sort_keys=True)
        target = merged.setdefault(key, {"environment": entry["environment"]})
        for role in ("trained", "computed"):
            if names := entry.get(role):
                target[role] = [*target.get(role, []), *names]
    return list(merged.values())
