"""Label maps: the class that each model assigns to every point of a grid on each plane."""

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
from dbviz.core.progress import Advance, progress_bar
from dbviz.core.streams import numpy_stream
from dbviz.label_maps.calibration import calibrated, sample_size
from dbviz.label_maps.grid import Grid
from dbviz.label_maps.kept_calibration import CalibrationFile, calibration_file
from dbviz.label_maps.labelling import Labels, error_bound_exceeded, label_every_point, label_refined
from dbviz.label_maps.layout import plane_coordinates, variables
from dbviz.label_maps.models import Model, named_models
from dbviz.label_maps.predictor import Predictor, plain_predictor
from dbviz.label_maps.provenance import environment_attributes, model_coordinates, provenance
from dbviz.label_maps.refinement import CAUTION
from dbviz.planes.plane import Plane, check_grid
from dbviz.planes.plane_set import PlaneSet, as_plane_set
from dbviz.runs import Run
from dbviz.training import choose_device
from dbviz.training.device import deterministic_algorithms, full_precision
from dbviz.training.evaluation import eval_mode
from dbviz.training.forward_check import check_deterministic_forward

__all__ = ["Model", "cost", "sample"]

_REPEAT_CHECK_POINTS = 32
"""Points that a module is evaluated on twice, to notice one that is random in evaluation mode."""
_REFINED_SHARE = 0.1
"""Rough share of the points that refinement evaluates."""


