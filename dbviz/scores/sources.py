"""From which sources of randomness the spread of runs comes: shares of variance, each with its interval.

In a factorial design every subset of some sources is varied while the others stay at one value. Of a quantity y of a
run, with Sobol's (1993) indices:

    total share of s:        Var(y | all but s fixed) / Var(y)    what is left if s alone varies, interactions included
    first-order share of s:  1 - Var(y | s fixed) / Var(y)        what goes away if s alone is fixed

Here what is fixed is fixed at one value. In the mean over such values these are Sobol's indices; a single value may
happen to be one at which runs vary more, or less. Total shares sum to more than 1 where sources interact.

Disagreement has the same decomposition. Let y be a prediction as a unit vector in the space of the classes: two runs
differ with probability E|y - y'|^2 / 2, which is the sum of the variances of y's components. So the share of images, or
of points on planes, on which two runs differ is a variance, and its ratios are shares of it.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from scipy import stats

from dbviz.core.errors import InputError
from dbviz.scores.agreement import pair_table
from dbviz.scores.churn import churn_table, grouped
from dbviz.scores.estimate import Estimate, jackknife_estimate, means_estimate
from dbviz.scores.fragmentation import fragments
from dbviz.scores.reproducibility import pairs_estimate
from dbviz.scores.spread import standard_deviation

__all__ = [
    "NEARLY_FULL",
    "QUANTITIES",
    "Cell",
    "SourceAnalysis",
    "analyse_sources",
    "cell_name",
    "disagreement_ratio",
    "nearly_full",
    "runs_to_tell",
    "source_shares",
    "variance_ratio",
]

Cell = tuple[str, ...]
"""The sources that vary in one cell of the design, such as ("init", "order")."""
Ratio = Callable[[np.ndarray, np.ndarray], Estimate]
"""The variance among some runs over that among others, both given by their positions."""

NEARLY_FULL = 0.8
"""The share of the variance from which a source is said to give nearly all of it: our choice, none is published."""


def cell_name(cell: Cell) -> str:
    """What a cell is called, such as `init + order`."""
    return " + ".join(cell)


def source_shares(cells: Mapping[Cell, Int64[np.ndarray, " run"]], ratio: Ratio) -> dict[str, dict[str, Estimate]]:
    """The total and the first-order share of every source in the variance when all of them vary.

    Sources that take no part in the largest cell, such as a nudge, have a total share alone: their variance over the
    full one.

    Args:
        cells: which runs belong to each cell; the largest holds the full variance.
        ratio: of the quantity that is decomposed: `variance_ratio` or `disagreement_ratio` of these positions.

    Returns:
        Both by source; nothing where fewer than two sources vary together.
    """
    every = max(cells, key=len, default=())
    if len(every) < 2:
        return {"total": {}, "first-order": {}}
    alone = [cell for cell in cells if len(cell) == 1]
    rest = {source: tuple(other for other in every if other != source) for source in every}
    return {
        "total": {source: ratio(cells[(source,)], cells[every]) for (source,) in alone},
        "first-order": {
            source: ratio(cells[others], cells[every]).complement for source, others in rest.items() if others in cells
        },
    }


def variance_ratio(
    values: Float64[np.ndarray, " run"], others: Float64[np.ndarray, " other"], *, level: float = 0.95
) -> Estimate:
    """The variance of `values` over that of `others`, with the interval of the F distribution.

    That interval is for normally distributed values of independent runs. A run that both share, such as the base run
    of a factorial design, makes the two variances vary together, so that the interval holds the truth a little more
    often than it says. No number where `others` do not vary.

    Raises:
        InputError: fewer than two of either.
    """
    counts = len(values), len(others)
    if min(counts) < 2:
        raise InputError(f"{min(counts)} run has no variance: give at least two runs of each cell")
    denominator = float(others.var(ddof=1))
    value = float(values.var(ddof=1)) / denominator if denominator > 0 else math.nan
    tails = stats.f.ppf([0.5 + level / 2, 0.5 - level / 2], counts[0] - 1, counts[1] - 1)
    low, high = (value / float(tail) for tail in tails)
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        triplets=0,
        runs=counts,
        note="" if denominator > 0 else "no number where no run differs from another",
    )


def disagreement_ratio(
    table: Float64[np.ndarray, "run run group"],
    runs: Int64[np.ndarray, " some"],
    others: Int64[np.ndarray, " other"],
    *,
    level: float = 0.95,
) -> Estimate:
    """The mean disagreement of pairs of `runs` over that of pairs of `others`, with a jackknife interval.

    Args:
        table: disagreement of every two runs in each group of images, or on each plane.

    Raises:
        InputError: fewer than two runs of either, or fewer than two groups.
    """

    def ratio(kept: list[np.ndarray], groups: np.ndarray) -> float:
        one, other = (_mean_of_pairs(table, some[k], groups) for some, k in zip((runs, others), kept, strict=True))
        return one / other if other > 0 else math.nan

    return jackknife_estimate(
        ratio, (len(runs), len(others)), table.shape[2], fewest_runs=2, level=level, bounds=(0.0, math.inf)
    )


def nearly_full(share: Estimate) -> Literal["yes", "no", "too few runs to tell"]:
    """Whether a source alone gives nearly the full variance, by where the interval of its share lies.

    yes: all of it at `NEARLY_FULL` or above; no: all of it below.
    """
    if share.note:  # the interval does not cover how runs vary
        return "too few runs to tell"
    if share.low >= NEARLY_FULL:
        return "yes"
    return "no" if share.high < NEARLY_FULL else "too few runs to tell"


def runs_to_tell(level: float = 0.95) -> int:
    """How many runs of each cell give a variance ratio of 1 an interval that lies above `NEARLY_FULL`."""
    return next(
        count for count in itertools.count(2) if stats.f.ppf(0.5 + level / 2, count - 1, count - 1) <= 1 / NEARLY_FULL
    )


def _mean_of_pairs(table: np.ndarray, runs: np.ndarray, groups: np.ndarray) -> float:
    block = table[np.ix_(runs, runs, groups)].mean(axis=2)
    return float(block[~np.eye(len(runs), dtype=bool)].mean())


QUANTITIES = ("test accuracy", "predictions", "regions")
"""What is decomposed: the variance of the accuracy, and disagreement on test images and on points of planes."""


@dataclass(frozen=True, kw_only=True)
class SourceAnalysis:
    """The numbers of a factorial design over sources of randomness."""

    scores: dict[str, dict[str, Estimate]]
    """By the name of the score, and in it by the cell's."""
    shares: dict[str, dict[str, dict[str, Estimate]]]
    """By quantity, then `total` and `first-order`, then source; see `dbviz.scores.sources`."""


