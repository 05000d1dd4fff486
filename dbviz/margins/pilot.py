"""A few half-lines searched in full, in plain fp32, to choose how all the others are searched.

The points that they visit are what a fast form of the network is measured on; see `dbviz.label_maps.calibration`.

They also show how steeply the lead of the start's label rises and falls (see `dbviz.margins.searching`). A march may
skip the distances before which the lead would have to fall several times as steeply as anywhere on them. A change
beyond a skip sends the march back to what it skipped, so that only a region which a half-line enters and leaves within
one skip, more steeply than that, could be missed. The first changes of 45,000 half-lines from CIFAR-10 images (15,000
each of fcnet, mlp and random features) were the same with and without skipping: also at half of the factor used, where
0.6 % of them went back; at the factor itself none had to.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import nn

from dbviz.core.streams import numpy_stream
from dbviz.data import ImageSet
from dbviz.label_maps.calibration import calibrated
from dbviz.label_maps.predictor import Predictor
from dbviz.margins.directions import Along, unit_directions
from dbviz.margins.half_lines import HalfLines
from dbviz.margins.searching import Visits, search

__all__ = ["Method", "chosen_method", "steepest_lead"]

_PILOT_LINES = 32
_LEAST_LINES = 256
"""With fewer half-lines the pilot would take as long as it saves."""
_STEEPNESS_FACTOR = 4.0
_SAMPLE_POINTS = 512


@dataclass(frozen=True, eq=False)
class Method:
    """How half-lines are searched."""

    predictor: Predictor
    steepest: Float64[np.ndarray, " step"] | float = np.inf
    """How fast a lead may fall before each distance of the grid; infinite: no distance is skipped."""


def chosen_method(
    plain: Predictor,
    images: ImageSet,
    selected: np.ndarray,
    directions: int,
    *,
    along: Along,
    seed: int,
    distances: Float64[np.ndarray, " step"],
    tolerance: float,
) -> Method:
    """The fastest method for all `directions` of the `selected` images; for functions, and for few half-lines, plain
    fp32 at every distance."""
    lines = len(selected) * directions
    if lines < _LEAST_LINES or not isinstance(plain.plain, nn.Module):
        return Method(plain)
    numbers = np.unique(np.linspace(0, lines - 1, _PILOT_LINES).astype(int))
    chosen, direction = np.divmod(numbers, directions)
    steps = unit_directions(images, selected[chosen], directions, along=along, seed=seed)
    starts = images.normalized(selected[chosen]).to(plain.device, memory_format=torch.channels_last)
    pilot = HalfLines(starts, steps[np.arange(len(chosen)), direction][:, None].to(plain.device))
    visits = search(plain, pilot, distances, tolerance).visits
    drawn = np.sort(numpy_stream(0, "calibration").permutation(len(visits.lines))[:_SAMPLE_POINTS])
    sample = pilot.at(visits.lines[drawn], visits.distances[drawn])
    points = lines * len(visits.lines) // len(pilot)
    return Method(calibrated(plain, sample, points), _STEEPNESS_FACTOR * steepest_lead(visits, distances))


def steepest_lead(visits: Visits, distances: Float64[np.ndarray, " step"]) -> Float64[np.ndarray, " step"]:
    """The steepest rise or fall of the lead up to each distance, between neighbouring visited points of a half-line.

    Example:
        >>> visits = Visits(np.array([0, 0, 0, 1]), np.array([0.0, 2.0, 1.0, 5.0]), np.array([3.0, 1.5, 2.5, 9.0]))
        >>> steepest_lead(visits, np.array([1.0, 2.0, 4.0]))
        array([0.5, 1. , 1. ])
    """
    order = np.lexsort((visits.distances, visits.lines))
    lines, at, leads = (part[order] for part in (visits.lines, visits.distances, visits.leads))
    pairs = np.flatnonzero((np.diff(lines) == 0) & (np.diff(at) > 0))
    slopes = np.abs(np.diff(leads)[pairs] / np.diff(at)[pairs])
    steepest = np.zeros(len(distances))
    np.maximum.at(steepest, np.searchsorted(distances, at[pairs + 1]), slopes)
    return np.maximum.accumulate(steepest)
