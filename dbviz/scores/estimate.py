"""A score with its confidence interval, which accounts for two samples: the runs, and the planes or images.

The published scores average over triplets and over all pairs of a few runs, without an error. Pairs that share a run
are not independent, so their spread underestimates the uncertainty. Here whole runs and whole items (planes or images)
are left out in turn: the delete-one jackknife of each, with the variances added (an upper bound to first order, since
what both share is counted twice), and a Student quantile with the degrees of freedom of Satterthwaite (1946), which
widens the interval of few runs.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float64

from dbviz.core.deprecation import renamed_parameter, warn_renamed
from dbviz.core.errors import InputError

__all__ = ["Estimate", "jackknife_estimate", "means_estimate"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimate:
    """A score with its confidence interval; prints as `0.83 [0.82, 0.84]`, with more digits for a narrower interval.

    Example:
        >>> estimate = Estimate(value=0.831, low=0.825, high=0.841, items=500, runs=(5,))
        >>> print(estimate)
        0.831 [0.825, 0.841]
        >>> estimate
        Estimate(0.831 [0.825, 0.841], 500 planes, 5 runs)
        >>> Estimate.from_dict(estimate.to_dict()) == estimate
        True
    """

    value: float
    low: float
    high: float
    level: float = 0.95
    """Confidence level of the interval."""
    items: int
    """Number of items that the score was computed on."""
    item: str = "planes"
    """What an item is, in the plural: `planes`, `test images`, `splits`."""
    runs: tuple[int, ...]
    """Number of runs: one entry within a network, two between networks."""
    run_variance: float = math.nan
    """Jackknife variance of the value over runs; NaN where there are too few runs."""
    item_variance: float = math.nan
    """Jackknife variance of the value over items."""
    note: str = ""
    """What the interval does not cover."""

    def __str__(self) -> str:
        digits = self._digits()
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def __repr__(self) -> str:
        runs = f"{' x '.join(map(str, self.runs))} run{'' if self.runs == (1,) else 's'}"
        return f"Estimate({self}, {self.items:,} {self.item}, {runs})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def _digits(self) -> int:
        """Decimals that show one significant digit of the half-width: two to four, or one for values above ten."""
        if not max(abs(self.low), abs(self.high)) <= 10:
            return 1
        return min(4, max(2, math.ceil(-math.log10(self.half_width)))) if self.half_width > 0 else 2

    @property
    def complement(self) -> "Estimate":
        """The estimate of 1 minus the score, such as the disagreement of an agreement."""
        return replace(self, value=1 - self.value, low=1 - self.high, high=1 - self.low)

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    @property
    def triplets(self) -> int:
        """The old name of `items`."""
        warn_renamed("Estimate.triplets", "Estimate.items")
        return self.items

    def to_dict(self) -> dict[str, Any]:
        """The estimate as JSON values, without its variances; None for what is not finite."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {
            **{name: end if math.isfinite(end) else None for name, end in ends.items()},
            "level": self.level,
            "items": self.items,
            "item": self.item,
            "runs": list(self.runs),
            "note": self.note,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], *, item: str = "planes") -> "Estimate":
        """The estimate that `to_dict` wrote; its variances are NaN.

        Files of dbviz 0.1 are read too: they call the number of items `triplets` and write `runs` as text (`3 x 3`).

        Args:
            item: what an item is where the fields do not say so, as those of dbviz 0.1 do not.
        """
        runs = fields["runs"]
        value, low, high = (math.nan if fields[name] is None else fields[name] for name in ("value", "low", "high"))
        if math.isnan(high) and not math.isnan(low):  # an interval without an upper end
            value, high = math.inf if math.isnan(value) else value, math.inf
        return cls(
            value=value,
            low=low,
            high=high,
            level=fields["level"],
            items=fields["items"] if "items" in fields else fields["triplets"],
            item=fields.get("item", item),
            runs=tuple(map(int, runs.split(" x "))) if isinstance(runs, str) else tuple(runs),
            note=fields["note"],
        )


Estimate.__init__ = renamed_parameter("triplets", "items")(Estimate.__init__)

Statistic = Callable[[list[np.ndarray], np.ndarray], float]
"""A score as a function of the runs that are left in (an index array a network) and of the items that are."""


