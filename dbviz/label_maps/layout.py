"""The layout of label maps, an `xarray.Dataset`, and of the files that hold them.

Dimensions: model, plane, row, column. Grid row i is at b[i] and column j at a[j] of the plane origin + a u + b v.

Variables:
    labels: uint8 (model, plane, row, column), the class of each point.
    evaluated: int64 (model, plane), points evaluated; the labels of the others are inferred.
    reevaluated: int64 (model, plane), how many of them were evaluated a second time, in plain fp32.
    confidence: float32 (model, plane, row, column), the largest softmax probability; optional.

Coordinates:
    model: names. arch: the network of each. seed: its seeds as text. test_accuracy: NaN where unknown.
    plane: numbers. triplet, triplet_label (plane, corner): the three images and their classes, -1 where there is none.
    anchors (plane, corner, axis): (a, b) of the three images. a (plane, column) and b (plane, row).

Attributes, as JSON where they are not plain values:
    format: the version of this layout.
    dataset, split, class_names: of the images that the planes go through.
    planes: the identity of the plane set. resolution: points a side. margin: the padding of the grid.
    specs: of each trained run. weights: a digest for each model, null for a plain function.
    evaluation: for each model the `form` it was evaluated in, the bound of its error (`reach`), the largest `error`
        at a re-evaluated point, and the `caution` of refinement, null where every point was evaluated.
    default_seeds: the models of a plain array whose seeds were not given; only where there are any.
    environment: in which the maps were sampled. environments: of every model's training and sampling. date.

A file is the dataset as compressed netCDF-4, followed by a digest of its content; see `dbviz.label_maps.save`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from dbviz.label_maps.grid import Axes
from dbviz.planes import PlaneSet

__all__ = ["DIMENSIONS", "FORMAT", "REQUIRED", "plane_coordinates", "variables"]

FORMAT = 1
"""The version of the layout; files of a higher one are refused."""

DIMENSIONS = ("model", "plane", "row", "column")
REQUIRED = {"labels": DIMENSIONS, "evaluated": DIMENSIONS[:2]}
"""The variables without which a dataset is not of label maps, with their dimensions."""


def variables(
    labels: UInt8[np.ndarray, "model plane row column"],
    evaluated: Int64[np.ndarray, "model plane"],
    reevaluated: Int64[np.ndarray, "model plane"],
    confidence: Float32[np.ndarray, "model plane row column"] | None = None,
) -> dict[str, Any]:
    """The variables of label maps with their dimensions."""
    named: dict[str, Any] = {
        "labels": (DIMENSIONS, labels),
        "evaluated": (DIMENSIONS[:2], evaluated),
        "reevaluated": (DIMENSIONS[:2], reevaluated),
    }
    if confidence is not None:
        named["confidence"] = (DIMENSIONS, confidence)
    return named


def plane_coordinates(planes: PlaneSet, axes: Sequence[Axes]) -> dict[str, Any]:
    """The coordinates of label maps on `planes` at `axes`, apart from those of the models."""
    return {
        "plane": np.arange(len(planes)),
        "triplet": (("plane", "corner"), planes.triplets),
        "triplet_label": (("plane", "corner"), planes.labels),
        "anchors": (("plane", "corner", "axis"), np.stack([plane.anchors for plane in planes])),
        "a": (("plane", "column"), np.stack([a for a, _ in axes])),
        "b": (("plane", "row"), np.stack([b for _, b in axes])),
    }
