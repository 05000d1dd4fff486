"""What the cells of a factorial design give: how far their runs spread, and which share of the variance is whose."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from dbviz.errors import InputError
from dbviz.scores.agreement import pair_table
from dbviz.scores.churn import churn_table, grouped
from dbviz.scores.estimate import Estimate, means_estimate
from dbviz.scores.fragmentation import fragments
from dbviz.scores.reproducibility import pairs_estimate
from dbviz.scores.sources import Cell, cell_name, disagreement_ratio, source_shares, variance_ratio
from dbviz.scores.spread import standard_deviation

__all__ = ["QUANTITIES", "SourceAnalysis", "analyse_sources"]

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
