"""A score with its confidence interval, which accounts for two samples: the runs, and the planes or images.

The published scores average over triplets and over all pairs of a few runs, without an error. Pairs that share a run
are not independent, so their spread underestimates the uncertainty. Here whole runs and whole items (planes or images)
are left out in turn: the delete-one jackknife of each, with the variances added (an upper bound to first order, since
what both share is counted twice), and a Student quantile with the degrees of freedom of Satterthwaite (1946), which
widens the interval of few runs.

Runs that share a seed are not independent either: those of one seed are left out together, and where several seeds are
crossed, such as that of the initial weights and that of the label noise, each is left out in turn; see `seed_factors`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

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

    Where the interval does not cover how runs vary, it prints as such:

        >>> print(replace(estimate, runs=(2,), note="over planes alone: 2 runs cannot show how runs vary"))
        0.831 [0.825, 0.841] (planes only)
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
        return f"{self.value_text} {self.interval_text}{f' ({self.covers})' if self.covers else ''}"

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
    def value_text(self) -> str:
        """The value alone, with the digits of the interval."""
        return f"{self.value:.{self._digits()}f}"

    @property
    def interval_text(self) -> str:
        """The interval alone, in brackets."""
        digits = self._digits()
        return f"[{self.low:.{digits}f}, {self.high:.{digits}f}]"

    @property
    def covers(self) -> str:
        """What the interval covers where that is not how runs and items vary, such as `planes only`; else empty."""
        if self.note.startswith(f"over {self.item} alone"):
            return f"{self.item} only"
        return "not all of the runs' variation" if self.note.startswith(f"over {self.item} and part of") else ""

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
"""A score as a function of the runs that are left in (an index array a network) and of the items that are.

It is NaN where too few runs are left for it.
"""
Unit = tuple[np.ndarray, ...]
"""Runs that are left out together: their indices in each network."""
Factor = Sequence[Unit]
"""The units of one source of variation, such as the runs of each seed."""


@renamed_parameter("triplets", "items")
def jackknife_estimate(
    statistic: Statistic,
    runs: tuple[int, ...],
    items: int,
    *,
    item: str = "planes",
    groups: int | None = None,
    fewest_runs: int = 2,
    factors: Sequence[Factor] | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    scale: Literal["identity", "logit"] = "identity",
) -> Estimate:
    """The value of `statistic` with its interval over runs and items; see the module's docstring.

    Args:
        runs: number of runs of each network.
        items: number of planes or images.
        item: what an item is, in the plural, for the record.
        groups: leave items out by the group (delete-a-group jackknife, Kott 2001); `statistic` then takes the indices
            of groups. By default items are left out one at a time.
        fewest_runs: runs of each network that the statistic needs: 2 for pairs within a network.
        factors: which runs are left out together, from `seed_factors`. By default every run is left out alone.
        bounds: range of the score; the interval is clipped to it.
        scale: `logit` for shares: the interval is symmetric in log(p / (1 - p)), and asymmetric near 0 and 1, where a
            symmetric one would miss the true value on one side. The variances are on the scale of the score.

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
    of_items = np.array([statistic(all_runs, np.delete(all_units, unit)) for unit in all_units])
    chosen = _each_run(runs, fewest_runs) if factors is None else factors
    of_runs = [_left_out(statistic, all_runs, all_units, factor) for factor in chosen]
    complete = len(chosen) >= (len(runs) if factors is None else 1)
    if factors is not None:  # units without which too few runs remain for the statistic
        complete &= all(len(values) > 1 and not np.isnan(values).any() for values in of_runs)
        of_runs = [values[~np.isnan(values)] for values in of_runs]
    usable = [(values, _freedom(factor)) for values, factor in zip(of_runs, chosen, strict=True) if len(values) > 1]
    left_out, freedom = [of_items, *(values for values, _ in usable)], [units - 1, *(f for _, f in usable)]
    low, high = _interval(value, left_out, freedom, level, scale)
    return Estimate(
        value=value,
        low=float(max(bounds[0], low)),
        high=float(min(bounds[1], high)),
        level=level,
        items=items,
        item=item,
        runs=runs,
        run_variance=sum(_jackknife_variance(values) for values, _ in usable) if complete else math.nan,
        item_variance=_jackknife_variance(of_items),
        note="" if complete else _uncovered(item, runs, part=bool(usable)),
    )


