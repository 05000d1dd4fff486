"""Which models of a stack of label maps are runs of one network."""

import json

import numpy as np
import xarray as xr
from jaxtyping import Bool

from dbviz.scores.label_arrays import check_label_maps
from dbviz.spec import RunSpec
from dbviz.spec.names import network_names

__all__ = ["networks", "nudged_mask", "runs_by_network"]


def networks(maps: xr.Dataset) -> list[str]:
    """The name of each model's network: its architecture, and what else distinguishes it from the others in the maps.

    A model without a spec, such as a user's module, is named by its `arch` coordinate.

    Raises:
        InputError: `maps` are no label maps, or a spec was written by a newer dbviz.

    Example:
        >>> import dbviz
        >>> labels = np.zeros((3, 2, 4, 4), np.uint8)  # model, plane, row, column
        >>> networks(dbviz.label_maps.from_array(labels, networks=["vit", "vit", "mine"]))
        ['vit', 'vit', 'mine']
    """
    specs = _specs(maps)
    named = dict(zip(specs, network_names(list(specs.values())), strict=True))
    models, archs = np.atleast_1d(maps.model.values), np.atleast_1d(maps.arch.values)
    return [named.get(str(model), str(arch)) for model, arch in zip(models, archs, strict=True)]


def runs_by_network(maps: xr.Dataset) -> dict[str, np.ndarray]:
    """The positions of each network's runs along `model`; networks in order of appearance.

    Raises:
        InputError: as `networks`.

    Example:
        >>> import dbviz
        >>> labels = np.zeros((3, 2, 4, 4), np.uint8)  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks=["vit", "mine", "vit"])
        >>> {network: runs.tolist() for network, runs in runs_by_network(maps).items()}
        {'vit': [0, 2], 'mine': [1]}
    """
    names = np.array(networks(maps))
    return {str(name): np.flatnonzero(names == name) for name in dict.fromkeys(names)}


def nudged_mask(maps: xr.Dataset) -> Bool[np.ndarray, " model"]:
    """Which models started from an initialisation with one weight multiplied by 1.001; see `instability_floor`.

    Example:
        >>> import dbviz
        >>> maps = dbviz.label_maps.from_array(np.zeros((2, 3, 4, 4), np.uint8))
        >>> nudged_mask(maps).tolist()  # models without a spec are not nudged
        [False, False]
    """
    specs = _specs(maps)
    names = [str(model) for model in np.atleast_1d(maps.model.values)]
    return np.array([name in specs and specs[name].seeds.nudge is not None for name in names])


def _specs(maps: xr.Dataset) -> dict[str, RunSpec]:
    check_label_maps(maps)
    stored = json.loads(maps.attrs.get("specs", "{}"))
    present = {str(model) for model in np.atleast_1d(maps.model.values)}
    return {name: RunSpec.from_dict(fields) for name, fields in stored.items() if name in present}