@renamed_parameter("triplets", "items")
def jackknife_estimate(
    statistic: Statistic,
    runs: tuple[int, ...],
    items: int,
    *,
    item: str = "planes",
    groups: int | None = None,
    fewest_runs: int = 2,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """The value of `statistic` with its interval over runs and items; see the module's docstring.

    Args:
        runs: number of runs of each network.
        items: number of planes or images.
        item: what an item is, in the plural, for the record.
        groups: leave items out by the group (delete-a-group jackknife, Kott 2001); `statistic` then takes the indices
            of groups. By default items are left out one at a time.
        fewest_runs: runs of each network that the statistic needs: 2 for pairs within a network.
        bounds: range of the score; the interval is clipped to it.

    Raises:
        InputError: fewer than two items or groups, or fewer runs than the statistic needs.

    Example:
        >>> values = np.array([[0.2, 0.4, 0.9], [0.2, 0.5, 0.7], [0.3, 0.3, 0.8]])  # run, plane
        >>> jackknife_estimate(lambda runs, planes: values[np.ix_(runs[0], planes)].mean(), (3,), 3, fewest_runs=1)
        Estimate(0.48 [-0.24, 1.20], 3 planes, 3 runs)
    """
    units = items if groups is None else groups
    if units < 2:
        raise InputError(f"an interval needs at least two {item}: {items} given")
    if min(runs) < fewest_runs:
        raise InputError(f"{_runs(min(runs))} given: the score needs at least {fewest_runs} runs of each network")
    all_runs, all_units = [np.arange(count) for count in runs], np.arange(units)
    value = statistic(all_runs, all_units)
    item_variance = _jackknife_variance([statistic(all_runs, np.delete(all_units, unit)) for unit in all_units])
    run_variances = [
        _jackknife_variance([statistic(_without_run(all_runs, network, run), all_units) for run in range(count)])
        for network, count in enumerate(runs)
        if count > fewest_runs
    ]
    variances, freedom = [item_variance, *run_variances], [units - 1, *(n - 1 for n in runs if n > fewest_runs)]
    half_width = _half_width(variances, freedom, level)
    covered = len(run_variances) == len(runs)
    return Estimate(
        value=value,
        low=float(max(bounds[0], value - half_width)),
        high=float(min(bounds[1], value + half_width)),
        level=level,
        items=items,
        item=item,
        runs=runs,
        run_variance=sum(run_variances) if covered else math.nan,
        item_variance=item_variance,
        note="" if covered else f"over {item} alone: {_runs(min(runs))} cannot show how runs vary",
    )


def means_estimate(
    values: Float64[np.ndarray, "run item"],
    *,
    items: int | None = None,
    item: str = "planes",
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """The mean over runs and items of a score that is defined for a single run, such as its number of fragments.

    Args:
        values: the score of each run on each item; or its mean over each group of items, with `items` their number.
        items: number of items, where they come in groups.
        item: what an item is, in the plural.

    Raises:
        InputError: fewer than two items.

    Example:
        >>> means_estimate(np.array([[7.0, 5, 9], [6, 5, 8], [7, 4, 9]]))
        Estimate(6.7 [1.9, 11.5], 3 planes, 3 runs)
    """

    def mean(run_indices: list[np.ndarray], item_indices: np.ndarray) -> float:
        return float(values[np.ix_(run_indices[0], item_indices)].mean())

    runs, units = values.shape
    counted = units if items is None else items
    return jackknife_estimate(
        mean, (runs,), counted, item=item, groups=units, fewest_runs=1, level=level, bounds=bounds
    )


def _jackknife_variance(left_out: list[float]) -> float:
    """(n - 1) / n times the sum of squares about their mean (Efron & Stein 1981)."""
    values: Float64[np.ndarray, " n"] = np.asarray(left_out)
    return float((len(values) - 1) * values.var())


def _without_run(runs: list[np.ndarray], network: int, run: int) -> list[np.ndarray]:
    return [*runs[:network], np.delete(runs[network], run), *runs[network + 1 :]]


def _half_width(variances: list[float], freedom: list[int], level: float) -> float:
    """Student's quantile times the standard error, with Satterthwaite's degrees of freedom."""
    total = sum(variances)
    degrees = total**2 / sum(v**2 / f for v, f in zip(variances, freedom, strict=True)) if total > 0 else 1
    # stdtrit is what scipy.stats.t.ppf calls; scipy.stats takes most of a second to import.
    return float(scipy.special.stdtrit(degrees, 0.5 + level / 2)) * np.sqrt(total)


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"
