"""Margins: how far from an image, along a direction, a model's label first changes.

Many half-lines are searched at once, in batches on the device; every model sees a block of images and directions
before the next is made, so memory holds one block however many images are asked for.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from dbviz.core.environment import environment
from dbviz.core.errors import InputError
from dbviz.core.progress import progress_bar
from dbviz.data import ImageSet
from dbviz.label_maps.models import Model, checked_logits, device_of, model_coordinates, model_provenance, named_models
from dbviz.label_maps.provenance import environment_attributes
from dbviz.margins.directions import Along, check_directions, draw_targets, unit_directions
from dbviz.margins.first_change import FirstChanges, check_search, first_changes
from dbviz.runs import Run
from dbviz.training import choose_device
from dbviz.training.device import deterministic_algorithms, evaluation_batch
from dbviz.training.evaluation import eval_mode

__all__ = ["DISTANCES", "measure_margins"]

DISTANCES = np.geomspace(0.2, 200, 31)
"""Ten steps a decade, each 1.26 times the last: as fine near the image as far from it, in proportion. Two CIFAR-10 test
images lie 91 apart in the median; of 100 pairs one is farther apart than 160."""

_FORMAT = 1
_BATCHES_A_BLOCK = 8
"""Half-lines drop out as their label changes: a block of several batches keeps batches full for longer."""

Label = Callable[[Float32[Tensor, "n c h w"]], Int64[np.ndarray, " n"]]


def measure_margins(
    models: Model | Sequence[Model] | Mapping[str, Model],
    images: ImageSet,
    *,
    indices: Sequence[int] | np.ndarray | None = None,
    along: Along = "random",
    directions: int = 10,
    seed: int = 0,
    distances: Sequence[float] | np.ndarray = DISTANCES,
    tolerance: float = 0.01,
    device: str = "auto",
    batch_size: int | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """The Euclidean distance from images, in normalised pixel space, to the first label change along directions.

    Somepalli et al. 2022 measure 5,000 images along 10 random directions by bisection; why the first change needs a
    march before it is said in `dbviz.margins.first_change`. A direction without a change up to the last distance is
    censored, not dropped: dropping it would leave out the largest margins.

    Args:
        models: as for `sample`.
        images: the set that images, and those they are directed to, come from.
        indices: which of them are measured; by default all.
        along: `random` directions, uniform on the sphere, or towards other `images` of the set, and beyond them.
        directions: how many for each image; keyed by seed and image, see `dbviz.margins.directions`.
        distances: the grid marched to find the first change; the last is how far the search goes.
        tolerance: the stretch around a change at which bisection ends; a margin is right to half of it.
        device: where runs are evaluated; modules stay on the device of their parameters.
        batch_size: points evaluated at once; by default as many as suit the device.

    Returns:
        margin: float32 (model, image, direction), the last distance where no change was found.
        crossed: bool (model, image, direction), whether one was found.
        Coordinates: model (name), arch, seed and test_accuracy (model); image (its index), label (image), predicted
        and correct (model, image); target (image, direction), the index of the other image, along `images` alone.
        Attributes: dataset, split, class names, kind of direction, seed, grid, tolerance, specs, environment,
        environments (of every model's training and measuring) and date, as JSON where they are no plain value.

    Raises:
        InputError: no model, a run of another dataset, no image, one out of range or given twice, no direction, a grid
            that does not rise, a tolerance below 1e-6, a model whose outputs are not finite or not (n, k).
    """
    grid = np.asarray(distances, np.float64)
    check_search(grid, tolerance)
    check_directions(directions, along)
    named, which = named_models(models), _checked_indices(images, indices)
    _check_datasets(named, images)
    chosen = choose_device(device)
    predicted = np.empty((len(named), len(which)), np.int64)
    margin = np.empty((*predicted.shape, directions), np.float32)
    crossed = np.empty(margin.shape, bool)

    with ExitStack() as stack:
        stack.enter_context(deterministic_algorithms())
        ready = [model.model(chosen) if isinstance(model, Run) else model for model in named.values()]
        for model in ready:
            stack.enter_context(eval_mode(model))
        size = batch_size or evaluation_batch(chosen)
        advance = stack.enter_context(progress_bar(float(margin.size), show=progress))
        for block in _blocks(len(which), _BATCHES_A_BLOCK * size // directions):
            starts = images.normalized(which[block])
            ways = unit_directions(images, which[block], directions, along=along, seed=seed)
            for m, (name, model) in enumerate(zip(named, ready, strict=True)):
                place = device_of(model, chosen)
                lines = starts.to(place, memory_format=torch.channels_last), ways.to(place)
                predicted[m, block], found = _measure(partial(_labels, model, name), *lines, size, grid, tolerance)
                margin[m, block] = found.distance.reshape(len(starts), directions)
                crossed[m, block] = found.crossed.reshape(len(starts), directions)
                advance(float(len(starts) * directions), "measuring")
        computed_with = environment(chosen)

    dims = ("model", "image", "direction")
    coordinates = model_coordinates(named) | _image_coordinates(images, which, predicted)
    if along == "images":
        targets = np.stack([draw_targets(images, int(i), directions, seed=seed) for i in which])
        coordinates["target"] = (("image", "direction"), targets)
    attributes = {
        "format": _FORMAT,
        "dataset": images.name,
        "split": images.split,
        "class_names": json.dumps(images.class_names),
        "along": along,
        "direction_seed": seed,
        "distances": json.dumps(grid.tolist()),
        "maximum": float(grid[-1]),
        "tolerance": tolerance,
        **model_provenance(named),
        **environment_attributes(named, computed_with),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return xr.Dataset({"margin": (dims, margin), "crossed": (dims, crossed)}, coordinates, attributes)


def _measure(
    label: Label,
    starts: Float32[Tensor, "image c h w"],
    ways: Float32[Tensor, "image direction c h w"],
    size: int,
    distances: Float64[np.ndarray, " step"],
    tolerance: float,
) -> tuple[Int64[np.ndarray, " image"], FirstChanges]:
    """The images' labels, and the first change along each direction, those of one image behind those of another."""
    each = ways.shape[1]
    predicted = np.concatenate([label(starts[part]) for part in _blocks(len(starts), size)])

    def changed(lines: Int64[np.ndarray, " n"], at: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        found = [
            label(_points(starts, ways, lines[part], at[part])) != predicted[lines[part] // each]
            for part in _blocks(len(lines), size)
        ]
        return np.concatenate(found)

    return predicted, first_changes(changed, len(starts) * each, distances, tolerance)


def _points(
    starts: Float32[Tensor, "image c h w"],
    ways: Float32[Tensor, "image direction c h w"],
    lines: Int64[np.ndarray, " n"],
    at: Float64[np.ndarray, " n"],
) -> Float32[Tensor, "n c h w"]:
    """The points at a distance each along the half-lines of the given numbers."""
    image, direction = (torch.from_numpy(part).to(starts.device) for part in np.divmod(lines, ways.shape[1]))
    distance = torch.from_numpy(at).float().to(starts.device).view(-1, 1, 1, 1)
    points = torch.addcmul(starts[image], ways[image, direction], distance)
    return points.contiguous(memory_format=torch.channels_last)


def _labels(model: Callable[[Tensor], Tensor], name: str, points: Tensor) -> Int64[np.ndarray, " n"]:
    return checked_logits(model(points), name, len(points)).argmax(1).cpu().numpy()


def _blocks(count: int, size: int) -> Iterator[slice]:
    """Covers `count` by stretches of up to `size`, at least one each."""
    for start in range(0, count, max(1, size)):
        yield slice(start, min(start + max(1, size), count))


def _checked_indices(images: ImageSet, indices: Sequence[int] | np.ndarray | None) -> Int64[np.ndarray, " image"]:
    which = np.arange(len(images)) if indices is None else np.asarray(indices, np.int64)
    if which.ndim != 1 or len(which) == 0:
        raise InputError(f"indices of shape {which.shape} given: give a list of at least one image")
    for index in which[(which < 0) | (which >= len(images))]:
        there = f"{images.name} {images.split} has images 0 ... {len(images) - 1}"
        raise InputError(f"image {index} is out of range: {there}")
    found, times = np.unique(which, return_counts=True)
    for index in found[times > 1]:
        raise InputError(f"image {index} is given twice: give each image once")
    return which


def _check_datasets(named: Mapping[str, Model], images: ImageSet) -> None:
    for name, model in named.items():
        if isinstance(model, Run) and model.spec.dataset != images.name:
            raise InputError(
                f"{name} was trained on {model.spec.dataset}, but the images are of {images.name}: "
                "measure on images of the dataset of the runs"
            )


def _image_coordinates(
    images: ImageSet, which: Int64[np.ndarray, " image"], predicted: Int64[np.ndarray, "model image"]
) -> dict[str, Any]:
    labels = images.labels[which]
    return {
        "image": which,
        "label": ("image", labels),
        "predicted": (("model", "image"), predicted),
        "correct": (("model", "image"), predicted == labels),
    }
