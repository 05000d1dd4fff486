"""Label maps from a plain array of class numbers, such as another program's."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import UInt8

from dbviz.core.errors import InputError
from dbviz.label_maps.grid import Axes
from dbviz.label_maps.layout import FORMAT, plane_coordinates, variables
from dbviz.planes.plane import Plane, check_grid
from dbviz.planes.plane_set import NO_IMAGE, PlaneSet, as_plane_set

__all__ = ["from_array"]


def from_array(
    labels: Any,
    *,
    models: Sequence[str] | None = None,
    networks: str | Sequence[str] = "network",
    seeds: Sequence[int | str] | None = None,
    test_accuracy: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    planes: PlaneSet | Plane | Sequence[Plane] | None = None,
    padding: float = 0.1,
) -> xr.Dataset:
    """Label maps from a plain array, for the scores, figures and files of dbviz.

    Args:
        labels: whole numbers 0 ... 255 of shape (model, plane, row, column), or (model, row, column) for one plane,
            with as many rows as columns.
        models: the name of each model; by default `model 0`, `model 1`, ...
        networks: the network of each model, or one name for all. Models of one network are its runs under several
            seeds, whose agreement is the reproducibility.
        seeds: the seed of each model; by default 0, 1, ... within each network. Runs of two networks with the same seed
            are taken to share their randomness, but for default seeds, which show nothing about it.
        test_accuracy: of each model, in [0, 1]; by default NaN, unknown.
        class_names: by default those of `planes`.
        planes: the planes that were sampled, row i at b[i] and column j at a[j] of `plane.axes(rows, padding)`. By
            default unknown: a and b run from 0 to 1, and the places of the three images are NaN.
        padding: of the grid on these planes.

    Returns:
        Label maps as `dbviz.sample` returns them; see `dbviz.label_maps.layout`.

    Raises:
        InputError: the labels are of another shape or type or out of range, or something has another length.

    Example:
        >>> import dbviz
        >>> rng = np.random.default_rng(0)
        >>> labels = rng.integers(0, 2, (3, 4, 10, 10))
        >>> maps = from_array(labels, class_names=["cat", "dog"])
        >>> round(dbviz.scores.reproducibility(maps).value, 1)
        0.5
    """
    checked = _checked_labels(labels)
    count, resolution = len(checked), checked.shape[2]
    named = _checked_models(count, models, networks, seeds, test_accuracy)
    check_grid(resolution, padding)
    source = _unknown_source() if planes is None else as_plane_set(planes)
    coordinates: dict[str, Any] = {
        "model": np.array(named["models"]),
        "arch": ("model", np.array(named["networks"])),
        "seed": ("model", np.array(named["seeds"])),
        "test_accuracy": ("model", np.array(named["test_accuracy"], np.float64)),
    }
    if planes is None:
        coordinates |= _unknown_planes(checked.shape[1], resolution)
    else:
        _check_length("planes", source, checked.shape[1], "planes of the labels")
        axes: list[Axes] = [plane.axes(resolution, padding) for plane in source]
        coordinates |= plane_coordinates(source, axes)
    evaluated = np.full(checked.shape[:2], resolution**2, np.int64)
    attributes = {
        "format": FORMAT,
        "dataset": source.dataset,
        "split": source.split,
        "class_names": json.dumps(tuple(source.class_names if class_names is None else class_names)),
        "planes": source.identity if len(source) else "",
        "resolution": resolution,
        "margin": 0.0 if planes is None else padding,  # the name that is stored
        "specs": "{}",
        "weights": json.dumps(dict.fromkeys(named["models"])),
        "evaluation": "{}",
        "environments": "[]",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if seeds is None:
        attributes["default_seeds"] = json.dumps(dict.fromkeys(named["models"]))
    return xr.Dataset(variables(checked, evaluated, np.zeros_like(evaluated)), coordinates, attributes)


def _checked_labels(labels: Any) -> UInt8[np.ndarray, "model plane row column"]:
    array = np.asarray(labels)
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or 0 in array.shape or array.shape[2] != array.shape[3]:
        raise InputError(
            f"labels have shape {np.shape(labels)}: give (model, plane, row, column), or (model, row, column) of one "
            "plane, with as many rows as columns"
        )
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"labels are {array.dtype}: give class numbers as integers, such as logits.argmax(1)")
    if array.min() < 0 or array.max() > 255:
        raise InputError(f"labels are {array.min()} ... {array.max()}: label maps hold the classes 0 ... 255")
    return array.astype(np.uint8)


def _checked_models(
    count: int,
    models: Sequence[str] | None,
    networks: str | Sequence[str],
    seeds: Sequence[int | str] | None,
    test_accuracy: Sequence[float] | None,
) -> dict[str, list[Any]]:
    """Names, networks, seeds and accuracies of `count` models, each given or by default."""
    archs = [networks] * count if isinstance(networks, str) else list(networks)
    _check_length("networks", archs, count)
    filled = {
        "models": [f"model {i}" for i in range(count)] if models is None else list(models),
        "networks": archs,
        "seeds": [str(archs[:i].count(arch)) for i, arch in enumerate(archs)]
        if seeds is None
        else list(map(str, seeds)),
        "test_accuracy": [np.nan] * count if test_accuracy is None else list(test_accuracy),
    }
    for name, values in filled.items():
        _check_length(name, values, count)
    if repeated := sorted({name for name in filled["models"] if filled["models"].count(name) > 1}):
        raise InputError(f"two models are called {repeated[0]}: give each a name of its own")
    return filled


def _check_length(name: str, values: Sequence[Any], count: int, of: str = "models of the labels") -> None:
    if len(values) != count:
        raise InputError(f"{name} has length {len(values)}: it must be {count}, the number of {of}")


def _unknown_source() -> PlaneSet:
    none = np.empty((0, 3), np.int64)
    return PlaneSet((), none, none, dataset="", split="", class_names=())


def _unknown_planes(count: int, resolution: int) -> dict[str, Any]:
    steps = np.tile(np.linspace(0.0, 1.0, resolution), (count, 1))
    no_image = np.full((count, 3), NO_IMAGE, np.int64)
    return {
        "plane": np.arange(count),
        "triplet": (("plane", "corner"), no_image),
        "triplet_label": (("plane", "corner"), no_image),
        "anchors": (("plane", "corner", "axis"), np.full((count, 3, 2), np.nan)),
        "a": (("plane", "column"), steps),
        "b": (("plane", "row"), steps),
    }
