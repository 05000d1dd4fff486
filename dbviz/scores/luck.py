"""Lucky seeds: how extreme the best run is for so many, and whether its luck lasts on other test images."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy import integrate, stats

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
    """The best or the worst of several runs, beside what as many draws from one normal distribution give."""

    run: int
    """Its place among the runs."""
    value: float
    deviations: float
    """How far it lies from the mean, in the runs' own standard deviations."""
    expected: float
    """The value expected of so many normal draws with the runs' own mean and standard deviation."""
    probability: float
    """How often the extreme of so many normal draws lies as far out."""


def extreme(accuracies: Float64[np.ndarray, " run"], *, best: bool) -> Extreme:
    """The run of highest (or, if not `best`, of lowest) accuracy; the first of equal ones.

    Raises:
        InputError: fewer than two runs.
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
    """Mean of (largest - mean) / deviation of `count` normal draws, the mean and deviation being those of the draws.

    The expected maximum of standard normal draws over the expected sample deviation: what is divided by the sample's
    own deviation is independent of it (Basu 1955).

    Example:
        >>> round(expected_maximum(2) ** 2, 6)  # of two draws the larger lies 1 / sqrt(2) deviations above the mean
        0.5
    """

    def density(x: float) -> float:
        return float(x * count * stats.norm.pdf(x) * stats.norm.cdf(x) ** (count - 1))

    largest = integrate.quad(density, -10, 10, points=[0, stats.norm.ppf(1 - 1 / (count + 1))])[0]
    deviation = math.sqrt(2 / (count - 1)) * math.exp(math.lgamma(count / 2) - math.lgamma((count - 1) / 2))
    return largest / deviation


def reached_by_chance(deviations: float, count: int) -> float:
    """Probability that the largest of `count` normal draws lies at least so many of their deviations above their mean.

    A draw's own studentised deviation follows Thompson's distribution, a transform of Student's (Thompson 1935), and
    the draws are taken as independent of each other: 1 - (1 - p)^count (compare Grubbs 1950). Where the result is below
    0.1 it is right within 0.01; where it is large it is up to 0.2 too small.
    """
    furthest = (count - 1) / math.sqrt(count)
    if count < 3 or deviations <= 0:
        return 1.0
    if deviations >= furthest:
        return 0.0
    squared = deviations**2 * count
    student = math.sqrt((count - 2) * squared / ((count - 1) ** 2 - squared))
    return float(-np.expm1(count * stats.t.logcdf(student, count - 2)))


def half_accuracies(
    correct: Bool[np.ndarray, "run image"], *, splits: int = 100, rng: np.random.Generator
) -> Float64[np.ndarray, "split 2 run"]:
    """Each run's accuracy on either half of the test images, which are split at random so many times.

    One image of an odd number belongs to neither half.

    Raises:
        InputError: fewer than two images.
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
    """Pearson's correlation over runs of the accuracies on two halves, the mean over splits; a jackknife over runs.

    0 is expected where runs differ only in which images of the finite test set they happen to get right; then the mean
    over many splits has a standard deviation of 1 / sqrt(2 (runs - 1)). 1 would mean that a lucky seed is as lucky
    anywhere. The mean covariance of two halves is the `distribution_variance`.

    Raises:
        InputError: fewer than four runs, with which a correlation says nothing.
    """
    runs = halves.shape[2]
    if runs < 4:
        raise InputError(f"{runs} runs give no correlation with an interval: give at least four")
    one, other = np.moveaxis(halves - halves.mean(axis=2, keepdims=True), 1, 0)
    sums = one * other, one**2, other**2
    value = float(_mean_correlation(*(part.sum(axis=1) for part in sums)))
    # leaving out a run changes a centred sum of products by n / (n - 1) times its own product
    left = [part.sum(axis=1, keepdims=True) - runs / (runs - 1) * part for part in sums]
    variance = (runs - 1) * float(np.var(_mean_correlation(*left)))
    half = float(stats.t.ppf(0.5 + level / 2, runs - 1)) * math.sqrt(variance)
    return Estimate(
        value=value,
        low=max(-1.0, value - half),
        high=min(1.0, value + half),
        level=level,
        triplets=len(halves),
        runs=(runs,),
        run_variance=variance,
        item_variance=0.0,
    )


def chance_correlation(runs: int, splits: int, *, level: float = 0.95) -> float:
    """Up to which size `halves_correlation` lies by chance where 0 is expected.

    Half of the variance of a single split's correlation is that of the runs' whole accuracies, which more splits do not
    make smaller: the variance is (1 + 1 / splits) / (2 (runs - 1)).
    """
    return float(stats.norm.ppf(0.5 + level / 2)) * math.sqrt((1 + 1 / splits) / (2 * (runs - 1)))


def _mean_correlation(
    products: Float64[np.ndarray, "split ..."],
    squares_1: Float64[np.ndarray, "split ..."],
    squares_2: Float64[np.ndarray, "split ..."],
) -> Float64[np.ndarray, " *run"]:
    """The mean over splits of products over the root of squares; no number where a half's accuracies are all equal."""
    scale = np.sqrt(squares_1 * squares_2)
    none = np.full_like(scale, np.nan)
    return np.asarray(np.divide(products, scale, out=none, where=scale > 1e-15).mean(axis=0))
