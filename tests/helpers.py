"""Label maps, points and specs made by hand, and the files of runs, for tests of several folders."""

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from dbviz.core.progress import report_share
from dbviz.label_maps.grid import Grid, GridPoints
from dbviz.spec import Recipe, RunSpec, Seeds

__all__ = ["half_done", "maps_of", "points_of", "sealed_files", "spec"]


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


def points_of(images: torch.Tensor) -> GridPoints:
    """Grid points whose images are these, each the origin of a plane of one point."""
    flat, zero = images.permute(0, 2, 3, 1).flatten(1), torch.zeros(len(images), 1)
    shape = (images.shape[1], images.shape[2], images.shape[3])
    none = torch.zeros_like(flat)
    return Grid(flat, none, none, zero, zero, image_shape=shape).at(np.arange(len(images)))


def half_done(_: object) -> None:
    """A task that reports half of its work after more than a second."""
    time.sleep(1.1)
    report_share(0.5)
