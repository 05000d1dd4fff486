"""Label maps and specs made by hand, and the files of runs, for tests of several folders."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import xarray as xr

from dbviz.spec import Recipe, RunSpec, Seeds

__all__ = ["maps_of", "sealed_files", "spec"]


def spec(optimizer: str = "sgd", seed: int = 0, nudge: int | None = None) -> RunSpec:
    recipe = dataclasses.replace(Recipe(epochs=1, learning_rate=0.1), optimizer=optimizer)
    return RunSpec(
        dataset="shapes", arch="vit", recipe=recipe, seeds=Seeds(init=seed, order=seed, augment=seed, nudge=nudge)
    )


def maps_of(specs: list[RunSpec], labels: np.ndarray) -> xr.Dataset:
    """Label maps (model, plane, row, column) with what the scores read of a real stack."""
    planes, rows, columns = labels.shape[1:]
    names = [one.name for one in specs]
    coordinates = {
        "model": names,
        "arch": ("model", [one.arch for one in specs]),
        "seed": ("model", [str(one.seeds) for one in specs]),
        "anchors": (("plane", "corner", "axis"), np.tile([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], (planes, 1, 1))),
        "a": (("plane", "column"), np.tile(np.linspace(0, 1, columns), (planes, 1))),
        "b": (("plane", "row"), np.tile(np.linspace(0, 1, rows), (planes, 1))),
    }
    stored = {name: one.to_dict() for name, one in zip(names, specs, strict=True)}
    variables = {"labels": (("model", "plane", "row", "column"), labels)}
    return xr.Dataset(variables, coordinates, {"specs": json.dumps(stored), "dataset": "shapes"})


def sealed_files(home: Path) -> dict[str, bytes]:
    """The contents of every file of weights and of measurements, by its path in `home`."""
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.glob("*/*.safetensors"))}
