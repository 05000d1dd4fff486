"""The standard deviation of test accuracy over seeds: on the test set, and on the distribution it was drawn from.

Accuracies are shares in [0, 1].
"""

import math

import numpy as np
import scipy
from jaxtyping import Bool, Float64

from dbviz.core.deprecation import renamed_parameter
from dbviz.core.errors import InputError
from dbviz.scores.estimate import Estimate

__all__ = ["distribution_deviation", "distribution_variance", "standard_deviation"]


@renamed_parameter("images", "items")
def standard_deviation(
    accuracies: Float64[np.ndarray, " run"], *, items: int = 0, item: str = "test images", level: float = 0.95
) -> Estimate:
    """The standard deviation over runs, with the chi-square interval for normally distributed accuracies.

    Args:
        items: number of test images that the accuracies were measured on, for the record.
        item: what an item is, in the plural.

    Raises:
        InputError: fewer than two runs.

    Example:
        >>> standard_deviation(np.array([0.70, 0.72, 0.74]), items=10_000)
        Estimate(0.02 [0.01, 0.13], 10,000 test images, 3 runs)
    """
    freedom = _freedom(len(accuracies))
    value = float(accuracies.std(ddof=1))
    tails = scipy.stats.chi2.ppf([0.5 + level / 2, 0.5 - level / 2], freedom)
    low, high = (value * math.sqrt(freedom / tail) for tail in tails)
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        items=items,
        item=item,
        runs=(len(accuracies),),
        run_variance=value**2 / (2 * freedom),
    )


def distribution_variance(correct: Bool[np.ndarray, "run image"]) -> float:
    """The variance over runs of the accuracy on the test distribution, estimated without bias (Jordan 2023, eq. 3).

    The accuracy A_S of a run on a set S of n images varies over runs for two reasons: runs differ in how good they are,
    and each happens to classify other images of S correctly. The variance of a mean of n is the sum of n variances and
    n (n - 1) covariances of single images, over n^2. In the mean over sets S an image's variance over runs is
    v = E_x Var(correct(x)), and the covariance of two independently drawn images is the variance of what all images
    have in common, the accuracy A_D over the whole distribution. Hence

        E_S Var(A_S) = v / n + (1 - 1/n) Var(A_D),   so   (n Var(A_S) - v) / (n - 1)

    estimates Var(A_D), with both variances the unbiased ones over runs. It is negative where the runs happen to differ
    by less than the finite test set alone would let them; if Var(A_D) is zero, it is negative half of the time.

    Args:
        correct: which test images each run classifies correctly.

    Raises:
        InputError: fewer than two runs, or fewer than two images.

    Example:
        >>> distribution_variance(np.array([[True, True], [False, False]]))  # all variance is common to both images
        0.5
    """
    of_images = _of_images(correct)
    return _of_distribution(float(correct.mean(axis=1).var(ddof=1)), *of_images)


def distribution_deviation(correct: Bool[np.ndarray, "run image"], *, level: float = 0.95) -> Estimate:
    """The root of `distribution_variance`, with a jackknife interval over runs; 0 where the variance is negative.

    The jackknife is of the logarithm of Var(A_S), whose distribution is less skewed, with Student's quantile; what the
    finite test set adds is subtracted from both ends. Of such intervals over 5 to 30 simulated runs, 93 to 96 %
    contained the true value.

    Raises:
        InputError: fewer than two runs, or fewer than two images.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> correct = rng.random((20, 1000)) < 0.7 + 0.02 * rng.standard_normal((20, 1))  # runs differ by 2 %
        >>> distribution_deviation(correct)
        Estimate(0.017 [0.007, 0.026], 1,000 test images, 20 runs)
    """
    runs, images = correct.shape
    of_images = _of_images(correct)
    deviations = correct.mean(axis=1) - correct.mean()
    squares = float((deviations**2).sum())
    left_out = squares - runs / (runs - 1) * deviations**2  # sums of squares about the mean, one run left out
    half_width = math.inf  # of the logarithm
    if runs > 2 and left_out.min() > 0:
        error = math.sqrt((runs - 1) * float(np.var(np.log(left_out))))
        half_width = float(scipy.stats.t.ppf(0.5 + level / 2, runs - 1)) * error
    variance = squares / (runs - 1)
    high_end = variance * math.exp(half_width) if half_width < math.inf else math.inf
    ends = variance * math.exp(-half_width), variance, high_end
    variances = [_of_distribution(end, *of_images) for end in ends]
    low, value, high = (math.sqrt(max(0.0, variance)) for variance in variances)
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        items=images,
        item="test images",
        runs=(runs,),
        note="within noise of zero" if low == 0 else "",
    )


def _of_images(correct: Bool[np.ndarray, "run image"]) -> tuple[float, int]:
    """The mean over images of the variance over runs of being correct; the number of images."""
    runs, images = correct.shape
    _freedom(runs)
    if images < 2:
        raise InputError(f"{images} test image has no variance: give at least two")
    rate = correct.mean(axis=0)
    return float((rate * (1 - rate)).mean() * runs / (runs - 1)), images


def _of_distribution(of_runs: float, of_images: float, images: int) -> float:
    return (images * of_runs - of_images) / (images - 1)


def _freedom(runs: int) -> int:
    if runs < 2:
        raise InputError(f"{runs} run has no spread: give at least two runs")
    return runs - 1
