"""How many runs and triplets give the interval asked for, retry_or_give_up from a pilot."""

from dataclasses import dataclass

from scipy import stats

from dbviz.core.errors import InputError
from dbviz.scores.estimate import Estimate

__all__ = ["Plan", "plan"]

_MOST_RUNS = 1000
_MOST_TRIPLETS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Runs of each network and triplets, with the half-width expected of them."""

    runs: int
    triplets: int
    half_width: float


def plan(pilot: Estimate, half_width: float, *, runs: int | None = None) -> Plan:
    """The fewest label maps (runs times triplets) whose interval has at most the half-width asked for.

    The pilot's variance over runs is taken to fall as 1 / runs and that over triplets as 1 / triplets.

    Args:
        pilot: an estimate from at least three runs.
        half_width: half the width of the interval wanted.
        runs: plan the triplets for this many runs; by default runs are planned too.

    Raises:
        InputError: the pilot has too few runs to show how they vary, or no number of runs and triplets is enough.
    """
    if pilot.run_variance != pilot.run_variance:
        raise InputError("the pilot has too few runs to show how runs vary: give it at least three")
    if half_width <= 0:
        raise InputError(f"half-width is {half_width}: it must be above 0")
    choices = range(3, _MOST_RUNS) if runs is None else [runs]
    plans = [found for count in choices if (found := _with_runs(pilot, half_width, count)) is not None]
    if not plans:
        given = f"with {runs} runs" if runs else f"with up to {_MOST_RUNS} runs"
        raise InputError(f"a half-width of {half_width} cannot be reached {given}: allow more runs or a wider interval")
    return min(plans, key=lambda found: found.runs * found.triplets)


def expected_half_width(pilot: Estimate, runs: int, triplets: int) -> float:
    """The half-width that `runs` runs and `triplets` triplets would give if they vary as the pilot's do."""
    by_runs = pilot.run_variance * pilot.runs[0] / runs
    by_triplets = pilot.item_variance * pilot.triplets / triplets
    total = by_runs + by_triplets
    if total == 0:
        return 0.0
    degrees = total**2 / (by_runs**2 / (runs - 1) + by_triplets**2 / (triplets - 1))
    return float(stats.t.ppf(0.5 + pilot.level / 2, degrees) * total**0.5)


def _with_runs(pilot: Estimate, half_width: float, runs: int) -> Plan | None:
    """The fewest triplets that do with `runs` runs, by bisection; None if no number does."""
    low, high = 1, _MOST_TRIPLETS
    if expected_half_width(pilot, runs, high) > half_width:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if expected_half_width(pilot, runs, middle) <= half_width else (middle, high)
    return Plan(runs=runs, triplets=high, half_width=expected_half_width(pilot, runs, high))
