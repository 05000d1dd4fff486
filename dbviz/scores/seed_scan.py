"""Test accuracy of one network under many seeds, after Picard 2021 and Jordan 2023."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from dbviz.scores.estimate import Estimate
from dbviz.scores.luck import Extreme, chance_correlation, extreme, half_accuracies, halves_correlation
from dbviz.scores.spread import distribution_deviation, standard_deviation

__all__ = ["SeedScan", "scan_seeds"]

_FEWEST_RUNS = 4
"""Needed for a correlation."""


@dataclass(frozen=True, kw_only=True, repr=False)
class SeedScan:
    """How the test accuracy of one network spreads over seeds; see `scan_seeds`.

    Example:
        >>> correct = np.random.default_rng(0).random((5, 1000)) < 0.7
        >>> scan = scan_seeds(correct, ["0", "1", "2", "3", "4"], rng=np.random.default_rng(1))
        >>> scan
        SeedScan(5 runs, mean test accuracy 69.9%, standard deviation 0.02 [0.01, 0.05])
        >>> scan.seeds[scan.best.run], scan.best.value
        ('1', 0.716)
    """

    seeds: tuple[str, ...]
    """The name of each run."""
    accuracies: Float64[np.ndarray, " run"]
    deviation: Estimate
    """Standard deviation over runs on these test images."""
    distribution_deviation: Estimate
    """Standard deviation over runs on the test distribution."""
    best: Extreme
    worst: Extreme
    halves: Float64[np.ndarray, "2 run"]
    """Each run's accuracy on the two halves of the first split."""
    correlation: Estimate | None
    """Correlation of the accuracies on two halves, mean over splits; None for fewer than four runs."""
    chance: float
    """Bound of that correlation by chance (95 %), if runs differ on the finite test set alone."""

    def __repr__(self) -> str:
        runs = len(self.seeds)
        return f"SeedScan({runs} runs, mean test accuracy {self.mean:.1%}, standard deviation {self.deviation})"

    @property
    def mean(self) -> float:
        """Mean accuracy over runs."""
        return float(self.accuracies.mean())

    @property
    def range(self) -> float:
        """Highest accuracy minus the lowest."""
        return self.best.value - self.worst.value

    @property
    def expected_range(self) -> float:
        """The range expected of as many normal draws with the mean and deviation of the runs."""
        return self.best.expected - self.worst.expected


def scan_seeds(
    correct: Bool[np.ndarray, "run image"], seeds: Sequence[str], *, rng: np.random.Generator, splits: int = 100
) -> SeedScan:
    """The spread of test accuracy over runs that differ in their seeds alone.

    Args:
        correct: which test images each run classifies correctly.
        seeds: the name of each run.
        rng: splits the test images in halves.
        splits: number of random splits.

    Raises:
        InputError: fewer than two runs, or fewer than two images.

    Example:
        >>> correct = np.random.default_rng(0).random((5, 1000)) < 0.7  # run, image
        >>> scan = scan_seeds(correct, ["0", "1", "2", "3", "4"], rng=np.random.default_rng(1))
        >>> scan.distribution_deviation  # all runs are equally good
        Estimate(0.01 [0.00, 0.03], 1,000 test images, 5 runs)
    """
    accuracies = correct.mean(axis=1)
    deviation = standard_deviation(accuracies, items=correct.shape[1])
    halves = half_accuracies(correct, splits=splits, rng=rng)
    return SeedScan(
        seeds=tuple(seeds),
        accuracies=accuracies,
        deviation=deviation,
        distribution_deviation=distribution_deviation(correct),
        best=extreme(accuracies, best=True),
        worst=extreme(accuracies, best=False),
        halves=halves[0],
        correlation=halves_correlation(halves) if len(correct) >= _FEWEST_RUNS else None,
        chance=chance_correlation(len(correct), splits),
    )
