"""Which models of a stack of label maps are runs of one network."""

import json

import numpy as np
import xarray as xr
from jaxtyping import Bool

from dbviz.spec import RunSpec
from dbviz.spec.names import network_names

__all__ = ["groups", "networks", "nudged"]


def networks(maps: xr.Dataset) -> list[str]:
    """The name of each model's network: its architecture, with what else tells it apart from the others in the maps.

    Models without a spec, such as a user's module, go by their `arch` coordinate.

    Raises:
        InputError: a spec was written by a newer dbviz.
    """
    specs = _specs(maps)
    named = dict(zip(specs, network_names(list(specs.values())), strict=True))
    models, archs = np.atleast_1d(maps.model.values), np.atleast_1d(maps.arch.values)
    return [named.get(str(model), str(arch)) for model, arch in zip(models, archs, strict=True)]


def groups(maps: xr.Dataset) -> dict[str, np.ndarray]:
    """The positions of each network's runs along `model`, networks in their order of appearance."""
    names = np.array(networks(maps))
    return {str(name): np.flatnonzero(names == name) for name in dict.fromkeys(names)}


def nudged(maps: xr.Dataset) -> Bool[np.ndarray, " model"]:
    """Which models began with one weight multiplied by 1.001; see `instability_floor`."""
    specs = _specs(maps)
    return np.array(
        [str(m) in specs and specs[str(m)].seeds.nudge is not None for m in np.atleast_1d(maps.model.values)]
    )


def _specs(maps: xr.Dataset) -> dict[str, RunSpec]:
    stored = json.loads(maps.attrs.get("specs", "{}"))
    present = {str(model) for model in np.atleast_1d(maps.model.values)}
    return {name: RunSpec.from_dict(fields) for name, fields in stored.items() if name in present}
