"""Label maps: the class that each model gives to every point of a grid on each plane, as a labelled array."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
from torch import nn

from dbviz.core.deprecation import renamed_parameter
from dbviz.core.environment import environment
from dbviz.core.errors import InputError
from dbviz.core.progress import progress_bar
from dbviz.core.streams import numpy_stream
from dbviz.label_maps.calibration import calibrated
from dbviz.label_maps.grid import Axes, Grid
from dbviz.label_maps.labelling import Labels, label_every_point, label_refined, unsound
from dbviz.label_maps.models import Model, model_coordinates, model_provenance, named_models
from dbviz.label_maps.predictor import Predictor, plain_predictor
from dbviz.label_maps.provenance import environment_attributes
from dbviz.label_maps.refinement import CAUTION
from dbviz.planes.plane import Plane, check_grid
from dbviz.planes.plane_set import PlaneSet
from dbviz.runs import Run
from dbviz.training import choose_device
from dbviz.training.device import deterministic_algorithms, full_precision
from dbviz.training.evaluation import eval_mode
from dbviz.training.forward_check import check_deterministic_forward

__all__ = ["FORMAT", "Model", "cost", "provenance", "sample", "short_identity"]

FORMAT = 1
"""Version of the label maps' layout; files of a higher one are refused."""


_SAMPLE = 512
"""Points that a fast form of a network is measured on, if they are no more than one in 128; in whole batches."""
_FEWEST = 16
"""Batches to evaluate below which measuring would take as long as it saves."""
_SHOWN_TWICE = 32
"""Points that a network is shown twice, to see that it is not itself random."""
_REFINED = 0.1
"""Share of the points that refinement evaluates, roughly."""