@renamed_parameter("margin", "padding")
def sample(
    models: Model | Sequence[Model] | Mapping[str, Model],
    planes: PlaneSet | Plane | Sequence[Plane],
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

    The labels are those of plain fp32 evaluation. A network is evaluated in a faster form where that saves time, and
    re-evaluated in plain fp32 at the points where the faster form is uncertain; functions are always evaluated as they
    are.

    Args:
        models: trained runs, modules, or functions from images (n, c, h, w) to logits (n, k). The keys of a mapping are
            their names; else runs have their own names and other models are called `model N` by their position.
        planes: from `draw_planes` or `PlaneSet.of`, a single plane, or a list of planes.
        resolution: points on each side of the grid.
        padding: how far the grid extends beyond the three images, as a share of their bounding box's side.
        confidence: also keep the largest softmax probability of every point, which is that of plain fp32: precludes
            faster forms.
        refine: evaluate only points near the boundaries, and infer the labels of the others from those around them.
            For figures and fine grids: regions narrower than 16 points may, rarely, be missed.
        caution: how conservative refinement is. 0 relies on the labels around a point alone; larger values are safer
            and slower; see `dbviz.label_maps.refinement`.
        device: where runs are evaluated; modules stay on the device of their parameters.
        batch_size: points evaluated at once; by default as many as suit the device.
        progress: show a progress bar.

    Returns:
        `labels` (model, plane, row, column), row i at b[i], column j at a[j], with coordinates for the models, planes
        and axes, and provenance as attributes; all are listed in `dbviz.label_maps.layout`.

    Raises:
        InputError: there is no model; a run is of another dataset; `planes` is empty or something else; the grid is
            invalid; a model's outputs are not finite or not (n, k) with at most 256 classes; a module is random in
            evaluation mode; confidence of a refined map is requested, or the caution is negative.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.planes import draw_planes
        >>> planes = draw_planes(shapes(30, split="test"), 2)
        >>> maps = sample({"brightest colour": lambda x: x.mean((2, 3))}, planes, resolution=20)
        >>> maps.labels.shape
        (1, 2, 20, 20)
    """
    check_grid(resolution, padding)
    _check_refinement(refine, caution, confidence)
    named, plane_set = named_models(models), as_plane_set(planes)
    _check_datasets(named, plane_set)
    chosen = choose_device(device)
    axes = [plane.axes(resolution, padding) for plane in plane_set]
    grid = Grid.of(plane_set.planes, axes, chosen)

    with ExitStack() as stack:
        stack.enter_context(deterministic_algorithms())
        stack.enter_context(full_precision())
        ready = [model.model(chosen) if isinstance(model, Run) else model for model in named.values()]
        for model in ready:
            stack.enter_context(eval_mode(model))
        plain = [
            plain_predictor(name, model, chosen, batch_size, one_size=confidence)
            for name, model in zip(named, ready, strict=True)
        ]
        for predictor in plain:
            _check_repeats(predictor, grid)
        advance = stack.enter_context(progress_bar(float(len(named) * grid.planes * grid.points), show=progress))
        share = _REFINED_SHARE if refine else 1.0
        kept = [
            calibration_file(model, p.device, p.batch, share) if isinstance(model, Run) else None
            for model, p in zip(named.values(), plain, strict=True)
        ]
        predictors, labels = _labelled(plain, kept, grid, advance, caution if refine else None, confidence)
        computed_with = environment(chosen)

    attributes = provenance(named, plane_set, resolution, padding) | {
        "evaluation": json.dumps(_evaluation(predictors, labels, caution if refine else None)),
        **environment_attributes(named, computed_with),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    coordinates = model_coordinates(named) | plane_coordinates(plane_set, axes)
    return xr.Dataset(_variables(labels, resolution), coordinates, attributes)


def cost(maps: xr.Dataset) -> str:
    """What label maps cost, in words.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.planes import draw_planes
        >>> maps = sample(lambda x: x.mean((2, 3)), draw_planes(shapes(30, split="test"), 1), resolution=5)
        >>> cost(maps)
        'every point evaluated in plain fp32'
        >>> maps.evaluated[:], maps.reevaluated[:] = 10, 5
        >>> cost(maps)
        '40.0% of the points evaluated, 50.0% of these re-evaluated in plain fp32'
    """
    evaluated = int(maps.evaluated.sum())
    share = evaluated / maps.labels.size
    text = "every point evaluated" if share >= 1 else f"{share:.1%} of the points evaluated"
    replaced = max(0, evaluated - maps.labels.size)  # by networks whose fast form exceeded its error bound
    reevaluated = replaced + (int(maps.reevaluated.sum()) if "reevaluated" in maps else 0)
    share = reevaluated / (evaluated - replaced)
    return f"{text}, {share:.1%} of these re-evaluated in plain fp32" if reevaluated else f"{text} in plain fp32"


def _labelled(
    plain: list[Predictor],
    kept: list[CalibrationFile | None],
    grid: Grid,
    advance: Advance,
    caution: float | None,
    confidence: bool,
) -> tuple[list[Predictor], Labels]:
    """The predictors that were used and the labels of every point, refined if there is a caution."""

    def labels_of(predictors: list[Predictor]) -> Labels:
        if caution is not None:
            return label_refined(predictors, grid, advance, caution=caution)
        return label_every_point(predictors, grid, advance, confidence=confidence)

    share = 1.0 if caution is None else _REFINED_SHARE
    predictors = plain
    if not confidence:
        predictors = [_fastest(p, grid, share, file) for p, file in zip(plain, kept, strict=True)]
    labels = labels_of(predictors)
    if unreliable := error_bound_exceeded(predictors, labels):
        for model in unreliable:
            if (file := kept[model]) is not None:
                file.write(None)  # measured anew by the next call
        labels.replace(unreliable, labels_of([plain[model] for model in unreliable]))
        predictors = [plain[m] if m in unreliable else predictor for m, predictor in enumerate(predictors)]
    return predictors, labels


def _check_repeats(predictor: Predictor, grid: Grid) -> None:
    """Refuses a module that is random in evaluation mode; plain functions are not checked."""
    if isinstance(predictor.plain, nn.Module):
        images = grid.images(np.arange(min(_REPEAT_CHECK_POINTS, grid.planes * grid.points)))
        check_deterministic_forward(predictor.plain, images.to(predictor.device), predictor.name)


def _fastest(plain: Predictor, grid: Grid, share: float, kept: CalibrationFile | None) -> Predictor:
    """The predictor for a share of the grid's points, calibrated on some of them, the same at every call."""
    points = int(share * grid.planes * grid.points)
    count = sample_size(points, plain.device, plain.batch)
    if count == 0 or not isinstance(plain.plain, nn.Module):
        return plain
    drawn = numpy_stream(0, "calibration").integers(0, grid.planes * grid.points, count)
    return calibrated(plain, grid.at(np.sort(drawn)), points, share=share, kept=kept)


def _variables(labels: Labels, resolution: int) -> dict[str, Any]:
    shape = (*labels.evaluated.shape, resolution, resolution)
    return variables(
        labels.labels.reshape(shape),
        labels.evaluated,
        labels.reevaluated,
        None if labels.confidence is None else labels.confidence.reshape(shape),
    )


def _evaluation(predictors: Sequence[Predictor], labels: Labels, caution: float | None) -> dict[str, Any]:
    """For each model the form it was evaluated in, the bound of its error, and the largest error seen."""
    return {
        p.name: {"form": p.how, "reach": p.fast.error_bound if p.fast else 0.0, "error": error, "caution": caution}
        for p, error in zip(predictors, labels.error.tolist(), strict=True)
    }


def _check_refinement(refine: bool, caution: float, confidence: bool) -> None:
    if refine and confidence:
        raise InputError("a refined map has no confidence at points that were not evaluated: give refine=False")
    if not caution >= 0:
        raise InputError(f"caution is {caution}: it must be 0 or more, such as {CAUTION}")


def _check_datasets(named: Mapping[str, Model], planes: PlaneSet) -> None:
    for name, model in named.items():
        if isinstance(model, Run) and planes.dataset and model.spec.dataset != planes.dataset:
            raise InputError(
                f"{name} was trained on {model.spec.dataset}, but the planes go through images of {planes.dataset}: "
                "draw planes from the dataset of the runs"
            )
