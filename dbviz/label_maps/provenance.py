"""In which environments the models of an array were trained, and in which what it holds of them was computed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dbviz.core.environment import Differences, differences
from dbviz.label_maps.models import Model
from dbviz.runs import Run

__all__ = ["combined_environments", "environment_attributes", "environment_differences"]


def environment_attributes(models: Mapping[str, Model], computed_with: dict[str, Any]) -> dict[str, str]:
    """`environment`, in which something was computed of the models, and `environments`, with those of their training.

    The second is a JSON list of environments, each once, with the names of the models that were `trained` and
    `computed` in it. Command lines are left out of it.
    """
    trained = {name: found for name, model in models.items() if isinstance(model, Run) and (found := model.environment)}
    listed = [
        *({"environment": _without_command(found), "trained": [name]} for name, found in trained.items()),
        {"environment": _without_command(computed_with), "computed": list(models)},
    ]
    return {"environment": json.dumps(computed_with), "environments": json.dumps(_each_once(listed))}


def combined_environments(arrays: Sequence[xr.Dataset]) -> str:
    """The attribute `environments` of several arrays put together."""
    return json.dumps(_each_once([entry for array in arrays for entry in _entries(array)]))


def environment_differences(arrays: xr.Dataset) -> dict[str, Differences]:
    """In which settings that may change bits the models were `trained`, and what is there of them `computed`.

    See `dbviz.environment.differences`; of files written before environments were kept for each model nothing is known.
    """
    present = {str(model) for model in np.atleast_1d(arrays.model.values)}
    found: dict[str, Differences] = {}
    for role in ("trained", "computed"):
        entries = [(entry["environment"], entry.get(role, [])) for entry in _entries(arrays)]
        found[role] = differences({name: env for env, names in entries for name in names if name in present})
    return found


def _entries(arrays: xr.Dataset) -> list[dict[str, Any]]:
    return json.loads(arrays.attrs.get("environments", "[]"))


def _without_command(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "argv"}


def _each_once(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of equal environments as one, their models in the order given."""
    merged: dict[str, dict[str, Any]] = {}
    for entry in entries:
        one = merged.setdefault(json.dumps(entry["environment"], sort_keys=True), {"environment": entry["environment"]})
        for role in ("trained", "computed"):
            if names := entry.get(role):
                one[role] = [*one.get(role, []), *names]
    return list(merged.values())
