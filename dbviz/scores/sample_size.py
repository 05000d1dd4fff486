"""The number of runs and planes for an interval of a chosen width, computed from a pilot."""

from dataclasses import dataclass

import scipy

from dbviz.core.deprecation import warn_renamed
from dbviz.core.errors import InputError
from dbviz.scores.estimate import Estimate

__all__ = ["Plan", "expected_half_width", "plan"]

_MOST_RUNS = 1000
_MOST_ITEMS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Runs of each network and items, such as planes, with the half-width expected of them.

    Example:
        >>> Plan(runs=5, items=768, half_width=0.01)
        Plan(runs=5, items=768, half_width=0.01, item='planes')
    """

    runs: int
    items: int
    half_width: float
    item: str = "planes"

    @property
    def triplets(self) -> int:
        """The old name of `items`."""
        warn_renamed("Plan.triplets", "Plan.items")
        return self.items


def plan(pilot: Estimate, half_width: float, *, runs: int | None = None) -> Plan:
    """The fewest label maps (runs times planes) whose interval has at most the given half-width.

    The pilot's variance over runs is assumed to fall as 1 / runs and its variance over items as 1 / items.

    Args:
        pilot: an estimate from at least three runs.
        half_width: half the width of the interval.
        runs: plan the items for this many runs; by default runs are planned too.

    Raises:
        InputError: the pilot has no variance over runs, since it has too few or was read from a file; fewer than two
            runs are given; or the most runs and items that are considered are not enough.

    Example:
        >>> pilot = Estimate(value=0.8, low=0.7, high=0.9, items=50, runs=(4,), run_variance=1e-4, item_variance=4e-4)
        >>> plan(pilot, 0.02, runs=12).items
        295
    """
    if pilot.run_variance != pilot.run_variance:
        raise InputError("the pilot has no variance over runs: compute it from label maps of at least three runs")
    if half_width <= 0:
        raise InputError(f"half-width is {half_width}: it must be above 0")
    if runs is not None and runs < 2:
        raise InputError(f"runs is {runs}: an interval over runs needs at least 2")
    choices = range(3, _MOST_RUNS) if runs is None else [runs]
    plans = [candidate for count in choices if (candidate := _with_runs(pilot, half_width, count)) is not None]
    if not plans:
        limit = f"with {runs} runs" if runs else f"with up to {_MOST_RUNS} runs"
        raise InputError(f"a half-width of {half_width} cannot be reached {limit}: allow more runs or a wider interval")
    return min(plans, key=lambda candidate: candidate.runs * candidate.items)


def expected_half_width(pilot: Estimate, runs: int, items: int) -> float:
    """The half-width expected of `runs` runs and `items` items if they vary as the pilot's do."""
    by_runs = pilot.run_variance * pilot.runs[0] / runs
    by_items = pilot.item_variance * pilot.items / items
    total = by_runs + by_items
    if total == 0:
        return 0.0
    degrees = total**2 / (by_runs**2 / (runs - 1) + by_items**2 / (items - 1))
    return float(scipy.stats.t.ppf(0.5 + pilot.level / 2, degrees) * total**0.5)


def _with_runs(pilot: Estimate, half_width: float, runs: int) -> Plan | None:
    """The fewest items that are enough with `runs` runs, by bisection; None if none are."""
    low, high = 1, _MOST_ITEMS
    if expected_half_width(pilot, runs, high) > half_width:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if expected_half_width(pilot, runs, middle) <= half_width else (middle, high)
    return Plan(runs=runs, items=high, half_width=expected_half_width(pilot, runs, high), item=pilot.item)