def analyse_sources(
    predictions: Int64[np.ndarray, "run n"],
    labels: Int64[np.ndarray, " n"],
    label_maps: UInt8[np.ndarray, "run plane row column"],
    cells: Mapping[Cell, Int64[np.ndarray, " some"]],
) -> SourceAnalysis:
    """Spread, churn, reproducibility and fragments of each cell's runs, and the shares of variance.

    Args:
        predictions: the class that each run gives to each test image.
        labels: the images' own.
        label_maps: of the same runs, on the same planes.
        cells: which runs belong to each cell.

    Raises:
        InputError: a cell of fewer than two runs; fewer than two images or planes.
    """
    if few := [cell_name(cell) for cell, runs in cells.items() if len(runs) < 2]:
        raise InputError(f"cell {few[0]!r} has fewer than two runs: two at least show how runs spread")
    right = (predictions == labels).astype(float)
    accuracies = right.mean(axis=1)
    churned, agreed = churn_table(predictions), pair_table(label_maps)
    counts = fragments(label_maps).astype(float)
    images, planes = len(labels), label_maps.shape[1]
    named = {cell_name(cell): runs for cell, runs in cells.items()}
    scores = {
        "test accuracy": {n: means_estimate(grouped(right[runs]), bounds=(0.0, 1.0)) for n, runs in named.items()},
        "sd of test accuracy, %": {
            n: standard_deviation(100 * accuracies[runs], images=images) for n, runs in named.items()
        },
        "churn": {n: pairs_estimate(churned, [runs]) for n, runs in named.items()},
        "reproducibility": {n: pairs_estimate(agreed, [runs]) for n, runs in named.items()},
        "fragments of a plane": {n: means_estimate(counts[runs], bounds=(0.0, np.inf)) for n, runs in named.items()},
        "sd of fragments": {
            n: standard_deviation(counts[runs].mean(axis=1), images=planes) for n, runs in named.items()
        },
    }
    shares = {
        "test accuracy": source_shares(cells, lambda one, other: variance_ratio(accuracies[one], accuracies[other])),
        "predictions": source_shares(cells, lambda one, other: disagreement_ratio(churned, one, other)),
        "regions": source_shares(cells, lambda one, other: disagreement_ratio(1 - agreed, one, other)),
    }
    return SourceAnalysis(scores=scores, shares=shares)
