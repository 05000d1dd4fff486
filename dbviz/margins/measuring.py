"""Margins: the distance from an image, along a direction, to the first change of a model's label.

Many half-lines are searched at once, in batches on the device; memory holds one block of them, whatever the number of
images. Labels are those of plain fp32; a network is evaluated in a faster form where that saves time.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float32, Float64, Int64

from dbviz.core.environment import environment
from dbviz.core.errors import InputError
from dbviz.core.progress import Advance, progress_bar
from dbviz.data import ImageSet
from dbviz.label_maps.models import Model, named_models
from dbviz.label_maps.predictor import Predictor, plain_predictor
from dbviz.label_maps.provenance import environment_attributes, model_coordinates, model_provenance
from dbviz.margins.directions import Along, check_directions, draw_targets, unit_directions
from dbviz.margins.first_change import check_search
from dbviz.margins.half_lines import HalfLines
from dbviz.margins.pilot import Method, chosen_method
from dbviz.margins.searching import Searched, search
from dbviz.runs import Run
from dbviz.training import choose_device
from dbviz.training.device import deterministic_algorithms, full_precision
from dbviz.training.evaluation import eval_mode

__all__ = ["DISTANCES", "measure_margins"]

DISTANCES = np.geomspace(0.2, 200, 31)
"""Ten steps a decade, each 1.26 times the last, so that the relative precision is the same near and far. The median
distance between two CIFAR-10 test images is 91; of 100 pairs one is farther apart than 160."""

_FORMAT = 1
_LINES, _BATCHES = 4096, 8
"""Half-lines of a block, and batches in a block of at least as many. A half-line drops out when its label changes; in
a block of several batches the batches stay full for longer."""


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

    Somepalli et al. 2022 measure 5,000 images along 10 random directions by bisection; `dbviz.margins.first_change`
    explains why finding the first change takes a march along a grid before. A direction without a change up to the last
    distance is censored, not dropped: dropping it would leave out the largest margins.

    Args:
        models: as for `dbviz.sample`.
        images: the set of the measured images, and of the images that directions lead to.
        indices: which images to measure; by default all.
        along: `random` directions, uniform on the sphere, or towards other `images` of the set, and beyond them.
        directions: how many for each image; keyed by seed and image, see `dbviz.margins.directions`.
        seed: of the directions.
        distances: the grid that is searched for the first change; the last is the largest distance searched.
        tolerance: the width of the interval around a change at which bisection ends; a margin is accurate to half of
            it.
        device: where runs are evaluated; modules stay on the device of their parameters.
        batch_size: points evaluated at once; by default as many as suit the device.
        progress: show a progress bar.

    Returns:
        margin: float32 (model, image, direction); where no change was found, the last distance.
        crossed: bool (model, image, direction), whether a change was found.
        Coordinates: model (name), arch, seed and test_accuracy (model); image (its index), label (image), predicted
        and correct (model, image); target (image, direction), the index of the other image, along `images` alone.
        Attributes: dataset, split, class names, kind of direction, seed, grid, tolerance, specs, environment,
        environments (of every model's training and measuring) and date, as JSON where they are not plain values.

    Raises:
        InputError: there is no model, image or direction; a run is of another dataset; an index is out of range or
            repeated; the distances do not increase; the tolerance is below 1e-6; a model's outputs are not finite or
            not (n, k).

    Example:
        >>> from dbviz.data import shapes
        >>> brightest_colour = lambda x: x.mean((2, 3))
        >>> margins = measure_margins(brightest_colour, shapes(30, split="test"), indices=[0, 7], directions=3)
        >>> margins.margin.shape
        (1, 2, 3)
    """
    grid = np.asarray(distances, np.float64)
    check_search(grid, tolerance)
    check_directions(directions, along)
    named, selected = named_models(models), _checked_indices(images, indices)
    _check_datasets(named, images)
    chosen = choose_device(device)
    predicted = np.empty((len(named), len(selected)), np.int64)
    margin = np.empty((*predicted.shape, directions), np.float32)
    crossed = np.empty(margin.shape, bool)

    lines = _Lines(images, selected, directions, along, seed, grid, tolerance)
    with ExitStack() as stack:
        stack.enter_context(deterministic_algorithms())
        stack.enter_context(full_precision())
        ready = [model.model(chosen) if isinstance(model, Run) else model for model in named.values()]
        advance = stack.enter_context(progress_bar(float(margin.size), show=progress))
        for m, (name, model) in enumerate(zip(named, ready, strict=True)):
            with eval_mode(model):
                plain = plain_predictor(name, model, chosen, batch_size)
                measured = _measure(plain, lines, advance)
            predicted[m], margin[m], crossed[m] = measured.predicted, measured.margin, measured.crossed
        computed_with = environment(chosen)

    dims = ("model", "image", "direction")
    coordinates = model_coordinates(named) | _image_coordinates(images, selected, predicted)
    if along == "images":
        targets = np.stack([draw_targets(images, int(i), directions, seed=seed) for i in selected])
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


