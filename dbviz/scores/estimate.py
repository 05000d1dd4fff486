"""A score with its interval, and the intervals themselves: triplets and runs are both a sample.

The published scores average over triplets and over all pairs of a few runs, and give no error. Pairs that share a run
are not independent, so a spread over pairs says too little. Here whole runs and whole triplets are left out in turn:
the delete-one jackknife of each, its variances added (an upper bound to first order, since what both share is counted
twice), and a Student quantile with the degrees of freedom of Satterthwaite (1946), which few runs make wide.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from scipy import stats

from dbviz.core.errors import InputError

__all__ = ["Estimate", "jackknife_estimate", "means_estimate"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A score that can be published: prints as `0.83 [0.82, 0.84]`, with more digits where the interval has them."""

    value: float
    low: float
    high: float
    level: float = 0.95
    """Share of such intervals that hold the true value."""
    triplets: int
    """How many triplets, or groups of test images."""
    runs: tuple[int, ...]
    """How many runs of each group: one number within an architecture, two between architectures."""
    run_variance: float = math.nan
    """Jackknife variance of the value over runs; no number where it cannot be had."""
    item_variance: float = math.nan
    """The same over triplets."""
    note: str = ""
    """What the interval does not cover."""

    def __str__(self) -> str:
        digits = self._digits()
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def _digits(self) -> int:
        """As many as show the interval's half-width by one digit, two at least, four at most; one above ten."""
        if not max(abs(self.low), abs(self.high)) <= 10:
            return 1
        return min(4, max(2, math.ceil(-math.log10(self.half_width)))) if self.half_width > 0 else 2

    @property
    def complement(self) -> "Estimate":
        """The estimate of 1 minus the score, such as the disagreement of an agreement."""
        return replace(self, value=1 - self.value, low=1 - self.high, high=1 - self.low)

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


Statistic = Callable[[list[np.ndarray], np.ndarray], float]
"""A score as a function of which runs (an index array a group) and which triplets are kept."""


def jackknife_estimate(
    statistic: Statistic,
    runs: tuple[int, ...],
    triplets: int,
    *,
    fewest_runs: int = 2,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """The value of `statistic` with an interval over runs and triplets; see the module's docstring.

    Args:
        runs: how many runs there are in each group.
        fewest_runs: what the statistic needs of each group to be defined: 2 for pairs within a group.
        bounds: the score's range; the interval is cut there.

    Raises:
        InputError: fewer than two triplets, or fewer runs than the statistic needs.
    """
    if triplets < 2:
        raise InputError(f"{triplets} triplet gives no interval: sample at least two planes")
    if min(runs) < fewest_runs:
        raise InputError(f"{min(runs)} run given: the score needs at least {fewest_runs} runs of each network")
    kept, planes = [np.arange(count) for count in runs], np.arange(triplets)
    value = statistic(kept, planes)
    by_triplet = _jackknife_variance([statistic(kept, np.delete(planes, t)) for t in planes])
    variances, freedom = [by_triplet], [triplets - 1]
    for group, count in enumerate(runs):
        if count > fewest_runs:
            left = [[*kept[:group], np.delete(kept[group], r), *kept[group + 1 :]] for r in range(count)]
            variances.append(_jackknife_variance([statistic(chosen, planes) for chosen in left]))
            freedom.append(count - 1)
    covered = len(variances) == len(runs) + 1
    total = sum(variances)
    degrees = total**2 / sum(v**2 / f for v, f in zip(variances, freedom, strict=True)) if total > 0 else 1
    half = float(stats.t.ppf(0.5 + level / 2, degrees)) * np.sqrt(total)
    return Estimate(
        value=value,
        low=float(max(bounds[0], value - half)),
        high=float(min(bounds[1], value + half)),
        level=level,
        triplets=triplets,
        runs=runs,
        run_variance=sum(variances[1:]) if covered else float("nan"),
        item_variance=by_triplet,
        note="" if covered else f"over triplets alone: {min(runs)} runs cannot show how runs vary",
    )


def means_estimate(
    values: Float64[np.ndarray, "run triplet"],
    *,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """The mean over runs and triplets of a score that each run has alone, such as its fragments.

    Raises:
        InputError: fewer than two triplets.
    """

    def mean(kept: list[np.ndarray], planes: np.ndarray) -> float:
        return float(values[np.ix_(kept[0], planes)].mean())

    runs, triplets = values.shape
    return jackknife_estimate(mean, (runs,), triplets, fewest_runs=1, level=level, bounds=bounds)


def _jackknife_variance(left_out: list[float]) -> float:
    """(n - 1) / n times the sum of squares about their mean (Efron & Stein 1981)."""
    values: Float64[np.ndarray, " n"] = np.asarray(left_out)
    return float((len(values) - 1) * values.var())
