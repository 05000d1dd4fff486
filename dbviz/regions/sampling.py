"""Label maps: the class that each model gives to every point of a grid on each plane.

Points are made on the device as one matrix product a tile, a tile being some rows of points of one plane or some
whole planes; every model sees a tile before the next is made, so memory holds one tile whatever the resolution.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float32
from torch import Tensor

from dbviz.environment import environment
from dbviz.errors import InputError
from dbviz.progress import progress_bar
from dbviz.regions.models import (
    Model,
    checked_logits,
    device_of,
    model_coordinates,
    model_provenance,
    named_models,
)
from dbviz.regions.plane import Plane, check_grid
from dbviz.regions.planeset import PlaneSet
from dbviz.store import Run
from dbviz.training import choose_device
from dbviz.training.device import evaluation_batch, kernels
from dbviz.training.evaluation import evaluating

__all__ = ["FORMAT", "Model", "provenance", "sample", "short_identity"]

FORMAT = 1
"""Version of the label maps' layout; files of a higher one are refused."""


def sample(
    models: Model | Sequence[Model] | Mapping[str, Model],
    planes: PlaneSet | Plane,
    *,
    resolution: int = 50,
    margin: float = 0.1,
    confidence: bool = False,
    device: str = "auto",
    batch_size: int | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """The label maps of one or many models on one or many planes, by plain fp32 evaluation of every point.

    Args:
        models: named by the keys of a mapping; else runs by their own names and others by their position.
        planes: from `draw_planes` or `PlaneSet.of`, or a single plane.
        resolution: points on each side of the grid.
        margin: how far the grid reaches beyond the three images, as a share of their bounding box's side.
        confidence: also keep the largest softmax probability of every point.
        device: where runs are evaluated; modules stay on the device of their parameters.
        batch_size: points evaluated at once; by default as many as suit the device.

    Returns:
        labels: uint8 (model, plane, row, column), row i at b[i], column j at a[j].
        evaluated: int64 (model, plane), forward evaluations spent.
        confidence: float32 (model, plane, row, column), if asked for.
        Coordinates: model (name), arch, seed and test_accuracy (model); plane (number), triplet and triplet_label
        (plane, corner), anchors (plane, corner, axis), a (plane, column), b (plane, row).
        Attributes: class names, specs, plane set, grid, environment and date, as JSON where they are no plain value.

    Raises:
        InputError: no model, a run of another dataset, a grid that is none, a model whose outputs are not
            finite or not (n, k) with at most 256 classes.
    """
    check_grid(resolution, margin)
    named = named_models(models)
    plane_set = planes if isinstance(planes, PlaneSet) else _without_source(planes)
    _check_datasets(named, plane_set)
    chosen = choose_device(device)
    axes = [plane.axes(resolution, margin) for plane in plane_set]
    count, points = len(plane_set), resolution**2
    labels = np.empty((len(named), count, points), np.uint8)
    certainty = np.empty(labels.shape, np.float32) if confidence else None

    with ExitStack() as stack:
        stack.enter_context(kernels(deterministic=True))
        ready = [model.model(chosen) if isinstance(model, Run) else model for model in named.values()]
        for model in ready:
            stack.enter_context(evaluating(model))
        places = [device_of(model, chosen) for model in ready]
        size = batch_size or evaluation_batch(chosen)
        advance = stack.enter_context(progress_bar(float(len(named) * count * points), show=progress))
        for tile in _tiles(count, points, size):
            images = _points(plane_set.planes[tile.planes], axes[tile.planes], tile.points, chosen)
            for m, (name, model) in enumerate(zip(named, ready, strict=True)):
                logits = _checked(model(images.to(places[m])), name, len(images))
                shape = (tile.planes.stop - tile.planes.start, -1)
                labels[m, tile.planes, tile.points] = logits.argmax(1).to(torch.uint8).cpu().numpy().reshape(shape)
                if certainty is not None:
                    largest = logits.softmax(1).amax(1).cpu().numpy()
                    certainty[m, tile.planes, tile.points] = largest.reshape(shape)
                advance(float(len(images)), "sampling")

    grid = (len(named), count, resolution, resolution)
    variables = {
        "labels": (("model", "plane", "row", "column"), labels.reshape(grid)),
        "evaluated": (("model", "plane"), np.full((len(named), count), points, np.int64)),
    }
    if certainty is not None:
        variables["confidence"] = (("model", "plane", "row", "column"), certainty.reshape(grid))
    attributes = provenance(named, plane_set, resolution, margin) | {
        "environment": json.dumps(environment(chosen)),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return xr.Dataset(variables, _coordinates(named, plane_set, axes), attributes)


@dataclasses.dataclass(frozen=True)
class _Tile:
    planes: slice
    points: slice


def _tiles(planes: int, points: int, size: int) -> Iterator[_Tile]:
    """Covers (planes, points) by tiles of up to `size` points: a stretch of one plane's, or several small planes."""
    together = max(1, size // points)
    for first in range(0, planes, together):
        whole = slice(first, min(first + together, planes))
        for start in range(0, points, size):
            yield _Tile(whole, slice(start, min(start + size, points)))


def _points(
    planes: Sequence[Plane],
    axes: Sequence[tuple[np.ndarray, np.ndarray]],
    chosen: slice,
    device: torch.device,
) -> Float32[Tensor, "n c h w"]:
    """The chosen points of each plane's flattened grid, one plane behind the other."""
    index = np.arange(chosen.start, chosen.stop)
    coordinates = np.stack([[a[index % len(a)], b[index // len(a)]] for a, b in axes]).swapaxes(1, 2)
    basis = torch.stack([torch.stack([plane.u.flatten(), plane.v.flatten()]) for plane in planes])
    origin = torch.stack([plane.origin.flatten() for plane in planes])[:, None]
    on_device = (t.to(device) for t in (origin, torch.from_numpy(coordinates).float(), basis))
    flat = torch.baddbmm(*on_device)
    images = flat.view(-1, *planes[0].origin.shape)
    return images.contiguous(memory_format=torch.channels_last)


def _check_datasets(named: Mapping[str, Model], planes: PlaneSet) -> None:
    for name, model in named.items():
        if isinstance(model, Run) and planes.dataset and model.spec.dataset != planes.dataset:
            raise InputError(
                f"{name} was trained on {model.spec.dataset}, but the planes go through images of {planes.dataset}: "
                "draw planes from the dataset of the runs"
            )


def _without_source(plane: Plane) -> PlaneSet:
    none = np.full((1, 3), -1, np.int64)
    return PlaneSet((plane,), none, none, dataset="", split="", class_names=())


def _checked(logits: Tensor, name: str, count: int) -> Float32[Tensor, "n k"]:
    checked = checked_logits(logits, name, count)
    if checked.shape[1] > 256:
        raise InputError(f"{name} has {checked.shape[1]} classes: label maps hold at most 256")
    return checked


def _coordinates(named: Mapping[str, Model], planes: PlaneSet, axes: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict:
    return model_coordinates(named) | {
        "plane": np.arange(len(planes)),
        "triplet": (("plane", "corner"), planes.triplets),
        "triplet_label": (("plane", "corner"), planes.labels),
        "anchors": (("plane", "corner", "axis"), np.stack([plane.anchors for plane in planes])),
        "a": (("plane", "column"), np.stack([a for a, _ in axes])),
        "b": (("plane", "row"), np.stack([b for _, b in axes])),
    }


def provenance(models: Mapping[str, Model], planes: PlaneSet, resolution: int, margin: float) -> dict[str, Any]:
    """Everything that determines the label maps of `models` on `planes`, as plain attributes."""
    return {
        "format": FORMAT,
        "dataset": planes.dataset,
        "split": planes.split,
        "class_names": json.dumps(planes.class_names),
        "planes": planes.identity,
        "resolution": resolution,
        "margin": margin,
        **model_provenance(models),
    }


def short_identity(provenance: dict[str, Any]) -> str:
    """Eight hexadecimal digits that stand for a provenance in the name of a file."""
    return hashlib.sha256(json.dumps(provenance, sort_keys=True).encode()).hexdigest()[:8]
