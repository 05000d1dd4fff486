"""The first change along many half-lines at once: march until something has changed, then bisect.

Bisection of the whole interval finds a change, but not always the first: where the label differs from the start's
between 3 and 4 and again beyond 8, bisection of (0, 10) sees no difference at 5 and ends at 8; where the far end has
the start's label, it finds no change at all. So a grid of distances is marched outwards first, and only the interval
before the first changed distance is bisected. A label that changes and changes back between two neighbouring distances
is missed; a finer grid misses fewer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from dbviz.core.errors import InputError

__all__ = ["Changed", "FirstChanges", "check_search", "first_changes"]

Changed = Callable[[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]], Bool[np.ndarray, " n"]]
"""Whether something differs from the start at a distance each along the numbered half-lines."""
Clear = Callable[[Int64[np.ndarray, " n"]], Float64[np.ndarray, " n"]]
"""The distance up to which no change is expected along the numbered half-lines, from what was evaluated last."""

_LEAST_TOLERANCE = 1e-6
"""Points closer than this cannot be distinguished in single precision."""


@dataclass(frozen=True, eq=False)
class FirstChanges:
    """The distance of the first change along each half-line."""

    distance: Float64[np.ndarray, " line"]
    """Accurate to half the tolerance; where no change was found, the last distance of the grid."""
    crossed: Bool[np.ndarray, " line"]
    """Whether a change was found. Where none was, the distance is censored: the change is farther."""


def first_changes(
    changed: Changed,
    count: int,
    distances: Float64[np.ndarray, " step"],
    tolerance: float,
    *,
    clear: Clear | None = None,
) -> FirstChanges:
    """The distance of the first change along each of `count` half-lines.

    `changed` is called for active half-lines only: marching ends at a change, bisection at the tolerance.

    Args:
        distances: the grid that is marched, increasing, without 0.
        tolerance: the width of the interval at which bisection ends.
        clear: distances up to `clear` are skipped. Where the next one has changed, those skipped before it are
            evaluated after all.

    Raises:
        InputError: the grid is empty, not above 0 or not increasing, or the tolerance is below 1e-6.

    Example:
        >>> changed = lambda lines, at: at >= np.array([0.5, 2.25])[lines]  # line 0 changes at 0.5, line 1 at 2.25
        >>> first_changes(changed, 2, np.array([1.0, 2.0, 3.0]), tolerance=0.01).distance.round(2).tolist()
        [0.5, 2.25]
    """
    check_search(distances, tolerance)
    first = _march(changed, count, distances, clear or (lambda lines: np.zeros(len(lines))))
    crossed = first < len(distances)
    before = np.concatenate([[0.0], distances])[first]  # without a change: an empty interval at the last
    after = np.append(distances, distances[-1])[first]
    low, high = _bisect(changed, before, after, tolerance)
    return FirstChanges((low + high) / 2, crossed)


def check_search(distances: Float64[np.ndarray, " step"], tolerance: float) -> None:
    """Raises InputError for an invalid grid or tolerance, as `first_changes` does."""
    if len(distances) == 0 or not np.isfinite(distances).all() or (np.diff(distances, prepend=0.0) <= 0).any():
        raise InputError(f"distances are {np.array2string(distances, threshold=6)}: give increasing numbers above 0")
    if not tolerance >= _LEAST_TOLERANCE:
        raise InputError(f"tolerance is {tolerance:g}: it must be at least {_LEAST_TOLERANCE:g}, in normalised pixels")


def _march(
    changed: Changed, count: int, distances: Float64[np.ndarray, " step"], clear: Clear
) -> Int64[np.ndarray, " line"]:
    """The number of the first distance with a change; the number of distances where there is none."""
    active = np.arange(count)
    first = np.full(count, len(distances))
    before = np.full(count, -1)
    """The last distance without a change."""
    skips = np.ones(count, bool)
    step = np.searchsorted(distances, clear(active), side="right")
    while len(active := active[step[active] < first[active]]):
        differs = changed(active, distances[step[active]])
        beyond, short = active[differs], active[~differs]
        first[beyond], before[short] = step[beyond], step[short]
        skips[beyond] = False
        step[beyond] = before[beyond] + 1  # the first that was skipped, if any was
        step[short] += 1
        skipping = short[skips[short]]
        step[skipping] = np.maximum(step[skipping], np.searchsorted(distances, clear(skipping), side="right"))
    return first


def _bisect(
    changed: Changed, low: Float64[np.ndarray, " line"], high: Float64[np.ndarray, " line"], tolerance: float
) -> tuple[Float64[np.ndarray, " line"], Float64[np.ndarray, " line"]]:
    """Intervals no wider than the tolerance that begin without a change and end with one."""
    low, high = low.copy(), high.copy()
    while len(wide := np.flatnonzero(high - low > tolerance)):
        middle = (low[wide] + high[wide]) / 2
        beyond = changed(wide, middle)
        high[wide[beyond]] = middle[beyond]
        low[wide[~beyond]] = middle[~beyond]
    return low, high
