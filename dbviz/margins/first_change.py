"""The first change along many half-lines at once: march until something has changed, then bisect.

Bisection of the whole stretch finds some change, which need not be the first: where the label differs from the start's
between 3 and 4 and again beyond 8, bisection of (0, 10) sees no difference at 5 and ends at 8; and where it is the
start's again at the far end, there seems to be no change at all. So a grid of distances is marched first, outwards, and
only the stretch before the first distance found changed is bisected. A label that changes and changes back between two
neighbours of the grid is not seen; a finer grid sees more of these.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from dbviz.core.errors import InputError

__all__ = ["Changed", "FirstChanges", "check_search", "first_changes"]

Changed = Callable[[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]], Bool[np.ndarray, " n"]]
"""Whether something differs from the start at a distance each along the half-lines of the given numbers."""

_LEAST_TOLERANCE = 1e-6
"""Points this close are no longer told apart in single precision."""


@dataclass(frozen=True, eq=False)
class FirstChanges:
    """How far each half-line goes without a change."""

    distance: Float64[np.ndarray, " line"]
    """To within half the tolerance; the last distance of the grid where no change was found."""
    crossed: Bool[np.ndarray, " line"]
    """Whether a change was found. Where none was, the distance is censored: the change lies farther."""


def first_changes(
    changed: Changed, count: int, distances: Float64[np.ndarray, " step"], tolerance: float
) -> FirstChanges:
    """The distance of the first change along each of `count` half-lines.

    `changed` is called for the half-lines still searched only: those that changed stop marching, those closed in to
    the tolerance stop bisecting.

    Args:
        distances: the grid that is marched, rising; 0 is not part of it.
        tolerance: the width of the stretch at which bisection ends.

    Raises:
        InputError: the grid is empty, not above 0 or not rising, or the tolerance is below 1e-6.
    """
    check_search(distances, tolerance)
    first = _march(changed, count, distances)
    crossed = first < len(distances)
    before = np.concatenate([[0.0], distances])[first]  # the last of the grid where nothing changed: a closed stretch
    after = np.append(distances, distances[-1])[first]
    low, high = _bisect(changed, before, after, tolerance)
    return FirstChanges((low + high) / 2, crossed)


def check_search(distances: Float64[np.ndarray, " step"], tolerance: float) -> None:
    """Raises InputError where `first_changes` would."""
    if len(distances) == 0 or not np.isfinite(distances).all() or (np.diff(distances, prepend=0.0) <= 0).any():
        raise InputError(f"distances are {np.array2string(distances, threshold=6)}: give rising numbers above 0")
    if not tolerance >= _LEAST_TOLERANCE:
        raise InputError(f"tolerance is {tolerance:g}: it must be at least {_LEAST_TOLERANCE:g}, in normalised pixels")


def _march(changed: Changed, count: int, distances: Float64[np.ndarray, " step"]) -> Int64[np.ndarray, " line"]:
    """The number of the first distance found changed; that of one behind the last where none is."""
    first = np.full(count, len(distances))
    going = np.arange(count)
    for step, distance in enumerate(distances):
        if len(going) == 0:
            break
        found = changed(going, np.full(len(going), distance))
        first[going[found]] = step
        going = going[~found]
    return first


def _bisect(
    changed: Changed, low: Float64[np.ndarray, " line"], high: Float64[np.ndarray, " line"], tolerance: float
) -> tuple[Float64[np.ndarray, " line"], Float64[np.ndarray, " line"]]:
    """Stretches of at most the tolerance that end where something has changed and begin where nothing has."""
    low, high = low.copy(), high.copy()
    while len(wide := np.flatnonzero(high - low > tolerance)):
        middle = (low[wide] + high[wide]) / 2
        beyond = changed(wide, middle)
        high[wide[beyond]] = middle[beyond]
        low[wide[~beyond]] = middle[~beyond]
    return low, high
