"""Many networks over one grid: every point, or the points that refinement asks for.

The images of a stretch of points are made once, on the device, and every network sees them before the next are made;
so memory holds one stretch, whatever the resolution and the number of planes. The host waits for the device once for
each stretch and network.

Axes: one entry of `point` is a point of a plane, row by row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64, UInt8
from torch import Tensor

from dbviz.core.errors import NotFiniteError
from dbviz.core.progress import Advance
from dbviz.label_maps.grid import Grid
from dbviz.label_maps.predictor import Labelled, Predictor, label
from dbviz.label_maps.refinement import refined

__all__ = ["Labels", "label_every_point", "label_refined", "unsound"]

_CHUNK_BATCHES = 8
"""Batches whose images are made at once."""
_TOGETHER = 2**24
"""Points of the planes that are refined together; of each, evaluated or not, some ten bytes are kept meanwhile."""


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels that models give to a grid, and what they cost. Filled in place while they are found."""

    labels: UInt8[np.ndarray, "model plane point"]
    evaluated: Int64[np.ndarray, "model plane"]
    """Points evaluated."""
    reevaluated: Int64[np.ndarray, "model plane"]
    """How many of them were evaluated a second time, in plain fp32."""
    error: Float64[np.ndarray, " model"]
    """The largest error seen in a second evaluation; see `Labelled.error`."""
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

    def record(self, model: int, grid: Grid, points: Int64[np.ndarray, " n"], found: Labelled) -> None:
        """Writes down what was found for some points of one model."""
        planes = points // grid.points
        self.labels[model].reshape(-1)[points] = found.logits.argmax(1).to(torch.uint8).cpu().numpy()
        self.evaluated[model] += np.bincount(planes, minlength=grid.planes)
        self.reevaluated[model] += np.bincount(planes[found.reevaluated.cpu().numpy()], minlength=grid.planes)
        self.error[model] = max(self.error[model], found.error)
        if self.confidence is not None:
            self.confidence[model].reshape(-1)[points] = found.logits.softmax(1).amax(1).cpu().numpy()

    def replace(self, models: Sequence[int], other: "Labels") -> None:
        """Puts what was found anew for some models in place, and adds what that cost."""
        chosen = list(models)
        self.labels[chosen] = other.labels
        self.evaluated[chosen] += other.evaluated
        if self.confidence is not None:
            self.confidence[chosen] = other.confidence


def label_every_point(
    predictors: Sequence[Predictor], grid: Grid, advance: Advance, *, confidence: bool = False
) -> Labels:
    """The labels of every point by every predictor; with `confidence` their largest softmax probabilities too."""
    maps = Labels.empty(len(predictors), grid, confidence=confidence)
    for points in _chunks(np.arange(grid.planes * grid.points), max(p.batch for p in predictors)):
        images = grid.images(points)
        for model, predictor in enumerate(predictors):
            maps.record(model, grid, points, _labelled(predictor, images, grid, points))
            advance(float(len(points)), "sampling")
    return maps


def label_refined(predictors: Sequence[Predictor], grid: Grid, advance: Advance, *, caution: float) -> Labels:
    """The labels of every point, most of them inferred by `refined` from those of a few."""
    maps = Labels.empty(len(predictors), grid, confidence=False)
    together = max(1, _TOGETHER // grid.points)
    for first in range(0, grid.planes, together):
        planes = range(first, min(first + together, grid.planes))
        for model, predictor in enumerate(predictors):

            def ask(points: Int64[np.ndarray, " n"], model=model, predictor=predictor, start=first * grid.points):
                return _ask(maps, model, predictor, grid, points + start)

            found = refined(ask, len(planes), grid.resolution, caution=caution)
            maps.labels[model, first : planes.stop] = found.labels.reshape(len(planes), -1)
            advance(float(len(planes) * grid.points), "sampling")
    return maps


def unsound(predictors: Sequence[Predictor], maps: Labels) -> list[int]:
    """Models whose fast form erred further than it was thought to reach: their labels cannot be relied on."""
    return [m for m, p in enumerate(predictors) if p.fast is not None and maps.error[m] > p.fast.error_bound]


def _ask(
    maps: Labels, model: int, predictor: Predictor, grid: Grid, points: Int64[np.ndarray, " n"]
) -> Float32[np.ndarray, "n k"]:
    """The logits at some points, noted in `maps`."""
    found: list[Tensor] = []
    for stretch in _chunks(points, predictor.batch):
        labelled = _labelled(predictor, grid.images(stretch), grid, stretch)
        maps.record(model, grid, stretch, labelled)
        found.append(labelled.logits)
    return torch.cat(found).cpu().numpy()


def _labelled(predictor: Predictor, images: Tensor, grid: Grid, points: Int64[np.ndarray, " n"]) -> Labelled:
    """`label`, whose error names the plane and the share of its points asked about."""
    try:
        return label(predictor, images)
    except NotFiniteError as error:
        planes = points // grid.points
        plane = int(planes[error.places[0]])
        places = [place for place in error.places if planes[place] == plane]
        count = int((planes == plane).sum())
        raise NotFiniteError(error.name, places, count, f"points of plane {plane}") from None


def _chunks(points: Int64[np.ndarray, " n"], batch: int) -> Iterator[Int64[np.ndarray, " m"]]:
    size = _CHUNK_BATCHES * batch
    for start in range(0, len(points), size):
        yield points[start : start + size]