def means_estimate(
    values: Float64[np.ndarray, "run item"],
    *,
    items: int | None = None,
    item: str = "planes",
    factors: Sequence[Factor] | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    scale: Literal["identity", "logit"] = "identity",
) -> Estimate:
    """The mean over runs and items of a score that is defined for a single run, such as its number of fragments.

    Args:
        values: the score of each run on each item; or its mean over each group of items, with `items` their number.
        items: number of items, where they come in groups.
        item: what an item is, in the plural.
        factors: which runs are left out together; see `jackknife_estimate`.
        scale: as in `jackknife_estimate`.

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
        mean,
        (runs,),
        counted,
        item=item,
        groups=units,
        fewest_runs=1,
        factors=factors,
        level=level,
        bounds=bounds,
        scale=scale,
    )


def _each_run(runs: tuple[int, ...], fewest_runs: int) -> list[Factor]:
    """Each run of each network that has more of them than are needed, by itself."""
    none = np.arange(0)
    return [
        [tuple(np.array([run]) if other == network else none for other in range(len(runs))) for run in range(count)]
        for network, count in enumerate(runs)
        if count > fewest_runs
    ]


def _left_out(
    statistic: Statistic, runs: list[np.ndarray], items: np.ndarray, factor: Factor
) -> Float64[np.ndarray, " unit"]:
    """The statistic without each unit in turn; NaN where a network has no run left."""
    values = []
    for unit in factor:
        remaining = [np.delete(indices, unit[network]) for network, indices in enumerate(runs)]
        values.append(statistic(remaining, items) if min(map(len, remaining)) else math.nan)
    return np.array(values, float)


def _freedom(factor: Factor) -> int:
    """Degrees of freedom of a factor: those of the network in which it has the fewest levels."""
    levels = [sum(len(indices) > 0 for indices in network) for network in zip(*factor, strict=True)]
    return min((count - 1 for count in levels if count > 1), default=1)


def _jackknife_variance(left_out: Float64[np.ndarray, " n"]) -> float:
    """(n - 1) / n times the sum of squares about their mean (Efron & Stein 1981)."""
    return float((len(left_out) - 1) * left_out.var())


def _interval(
    value: float, left_out: list[np.ndarray], freedom: list[int], level: float, scale: Literal["identity", "logit"]
) -> tuple[float, float]:
    """The ends of the interval, before they are clipped."""
    half_width = _half_width([_jackknife_variance(values) for values in left_out], freedom, level)
    if scale == "identity" or not 0 < value < 1:
        return value - half_width, value + half_width
    if all(values.min() > 0 and values.max() < 1 for values in left_out):
        variances = [_jackknife_variance(scipy.special.logit(values)) for values in left_out]
        half_width = _half_width(variances, freedom, level)
    else:  # without one unit all points agree, or none: the derivative of the logit at the value is finite
        half_width /= value * (1 - value)
    centre = scipy.special.logit(value)
    return float(scipy.special.expit(centre - half_width)), float(scipy.special.expit(centre + half_width))


def _half_width(variances: list[float], freedom: list[int], level: float) -> float:
    """Student's quantile times the standard error, with Satterthwaite's degrees of freedom."""
    total = sum(variances)
    degrees = total**2 / sum(v**2 / f for v, f in zip(variances, freedom, strict=True)) if total > 0 else 1
    # stdtrit is what scipy.stats.t.ppf calls; scipy.stats takes most of a second to import.
    return float(scipy.special.stdtrit(degrees, 0.5 + level / 2)) * np.sqrt(total)


def _uncovered(item: str, runs: tuple[int, ...], *, part: bool) -> str:
    if part:
        return f"over {item} and part of how runs vary: a network has one run, or a seed too few values, for the rest"
    return f"over {item} alone: {_runs(min(runs))} cannot show how runs vary"


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"
