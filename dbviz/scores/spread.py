"""How far the accuracies of runs that differ in their seeds alone spread."""

import math

import numpy as np
from jaxtyping import Float64
from scipy import stats

from dbviz.errors import InputError
from dbviz.scores.estimate import Estimate

__all__ = ["standard_deviation"]


def standard_deviation(accuracies: Float64[np.ndarray, " run"], *, images: int = 0, level: float = 0.95) -> Estimate:
    """The standard deviation over runs, with the interval that normally distributed accuracies give it (chi-square).

    Args:
        images: how many test images the accuracies were measured on, for the record.

    Raises:
        InputError: fewer than two runs.

    Example:
        >>> import numpy as np
        >>> print(standard_deviation(np.array([0.70, 0.72, 0.74])))
        0.02 [0.01, 0.13]
    """
    freedom = _freedom(len(accuracies))
    value = float(accuracies.std(ddof=1))
    tails = stats.chi2.ppf([0.5 + level / 2, 0.5 - level / 2], freedom)
    low, high = (value * math.sqrt(freedom / tail) for tail in tails)
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        triplets=images,
        runs=(len(accuracies),),
        run_variance=value**2 / (2 * freedom),
        triplet_variance=math.nan,
    )


def _freedom(runs: int) -> int:
    if runs < 2:
        raise InputError(f"{runs} run gives no spread: give at least two runs")
    return runs - 1
