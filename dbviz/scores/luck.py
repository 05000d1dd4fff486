"""Lucky seeds: how extreme the best of many runs is, and whether it is as good on other test images."""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Bool, Float64

from dbviz.core.errors import InputError
from dbviz.scores.estimate import Estimate

__all__ = [
    "Extreme",
    "chance_correlation",
    "expected_maximum",
    "extreme",
    "half_accuracies",
    "halves_correlation",
    "reached_by_chance",
]


@dataclass(frozen=True, kw_only=True)
class Extreme:
    """The best or the worst of several runs, compared with as many draws from one normal distribution.

    Example:
        >>> best = extreme(np.array([0.2, 0.1, 0.6, 0.3]), best=True)
        >>> (best.run, best.value, round(best.expected, 2), round(best.probability, 2))
        (2, 0.6, 0.54, 0.14)
    """

    run: int
    """Its index among the runs."""
    value: float
    """Its accuracy."""
    deviations: float
    """Its distance from the mean, in standard deviations of the runs."""
    expected: float
    """The value expected of as many normal draws with the runs' mean and standard deviation."""
    probability: float
    """The probability that the extreme of as many normal draws is at least as far from the mean."""


def extreme(accuracies: Float64[np.ndarray, " run"], *, best: bool) -> Extreme:
    """The run of highest (or, if not `best`, of lowest) accuracy; the first of equal ones.

    Raises:
        InputError: fewer than two runs.

    Example:
        >>> worst = extreme(np.array([0.2, 0.1, 0.6, 0.3]), best=False)
        >>> (worst.run, worst.value, round(worst.deviations, 2))
        (1, 0.1, 0.93)
    """
    if len(accuracies) < 2:
        raise InputError(f"{len(accuracies)} run has no extreme: give at least two runs")
    sign, count = 1 if best else -1, len(accuracies)
    run = int((sign * accuracies).argmax())
    value, mean, deviation = float(accuracies[run]), float(accuracies.mean()), float(accuracies.std(ddof=1))
    deviations = sign * (value - mean) / deviation if np.ptp(accuracies) > 0 else 0.0
    return Extreme(
        run=run,
        value=value,
        deviations=deviations,
        expected=mean + sign * deviation * expected_maximum(count),
        probability=reached_by_chance(deviations, count),
    )


def expected_maximum(count: int) -> float:
    """Mean of (largest - mean) / deviation of `count` normal draws, with the draws' own mean and deviation.

    It is the expected maximum of standard normal draws over their expected sample deviation, since the ratio is
    independent of the sample deviation (Basu 1955).

    Example:
        >>> round(expected_maximum(2) ** 2, 6)  # of two draws the larger is 1 / sqrt(2) deviations above the mean
        0.5
    """

    def density(x: float) -> float:
        return float(x * count * scipy.stats.norm.pdf(x) * scipy.stats.norm.cdf(x) ** (count - 1))

    largest = scipy.integrate.quad(density, -10, 10, points=[0, scipy.stats.norm.ppf(1 - 1 / (count + 1))])[0]
    deviation = math.sqrt(2 / (count - 1)) * math.exp(math.lgamma(count / 2) - math.lgamma((count - 1) / 2))
    return largest / deviation


def reached_by_chance(deviations: float, count: int) -> float:
    """Probability that the largest of `count` normal draws is at least this many of their deviations above their mean.

    A draw's own studentised deviation follows Thompson's distribution, a transform of Student's (Thompson 1935), and
    the draws are taken as independent of each other: 1 - (1 - p)^count (compare Grubbs 1950). A result below 0.1 has an
    error of at most 0.01; a large result is up to 0.2 too small.

    Example:
        >>> round(reached_by_chance(2.5, 30), 2)
        0.12
    """
    furthest = (count - 1) / math.sqrt(count)
    if count < 3 or deviations <= 0:
        return 1.0
    if deviations >= furthest:
        return 0.0
    squared = deviations**2 * count
    remainder = (count - 1) ** 2 - squared
    if remainder <= 0:  # rounded, where the deviation is the largest that is possible
        return 0.0
    student = math.sqrt((count - 2) * squared / remainder)
    return float(-np.expm1(count * scipy.stats.t.logcdf(student, count - 2)))


