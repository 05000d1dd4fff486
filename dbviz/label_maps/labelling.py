"""The labels of a grid by many networks: of every point, or of the points that refinement selects.

The images of a chunk of points are made once, on the device, and every network sees them before the next are made; so
memory holds one chunk, whatever the resolution and the number of planes. The host waits for the device once for each
chunk and network.

Axes: one entry of `point` is a point of a plane, row by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64, UInt8

from dbviz.core.errors import InputError, NotFiniteError
from dbviz.core.progress import Advance
from dbviz.label_maps.grid import Grid, GridPoints
from dbviz.label_maps.predictor import Labelled, Predictor, label
from dbviz.label_maps.refinement import refined

__all__ = ["Labels", "error_bound_exceeded", "label_every_point", "label_refined"]

_CHUNK_BATCHES = 8
"""Batches whose images are made at once."""
_REFINED_TOGETHER = 2**24
"""Points of the planes that are refined together; of each, evaluated or not, about ten bytes are kept meanwhile."""


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of a grid by several models, and what they cost; arrays that are filled in place."""

    labels: UInt8[np.ndarray, "model plane point"]
    evaluated: Int64[np.ndarray, "model plane"]
    """Points evaluated."""
    reevaluated: Int64[np.ndarray, "model plane"]
    """How many of them were evaluated a second time, in plain fp32."""
    error: Float64[np.ndarray, " model"]
    """The largest error at a re-evaluated point; see `Labelled.error`."""
    confidence: Float32[np.ndarray, "model plane point"] | None

    @classmethod
    def empty(cls, models: int, grid: Grid, *, confidence: bool) -> "Labels":
        shape = (models, grid.planes, grid.points)
        return cls(
            labels=np.zeros(shape, np.uint8),
            evaluated=np.zeros(shape[:2], np.int64),
            reevaluated=np.zeros(shape[:2], np.int64),
            error=np.zeros(models),
            confidence=np.empty(shape, np.float32) if confidence else None,
        )

    def record(self, model: int, points: GridPoints, labelled: Labelled) -> None:
        """Stores the labels of some points by one model."""
        grid, numbers = points.grid, points.numbers
        planes = numbers // grid.points
        self.labels[model].reshape(-1)[numbers] = labelled.logits.argmax(1).to(torch.uint8).cpu().numpy()
        self.evaluated[model] += np.bincount(planes, minlength=grid.planes)
        self.reevaluated[model] += np.bincount(planes[labelled.reevaluated.cpu().numpy()], minlength=grid.planes)
        self.error[model] = max(self.error[model], labelled.error)
        if self.confidence is not None:
            self.confidence[model].reshape(-1)[numbers] = labelled.logits.softmax(1).amax(1).cpu().numpy()

    def replace(self, models: Sequence[int], labels: "Labels") -> None:
        """Replaces the labels of some models, and adds the cost of the new ones."""
        chosen = list(models)
        self.labels[chosen] = labels.labels
        self.evaluated[chosen] += labels.evaluated
        if self.confidence is not None:
            self.confidence[chosen] = labels.confidence


def label_every_point(
    predictors: Sequence[Predictor], grid: Grid, advance: Advance, *, confidence: bool = False
) -> Labels:
    """The labels of every point by every predictor; with `confidence` also their largest softmax probabilities."""
    labels = Labels.empty(len(predictors), grid, confidence=confidence)
    everything = grid.at(np.arange(grid.planes * grid.points))
    for points in everything.split(_CHUNK_BATCHES * max(p.batch for p in predictors)):
        for model, predictor in enumerate(predictors):
            labels.record(model, points, _label(predictor, points))
            advance(float(len(points)), "sampling")
    return labels


def label_refined(predictors: Sequence[Predictor], grid: Grid, advance: Advance, *, caution: float) -> Labels:
    """The labels of every point, most of them inferred by `refined` from those of a few."""
    labels = Labels.empty(len(predictors), grid, confidence=False)
    together = max(1, _REFINED_TOGETHER // grid.points)
    for first in range(0, grid.planes, together):
        planes = range(first, min(first + together, grid.planes))
        for model, predictor in enumerate(predictors):

            def evaluate(
                numbers: Int64[np.ndarray, " n"], model=model, predictor=predictor, start=first * grid.points
            ) -> Float32[np.ndarray, "n k"]:
                return _evaluate(labels, model, predictor, grid.at(numbers + start))

            refined_maps = refined(evaluate, len(planes), grid.resolution, caution=caution)
            labels.labels[model, first : planes.stop] = refined_maps.labels.reshape(len(planes), -1)
            advance(float(len(planes) * grid.points), "sampling")
    return labels


def error_bound_exceeded(predictors: Sequence[Predictor], labels: Labels) -> list[int]:
    """Models whose fast form had an error above its bound at a re-evaluated point: their labels are not reliable."""
    return [m for m, p in enumerate(predictors) if p.fast is not None and labels.error[m] > p.fast.error_bound]


def _evaluate(labels: Labels, model: int, predictor: Predictor, points: GridPoints) -> Float32[np.ndarray, "n k"]:
    """The logits at some points, which are recorded in `labels`."""
    logits = []
    for chunk in points.split(_CHUNK_BATCHES * predictor.batch):
        labelled = _label(predictor, chunk)
        labels.record(model, chunk, labelled)
        logits.append(labelled.logits)
    return torch.cat(logits).cpu().numpy()


def _label(predictor: Predictor, points: GridPoints) -> Labelled:
    """`label`, with errors that name the plane and the share of its points, and one for labels beyond a byte."""
    try:
        labelled = label(predictor, points)
    except NotFiniteError as error:
        planes = points.numbers // points.grid.points
        plane = int(planes[error.places[0]])
        places = [place for place in error.places if planes[place] == plane]
        count = int((planes == plane).sum())
        raise NotFiniteError(error.name, places, count, f"points of plane {plane}") from None
    if (classes := labelled.logits.shape[1]) > 256:
        raise InputError(f"{predictor.name} has {classes} classes: label maps hold at most 256")
    return labelled
