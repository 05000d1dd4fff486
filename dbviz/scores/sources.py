"""Sources of randomness: the share of the variance over runs that each is responsible for, with its interval.

In a factorial design every subset of some sources is varied while the others are fixed at one value. For a quantity y
of a run, with Sobol's (1993) indices:

    total share of s:        Var(y | all but s fixed) / Var(y)    what remains if s alone varies, interactions included
    first-order share of s:  1 - Var(y | s fixed) / Var(y)        what is removed if s alone is fixed

What is fixed here is fixed at one value. Averaged over such values these are Sobol's indices; at a single value runs
may happen to vary more, or less. Total shares sum to more than 1 where sources interact.

Disagreement has the same decomposition. Let y be a prediction as a unit vector in the space of the classes: two runs
differ with probability E|y - y'|^2 / 2, which is the sum of the variances of y's components. So the share of images, or
of points on planes, on which two runs differ is a variance, and its ratios are shares of that variance.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy
from jaxtyping import Float64, Int64, UInt

from dbviz.core.errors import InputError
from dbviz.scores.agreement import pair_table
from dbviz.scores.churn import churn_table, group_means
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
    "runs_needed",
    "source_shares",
    "variance_ratio",
]

Cell = tuple[str, ...]
"""The sources that vary in one cell of the design, such as ("init", "order")."""
Ratio = Callable[[np.ndarray, np.ndarray], Estimate]
"""The variance among some runs over that among others, both given by their positions."""

NEARLY_FULL = 0.8
"""The share of the variance that counts as nearly all of it; our choice, since none is published."""


def cell_name(cell: Cell) -> str:
    """The name of a cell.

    Example:
        >>> cell_name(("init", "order"))
        'init + order'
    """
    return " + ".join(cell)


def source_shares(cells: Mapping[Cell, Int64[np.ndarray, " run"]], ratio: Ratio) -> dict[str, dict[str, Estimate]]:
    """The total and the first-order share of every source in the variance when all of them vary.

    Sources that are not in the largest cell, such as a nudge, have a total share only: their variance over the full
    one.

    Args:
        cells: which runs belong to each cell; the largest cell has the full variance.
        ratio: of the quantity that is decomposed: `variance_ratio` or `disagreement_ratio` of these positions.

    Returns:
        `total` and `first-order`, each by source; both empty where fewer than two sources vary together.

    Example:
        >>> accuracies = np.array([0.70, 0.71, 0.69, 0.73, 0.66, 0.74, 0.67])
        >>> cells = {("init",): np.array([0, 1, 2]), ("order",): np.array([0, 3, 4])}
        >>> cells["init", "order"] = np.array([0, 5, 6])
        >>> shares = source_shares(cells, lambda runs, full: variance_ratio(accuracies[runs], accuracies[full]))
        >>> {source: round(share.value, 2) for source, share in shares["total"].items()}
        {'init': 0.08, 'order': 1.0}
        >>> {source: round(share.value, 2) for source, share in shares["first-order"].items()}
        {'init': 0.0, 'order': 0.92}
    """
    full = max(cells, key=len, default=())
    if len(full) < 2:
        return {"total": {}, "first-order": {}}
    single = [cell for cell in cells if len(cell) == 1]
    without = {source: tuple(other for other in full if other != source) for source in full}
    return {
        "total": {source: ratio(cells[(source,)], cells[full]) for (source,) in single},
        "first-order": {
            source: ratio(cells[rest], cells[full]).complement for source, rest in without.items() if rest in cells
        },
    }


def variance_ratio(
    values: Float64[np.ndarray, " run"],
    reference: Float64[np.ndarray, " other"],
    *,
    items: int = 0,
    item: str = "test images",
    level: float = 0.95,
) -> Estimate:
    """The variance of `values` over that of `reference`, with the interval of the F distribution.

    The interval is for normally distributed values of independent runs. A run that both share, such as the base run
    of a factorial design, makes the two variances vary together, so that the interval contains the true ratio slightly
    more often than its level. NaN where `reference` does not vary.

    Args:
        items: number of images or planes that the values were measured on, for the record.
        item: what an item is, in the plural.

    Raises:
        InputError: fewer than two of either.

    Example:
        >>> variance_ratio(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0, 6.0]))
        Estimate(0.15 [0.01, 5.87], 0 test images, 3 x 4 runs)
    """
    counts = len(values), len(reference)
    if min(counts) < 2:
        raise InputError(f"{min(counts)} run has no variance: give at least two runs of each cell")
    denominator = float(reference.var(ddof=1))
    value = float(values.var(ddof=1)) / denominator if denominator > 0 else math.nan
    tails = scipy.stats.f.ppf([0.5 + level / 2, 0.5 - level / 2], counts[0] - 1, counts[1] - 1)
    low, high = (value / float(tail) for tail in tails)
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        items=items,
        item=item,
        runs=counts,
        note="" if denominator > 0 else "NaN since no run differs from another",
    )


def disagreement_ratio(
    table: Float64[np.ndarray, "run run item"],
    runs: Int64[np.ndarray, " some"],
    reference: Int64[np.ndarray, " other"],
    *,
    items: int | None = None,
    item: str = "planes",
    level: float = 0.95,
) -> Estimate:
    """The mean disagreement of pairs of `runs` over that of pairs of `reference`, with a jackknife interval.

    Args:
        table: disagreement of every two runs on each item; or its mean over each group of items, with `items` their
            number.
        runs, reference: positions of runs in the table.
        items: number of items, where they come in groups.
        item: what an item is, in the plural.

    Raises:
        InputError: fewer than two runs of either, or fewer than two items.

    Example:
        >>> table = np.zeros((4, 4, 2))
        >>> table[0, 1] = table[1, 0] = [0.1, 0.3]
        >>> table[2, 3] = table[3, 2] = [0.4, 0.6]
        >>> round(disagreement_ratio(table, np.array([0, 1]), np.array([2, 3])).value, 2)
        0.4
    """

    def ratio(indices: list[np.ndarray], items: np.ndarray) -> float:
        numerator = _mean_of_pairs(table, runs[indices[0]], items)
        denominator = _mean_of_pairs(table, reference[indices[1]], items)
        return numerator / denominator if denominator > 0 else math.nan

    return jackknife_estimate(
        ratio,
        (len(runs), len(reference)),
        table.shape[2] if items is None else items,
        item=item,
        groups=table.shape[2],
        fewest_runs=2,
        level=level,
        bounds=(0.0, math.inf),
    )


def nearly_full(share: Estimate) -> Literal["yes", "no", "too few runs to tell"]:
    """Whether a source alone is responsible for nearly the full variance, decided by the interval of its share.

    yes: the interval is at `NEARLY_FULL` or above; no: it is below.

    Example:
        >>> nearly_full(Estimate(value=0.4, low=0.2, high=0.7, items=500, runs=(5, 5)))
        'no'
    """
    if share.note:  # the interval does not cover how runs vary
        return "too few runs to tell"
    if share.low >= NEARLY_FULL:
        return "yes"
    return "no" if share.high < NEARLY_FULL else "too few runs to tell"


def runs_needed(level: float = 0.95) -> int:
    """The number of runs of each cell for which a variance ratio of 1 has an interval above `NEARLY_FULL`.

    Example:
        >>> runs_needed(level=0.5)
        39
    """
    return next(
        count
        for count in itertools.count(2)
        if scipy.stats.f.ppf(0.5 + level / 2, count - 1, count - 1) <= 1 / NEARLY_FULL
    )


def _mean_of_pairs(table: np.ndarray, runs: np.ndarray, items: np.ndarray) -> float:
    block = table[np.ix_(runs, runs, items)].mean(axis=2)
    return float(block[~np.eye(len(runs), dtype=bool)].mean())


QUANTITIES = ("test accuracy", "predictions", "regions")
"""What is decomposed: the variance of the accuracy, and disagreement on test images and on points of planes."""


@dataclass(frozen=True, kw_only=True, repr=False)
class SourceAnalysis:
    """The results of a factorial design over sources of randomness; see `analyse_sources`.

    Example:
        >>> share = Estimate(value=0.4, low=0.2, high=0.7, items=500, runs=(5, 5))
        >>> SourceAnalysis(scores={"churn": {"init": share}}, shares={"predictions": {"total": {"init": share}}})
        SourceAnalysis(scores of 1 cell: churn; shares of the variance of: predictions)
    """

    scores: dict[str, dict[str, Estimate]]
    """By the name of the score and the name of the cell."""
    shares: dict[str, dict[str, dict[str, Estimate]]]
    """By quantity, `total` or `first-order`, and source; see `dbviz.scores.sources`."""

    def __repr__(self) -> str:
        cells = max(map(len, self.scores.values()), default=0)
        scores, shares = ", ".join(self.scores), ", ".join(self.shares)
        return (
            f"SourceAnalysis(scores of {cells} cell{'s'[: cells != 1]}: {scores}; shares of the variance of: {shares})"
        )


def analyse_sources(
    predictions: Int64[np.ndarray, "run n"],
    labels: Int64[np.ndarray, " n"],
    label_maps: UInt[np.ndarray, "run plane row column"],
    cells: Mapping[Cell, Int64[np.ndarray, " some"]],
) -> SourceAnalysis:
    """Spread, churn, reproducibility and fragments of each cell's runs, and the shares of variance.

    Args:
        predictions: the class that each run predicts for each test image.
        labels: the true classes.
        label_maps: of the same runs, on the same planes.
        cells: which runs belong to each cell.

    Raises:
        InputError: a cell of fewer than two runs; fewer than two images or planes.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> predictions, maps = rng.integers(0, 3, (7, 100)), rng.integers(0, 3, (7, 4, 9, 9), dtype=np.uint8)
        >>> cells = {("init",): np.array([0, 1, 2]), ("order",): np.array([0, 3, 4])}
        >>> cells["init", "order"] = np.array([0, 5, 6])
        >>> analysis = analyse_sources(predictions, np.zeros(100, np.int64), maps, cells)
        >>> analysis.scores["churn"]["init + order"]
        Estimate(0.68 [0.61, 0.74], 100 test images, 3 runs)
    """
    if few := [cell_name(cell) for cell, runs in cells.items() if len(runs) < 2]:
        raise InputError(f"cell {few[0]!r} has fewer than two runs: at least two show how runs spread")
    correct = (predictions == labels).astype(float)
    accuracies, agreed, changed = correct.mean(axis=1), pair_table(label_maps), churn_table(predictions)
    counts = fragments(label_maps).astype(float)
    images: dict[str, Any] = {"items": len(labels), "item": "test images"}
    planes: dict[str, Any] = {"items": label_maps.shape[1], "item": "planes"}

    def of_cells(score: Callable[[np.ndarray], Estimate]) -> dict[str, Estimate]:
        return {cell_name(cell): score(runs) for cell, runs in cells.items()}

    scores = {
        "test accuracy": of_cells(lambda runs: means_estimate(group_means(correct[runs]), **images, bounds=(0.0, 1.0))),
        "sd of test accuracy, %": of_cells(lambda runs: standard_deviation(100 * accuracies[runs], **images)),
        "churn": of_cells(lambda runs: pairs_estimate(changed, [runs], **images)),
        "reproducibility": of_cells(lambda runs: pairs_estimate(agreed, [runs])),
        "fragments of a plane": of_cells(lambda runs: means_estimate(counts[runs], bounds=(0.0, np.inf))),
        "sd of fragments": of_cells(lambda runs: standard_deviation(counts[runs].mean(axis=1), **planes)),
    }
    shares = {
        "test accuracy": source_shares(
            cells, lambda runs, reference: variance_ratio(accuracies[runs], accuracies[reference], **images)
        ),
        "predictions": source_shares(
            cells, lambda runs, reference: disagreement_ratio(changed, runs, reference, **images)
        ),
        "regions": source_shares(cells, lambda runs, reference: disagreement_ratio(1 - agreed, runs, reference)),
    }
    return SourceAnalysis(scores=scores, shares=shares)
