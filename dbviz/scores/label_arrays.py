"""The array of labels in what a score is given; errors name the remedy."""

from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import UInt

from dbviz.core.errors import InputError

__all__ = ["check_label_maps", "label_array"]

_DIMENSIONS = ("model", "plane", "row", "column")
_REMEDY = (
    "give the dataset that dbviz.sample or dbviz.label_maps.load returns, or make one from an array of labels "
    "(model, plane, row, column) with dbviz.label_maps.from_array(labels, ...)"
)


def label_array(maps: xr.Dataset) -> UInt[np.ndarray, "model plane row column"]:
    """The labels of a stack of label maps, with its four dimensions in this order.

    Raises:
        InputError: `maps` are no label maps, or lack a dimension, as after selecting a single plane.
    """
    check_label_maps(maps)
    if "labels" not in maps:
        raise InputError(f"the dataset has no variable `labels`: {_REMEDY}")
    dims = maps.labels.dims
    if set(dims) != set(_DIMENSIONS):
        raise InputError(
            f"labels have the dimensions {', '.join(map(str, dims))}, but scores need {', '.join(_DIMENSIONS)}: "
            "select models and planes by lists, such as maps.isel(plane=[0, 1])"
        )
    return maps.labels.transpose(*_DIMENSIONS).values


def check_label_maps(maps: object) -> None:
    """Raises an InputError that says how to make label maps where `maps` is no dataset, such as a plain array."""
    if isinstance(maps, xr.Dataset):
        return
    if isinstance(maps, str | Path):
        raise InputError(f"expected label maps, got the path {maps}: read the file with dbviz.label_maps.load(path)")
    shape = getattr(maps, "shape", None)
    described = type(maps).__name__ if shape is None else f"{type(maps).__name__} of shape {tuple(shape)}"
    raise InputError(f"expected label maps, an xarray.Dataset, got {described}: {_REMEDY}")