def half_accuracies(
    correct: Bool[np.ndarray, "run image"], *, splits: int = 100, rng: np.random.Generator
) -> Float64[np.ndarray, "split 2 run"]:
    """Each run's accuracy on both halves of the test images, for several random splits.

    One image of an odd number belongs to neither half.

    Args:
        correct: which test images each run classifies correctly.
        splits: number of random splits.
        rng: draws the splits.

    Raises:
        InputError: fewer than two images.

    Example:
        >>> correct = np.array([[True, True, False, False], [True, True, True, True]])
        >>> half_accuracies(correct, splits=1, rng=np.random.default_rng(0))  # split, half, run
        array([[[0.5, 1. ],
                [0.5, 1. ]]])
    """
    count = correct.shape[1]
    if count < 2:
        raise InputError(f"{count} test image cannot be split: give at least two")
    side = np.zeros((splits, 2, count), np.float32)
    for split in side:
        order = rng.permutation(count)
        split[0, order[: count // 2]] = split[1, order[count // 2 : count // 2 * 2]] = 1
    return (side @ correct.T.astype(np.float32)).astype(float) / (count // 2)


def halves_correlation(halves: Float64[np.ndarray, "split 2 run"], *, level: float = 0.95) -> Estimate:
    """Pearson's correlation over runs between the accuracies on two halves: mean over splits, jackknife over runs.

    0 is expected where runs differ only in which images of the finite test set they happen to classify correctly; then
    the mean over many splits has a standard deviation of 1 / sqrt(2 (runs - 1)). 1 means that a lucky seed is as lucky
    on any images. The mean covariance of two halves is the `distribution_variance`.

    Args:
        halves: from `half_accuracies`.

    Raises:
        InputError: fewer than four runs.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> correct = rng.random((10, 2000)) < rng.uniform(0.6, 0.8, (10, 1))  # some runs are better than others
        >>> halves_correlation(half_accuracies(correct, splits=20, rng=rng))
        Estimate(0.94 [0.84, 1.00], 20 splits, 10 runs)
    """
    runs = halves.shape[2]
    if runs < 4:
        raise InputError(f"{runs} runs give no correlation with an interval: give at least four")
    half_1, half_2 = np.moveaxis(halves - halves.mean(axis=2, keepdims=True), 1, 0)
    products = half_1 * half_2, half_1**2, half_2**2
    value = float(_mean_correlation(*(part.sum(axis=1) for part in products)))
    # leaving out a run changes a centred sum of products by n / (n - 1) times its own product
    left_out = [part.sum(axis=1, keepdims=True) - runs / (runs - 1) * part for part in products]
    variance = (runs - 1) * float(np.var(_mean_correlation(*left_out)))
    half_width = float(scipy.stats.t.ppf(0.5 + level / 2, runs - 1)) * math.sqrt(variance)
    return Estimate(
        value=value,
        low=max(-1.0, value - half_width),
        high=min(1.0, value + half_width),
        level=level,
        items=len(halves),
        item="splits",
        runs=(runs,),
        run_variance=variance,
        item_variance=0.0,
    )


def chance_correlation(runs: int, splits: int, *, level: float = 0.95) -> float:
    """The bound within which `halves_correlation` is by chance, with probability `level`, where 0 is expected.

    Half of the variance of a single split's correlation is due to the runs' accuracies on all images, which more splits
    do not reduce: the variance is (1 + 1 / splits) / (2 (runs - 1)).

    Example:
        >>> round(chance_correlation(runs=10, splits=100), 2)
        0.46
    """
    return float(scipy.stats.norm.ppf(0.5 + level / 2)) * math.sqrt((1 + 1 / splits) / (2 * (runs - 1)))


def _mean_correlation(
    products: Float64[np.ndarray, "split ..."],
    squares_1: Float64[np.ndarray, "split ..."],
    squares_2: Float64[np.ndarray, "split ..."],
) -> Float64[np.ndarray, " *run"]:
    """The mean over splits of products over the root of squares; NaN where a half's accuracies are all equal."""
    scale = np.sqrt(np.maximum(squares_1 * squares_2, 0.0))  # sums of squares may be rounded below zero
    undefined = np.full_like(scale, np.nan)
    return np.asarray(np.divide(products, scale, out=undefined, where=scale > 1e-15).mean(axis=0))