@renamed_parameter("margin", "padding")
def sample(
    models: Model | Sequence[Model] | Mapping[str, Model],
    planes: PlaneSet | Plane,
    *,
    resolution: int = 50,
    padding: float = 0.1,
    confidence: bool = False,
    refine: bool = False,
    caution: float = CAUTION,
    device: str = "auto",
    batch_size: int | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """The label maps of one or many models on one or many planes.

    The labels are those of plain fp32 evaluation. Networks are evaluated in a faster form where that saves time, and
    in plain fp32 at the points where the faster form is not sure; functions are always evaluated as they are.

    Args:
        models: named by the keys of a mapping; else runs by their own names and others by their position.
        planes: from `draw_planes` or `PlaneSet.of`, or a single plane.
        resolution: points on each side of the grid.
        padding: how far the grid reaches beyond the three images, as a share of their bounding box's side.
        confidence: also keep the largest softmax probability of every point; costs the use of bf16.
        refine: evaluate only near the boundaries, and infer the labels of the other points from those around them.
            For pictures and fine grids: what is smaller than 16 points may, rarely, be overlooked.
        caution: how sure refinement must be to leave points out. 0 relies on the labels around them alone; larger is
            surer and slower; see `dbviz.label_maps.refinement`.
        device: where runs are evaluated; modules stay on the device of their parameters.
        batch_size: points evaluated at once; by default as many as suit the device.

    Returns:
        labels: uint8 (model, plane, row, column), row i at b[i], column j at a[j].
        evaluated: int64 (model, plane), points evaluated.
        reevaluated: int64 (model, plane), how many of them a second time, in plain fp32.
        confidence: float32 (model, plane, row, column), if asked for.
        Coordinates: model (name), arch, seed and test_accuracy (model); plane (number), triplet and triplet_label
        (plane, corner), anchors (plane, corner, axis), a (plane, column), b (plane, row).
        Attributes: class names, specs, plane set, grid, evaluation (how each model was evaluated, and what its error
        was), environment, environments (of every model's training and sampling) and date, as JSON where they are no
        plain value.

    Raises:
        InputError: no model, a run of another dataset, a grid that is none, a model whose outputs are not
            finite or not (n, k) with at most 256 classes, a module that is random in evaluation mode; confidence of a
            refined map, or a negative caution.
    """
    check_grid(resolution, padding)
    _check_refinement(refine, caution, confidence)
    named = named_models(models)
    plane_set = planes if isinstance(planes, PlaneSet) else _without_source(planes)
    _check_datasets(named, plane_set)
    chosen = choose_device(device)
    axes = [plane.axes(resolution, padding) for plane in plane_set]
    grid = Grid.of(plane_set.planes, axes, chosen)
    share = _REFINED if refine else 1.0

    with ExitStack() as stack:
        stack.enter_context(deterministic_algorithms())
        stack.enter_context(full_precision())
        ready = [model.model(chosen) if isinstance(model, Run) else model for model in named.values()]
        for model in ready:
            stack.enter_context(eval_mode(model))
        plain = [plain_predictor(name, each, chosen, batch_size) for name, each in zip(named, ready, strict=True)]
        for each in plain:
            _check_repeats(each, grid)
        predictors = [_fastest(each, grid, share, exact_logits=confidence) for each in plain]
        advance = stack.enter_context(progress_bar(float(len(named) * grid.planes * grid.points), show=progress))

        def labels(by: list[Predictor]) -> Labels:
            if refine:
                return label_refined(by, grid, advance, caution=caution)
            return label_every_point(by, grid, advance, confidence=confidence)

        found = labels(predictors)
        if wrong := unsound(predictors, found):
            found.replace(wrong, labels([plain[model] for model in wrong]))
            predictors = [plain[m] if m in wrong else predictor for m, predictor in enumerate(predictors)]
        computed_with = environment(chosen)

    attributes = provenance(named, plane_set, resolution, padding) | {
        "evaluation": json.dumps(_evaluation(predictors, found, caution if refine else None)),
        **environment_attributes(named, computed_with),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return xr.Dataset(_variables(found, resolution), _coordinates(named, plane_set, axes), attributes)


def cost(maps: xr.Dataset) -> str:
    """What label maps cost, in words, such as `11.2% of the points evaluated, 4.1% of these again in plain fp32`."""
    evaluated = int(maps.evaluated.sum())
    share = evaluated / maps.labels.size
    said = "every point evaluated" if share >= 1 else f"{share:.1%} of the points evaluated"
    twice = max(0, evaluated - maps.labels.size)  # of networks whose fast form turned out to err too far
    again = twice + (int(maps.reevaluated.sum()) if "reevaluated" in maps else 0)
    once = evaluated - twice
    return f"{said}, {again / once:.1%} of these again in plain fp32" if again else f"{said} in plain fp32"


def _check_repeats(plain: Predictor, grid: Grid) -> None:
    """A module that is random in evaluation mode has no labels; a function answers for itself."""
    if isinstance(plain.plain, nn.Module):
        few = grid.images(np.arange(min(_SHOWN_TWICE, grid.planes * grid.points)))
        check_deterministic_forward(plain.plain, few.to(plain.device), plain.name)


def _fastest(plain: Predictor, grid: Grid, share: float, *, exact_logits: bool) -> Predictor:
    """The predictor for about a share of the grid's points, measured on some of them, the same at every call."""
    points = int(share * grid.planes * grid.points)
    if points < _FEWEST * plain.batch or not isinstance(plain.plain, nn.Module):
        return plain
    batches = max(1, min(points // 128, _SAMPLE) // plain.batch)
    drawn = numpy_stream(0, "calibration").integers(0, grid.planes * grid.points, batches * plain.batch)
    return calibrated(plain, grid.images(np.sort(drawn)), points, share=share, exact_logits=exact_logits)


def _variables(found: Labels, resolution: int) -> dict[str, Any]:
    grid = (*found.evaluated.shape, resolution, resolution)
    variables: dict[str, Any] = {
        "labels": (("model", "plane", "row", "column"), found.labels.reshape(grid)),
        "evaluated": (("model", "plane"), found.evaluated),
        "reevaluated": (("model", "plane"), found.reevaluated),
    }
    if found.confidence is not None:
        variables["confidence"] = (("model", "plane", "row", "column"), found.confidence.reshape(grid))
    return variables


def _evaluation(predictors: Sequence[Predictor], found: Labels, caution: float | None) -> dict[str, Any]:
    """How each model was evaluated: in which form, how far its error was thought to reach, and how far it did."""
    return {
        p.name: {"form": p.how, "reach": p.fast.error_bound if p.fast else 0.0, "error": error, "caution": caution}
        for p, error in zip(predictors, found.error.tolist(), strict=True)
    }


def _check_refinement(refine: bool, caution: float, confidence: bool) -> None:
    if refine and confidence:
        raise InputError("a refined map has no confidence at the points it left out: give refine=False")
    if not caution >= 0:
        raise InputError(f"caution is {caution}: it must be 0 or more, such as {CAUTION}")


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


def _coordinates(named: Mapping[str, Model], planes: PlaneSet, axes: Sequence[Axes]) -> dict:
    return model_coordinates(named) | {
        "plane": np.arange(len(planes)),
        "triplet": (("plane", "corner"), planes.triplets),
        "triplet_label": (("plane", "corner"), planes.labels),
        "anchors": (("plane", "corner", "axis"), np.stack([plane.anchors for plane in planes])),
        "a": (("plane", "column"), np.stack([a for a, _ in axes])),
        "b": (("plane", "row"), np.stack([b for _, b in axes])),
    }


def provenance(models: Mapping[str, Model], planes: PlaneSet, resolution: int, padding: float) -> dict[str, Any]:
    """Everything that determines the label maps of `models` on `planes`, as plain attributes."""
    return {
        "format": FORMAT,
        "dataset": planes.dataset,
        "split": planes.split,
        "class_names": json.dumps(planes.class_names),
        "planes": planes.identity,
        "resolution": resolution,
        "margin": padding,  # the name that is hashed and stored
        **model_provenance(models),
    }


def short_identity(provenance: dict[str, Any]) -> str:
    """Eight hexadecimal digits that stand for a provenance in the name of a file."""
    return hashlib.sha256(json.dumps(provenance, sort_keys=True).encode()).hexdigest()[:8]
