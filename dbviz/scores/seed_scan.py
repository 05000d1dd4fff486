"""All that is asked of the runs of one network under many seeds, after Picard 2021 and Jordan 2023."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from dbviz.scores.estimate import Estimate
from dbviz.scores.luck import Extreme, chance_correlation, extreme, half_accuracies, halves_correlation
from dbviz.scores.spread import distribution_deviation, standard_deviation

__all__ = ["SeedScan", "scan_seeds"]

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