@dataclass(frozen=True)
class _Lines:
    """The half-lines to measure, and how they are searched."""

    images: ImageSet
    selected: Int64[np.ndarray, " image"]
    directions: int
    along: Along
    seed: int
    grid: Float64[np.ndarray, " step"]
    tolerance: float

    def of(self, block: slice, device: torch.device) -> HalfLines:
        """The half-lines from a block of the images."""
        starts = self.images.normalized(self.selected[block]).to(device, memory_format=torch.channels_last)
        steps = unit_directions(self.images, self.selected[block], self.directions, along=self.along, seed=self.seed)
        return HalfLines(starts, steps.to(device))


Measured = tuple[
    Int64[np.ndarray, " image"], Float32[np.ndarray, "image direction"], Bool[np.ndarray, "image direction"]
]
"""Labels of the images, margins, and whether there was a change."""


@dataclass(frozen=True)
class _Measured:
    predicted: Int64[np.ndarray, " image"]
    margin: Float32[np.ndarray, "image direction"]
    crossed: Bool[np.ndarray, "image direction"]

    @classmethod
    def of(cls, blocks: Sequence[Searched], directions: int) -> "_Measured":
        margin = np.concatenate([block.changes.distance for block in blocks]).astype(np.float32)
        crossed = np.concatenate([block.changes.crossed for block in blocks])
        predicted = np.concatenate([block.predicted for block in blocks])
        return cls(predicted, margin.reshape(-1, directions), crossed.reshape(-1, directions))


def _measure(plain: Predictor, lines: _Lines, advance: Advance) -> _Measured:
    """The margins of one model; in plain fp32 alone where its fast form exceeds the bound of its error."""
    method = chosen_method(
        plain,
        lines.images,
        lines.selected,
        lines.directions,
        along=lines.along,
        seed=lines.seed,
        distances=lines.grid,
        tolerance=lines.tolerance,
    )
    blocks = _searched(method, lines, advance)
    fast = method.predictor.fast
    if fast is not None and max(block.error for block in blocks) > fast.error_bound:
        blocks = _searched(Method(plain), lines, lambda *_: None)
    return _Measured.of(blocks, lines.directions)


def _searched(method: Method, lines: _Lines, advance: Advance) -> list[Searched]:
    """The labels and first changes of all images, block by block."""
    predictor, searched = method.predictor, []
    for block in _blocks(len(lines.selected), max(_LINES, _BATCHES * predictor.batch) // lines.directions):
        half_lines = lines.of(block, predictor.device)
        searched.append(search(predictor, half_lines, lines.grid, lines.tolerance, steepest=method.steepest))
        advance(float(len(half_lines)), "measuring")
    return searched


def _blocks(count: int, size: int) -> Iterator[slice]:
    """Splits `count` items into blocks of up to `size`, at least one each."""
    for start in range(0, count, max(1, size)):
        yield slice(start, min(start + max(1, size), count))


def _checked_indices(images: ImageSet, indices: Sequence[int] | np.ndarray | None) -> Int64[np.ndarray, " image"]:
    selected = np.arange(len(images)) if indices is None else np.asarray(indices, np.int64)
    if selected.ndim != 1 or len(selected) == 0:
        raise InputError(f"indices have shape {selected.shape}: give a list of at least one image")
    for index in selected[(selected < 0) | (selected >= len(images))]:
        valid = f"{images.name} {images.split} has images 0 ... {len(images) - 1}"
        raise InputError(f"image {index} is out of range: {valid}")
    unique, counts = np.unique(selected, return_counts=True)
    for index in unique[counts > 1]:
        raise InputError(f"image {index} is given twice: give each image once")
    return selected


def _check_datasets(named: Mapping[str, Model], images: ImageSet) -> None:
    for name, model in named.items():
        if isinstance(model, Run) and model.spec.dataset != images.name:
            raise InputError(
                f"{name} was trained on {model.spec.dataset}, but the images are of {images.name}: "
                "measure on images of the dataset of the runs"
            )


def _image_coordinates(
    images: ImageSet, selected: Int64[np.ndarray, " image"], predicted: Int64[np.ndarray, "model image"]
) -> dict[str, Any]:
    labels = images.labels[selected]
    return {
        "image": selected,
        "label": ("image", labels),
        "predicted": (("model", "image"), predicted),
        "correct": (("model", "image"), predicted == labels),
    }
