"""All that is asked of the runs of one network under many seeds, after Picard 2021 and Jordan 2023."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from dbviz.scores.estimate import Estimate
from dbviz.scores.luck import Extreme, chance_correlation, extreme, half_accuracies, halves_correlation
from dbviz.scores.published import published_spread
from dbviz.scores.spread import distribution_deviation, standard_deviation
from dbviz.scores.tables import estimate_fields

__all__ = ["SeedScan", "scan_fields", "scan_rows", "scan_seeds"]

_FEWEST = 4
"""Runs that a correlation needs."""


@dataclass(frozen=True, kw_only=True)
class SeedScan:
    """How the test accuracy of one network spreads over seeds."""

    seeds: tuple[str, ...]
    """What each run is called."""
    accuracies: Float64[np.ndarray, " run"]
    deviation: Estimate
    """The standard deviation on these test images."""
    distribution_deviation: Estimate
    """The same on endless test images."""
    best: Extreme
    worst: Extreme
    halves: Float64[np.ndarray, "2 run"]
    """Each run's accuracy on the halves of the first split."""
    correlation: Estimate | None
    """Of the accuracies on two halves, the mean over splits; None where there are too few runs."""
    chance: float
    """Up to which size that correlation lies by chance (95 %) if only the finite test set makes runs differ."""

    @property
    def mean(self) -> float:
        return float(self.accuracies.mean())

    @property
    def range(self) -> float:
        """Highest accuracy less the lowest."""
        return self.best.value - self.worst.value

    @property
    def expected_range(self) -> float:
        """The same of so many normal draws with the mean and deviation of the runs."""
        return self.best.expected - self.worst.expected


def scan_seeds(
    correct: Bool[np.ndarray, "run image"], seeds: Sequence[str], *, rng: np.random.Generator, splits: int = 100
) -> SeedScan:
    """The spread of runs that differ in their seeds alone.

    Args:
        correct: which test images each run classifies correctly.
        seeds: what each run is called.
        rng: draws the halves of the test images, `splits` times.

    Raises:
        InputError: fewer than two runs, or fewer than two images.
    """
    accuracies = correct.mean(axis=1)
    deviation = standard_deviation(accuracies, images=correct.shape[1])
    halves = half_accuracies(correct, splits=splits, rng=rng)
    return SeedScan(
        seeds=tuple(seeds),
        accuracies=accuracies,
        deviation=deviation,
        distribution_deviation=distribution_deviation(correct),
        best=extreme(accuracies, best=True),
        worst=extreme(accuracies, best=False),
        halves=halves[0],
        correlation=halves_correlation(halves) if len(correct) >= _FEWEST else None,
        chance=chance_correlation(len(correct), splits),
    )


def scan_fields(found: SeedScan) -> dict[str, Any]:
    """Every number of a scan as plain values."""
    return {
        "runs": len(found.seeds),
        "mean": found.mean,
        "deviation": estimate_fields(found.deviation),
        "distribution_deviation": estimate_fields(found.distribution_deviation),
        "best": _extreme_fields(found.best, found.seeds),
        "worst": _extreme_fields(found.worst, found.seeds),
        "range": found.range,
        "expected_range": found.expected_range,
        "correlation": None if found.correlation is None else estimate_fields(found.correlation),
        "correlation_by_chance": found.chance,
        "seeds": list(found.seeds),
        "accuracies": found.accuracies.tolist(),
        "halves": found.halves.tolist(),
    }


def scan_rows(scans: Sequence[SeedScan], dataset: str, *, head_alone: bool = False) -> list[list[str]]:
    """A table's rows: what it is, a cell for each scan, and what was published."""

    def row(what: str, cells: Sequence[str], key: str = "") -> list[str]:
        theirs = published_spread(dataset, key, head_alone=head_alone)
        return [what, *cells, f"{100 * theirs[0]:.3g}% ({theirs[1]})" if theirs else ""]

    correlations = [scan.correlation for scan in scans]
    return [
        row("runs", [str(len(scan.seeds)) for scan in scans]),
        row("mean test accuracy", [f"{scan.mean:.2%}" for scan in scans]),
        row("standard deviation", [_share(scan.deviation) for scan in scans], "deviation"),
        row(
            "the same on endless test images",
            [_share(scan.distribution_deviation) for scan in scans],
            "distribution_deviation",
        ),
        row("highest (seed)", [_with_seed(scan.best, scan.seeds) for scan in scans]),
        row("  of so many normal draws", [f"{scan.best.expected:.2%}" for scan in scans]),
        row("  chance of one so high", [f"{scan.best.probability:.2f}" for scan in scans]),
        row("lowest (seed)", [_with_seed(scan.worst, scan.seeds) for scan in scans]),
        row("  of so many normal draws", [f"{scan.worst.expected:.2%}" for scan in scans]),
        row("  chance of one so low", [f"{scan.worst.probability:.2f}" for scan in scans]),
        row("highest - lowest", [f"{scan.range:.2%}" for scan in scans], "range"),
        row("correlation of two halves", ["" if found is None else str(found) for found in correlations]),
        row("  by the finite test set alone", [f"0 ± {scan.chance:.2f}" for scan in scans]),
    ]


def _extreme_fields(found: Extreme, seeds: Sequence[str]) -> dict[str, Any]:
    return {"seed": seeds[found.run], **{name: value for name, value in vars(found).items() if name != "run"}}


def _share(estimate: Estimate) -> str:
    return f"{estimate.value:.3%} [{estimate.low:.3%}, {estimate.high:.3%}]"


def _with_seed(found: Extreme, seeds: Sequence[str]) -> str:
    return f"{found.value:.2%} ({seeds[found.run]})"
