"""Standard deviations over runs: worked by hand, and unbiased where the plug-in is not."""

import itertools
import math

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.scores import distribution_deviation, distribution_variance, standard_deviation

TRUE = 0.01
"""The standard deviation, over runs, of the accuracy of `simulated` runs on the distribution of images."""


def simulated(rng: np.random.Generator, runs: int, images: int, deviation: float = TRUE) -> np.ndarray:
    """Which images each run gets right: each image has its own chance of that, which a run shifts for all of them."""
    chance = rng.uniform(0.45, 0.95, images) + deviation * rng.standard_normal((runs, 1))
    return rng.random((runs, images)) < chance


def test_a_deviation_and_its_chi_square_interval():
    estimate = standard_deviation(np.array([0.70, 0.72, 0.74]), items=50)
    assert estimate.value == pytest.approx(0.02)
    # the 2.5 % and 97.5 % quantiles of chi-square with 2 degrees of freedom are -2 log of .975 and .025
    assert estimate.low == pytest.approx(0.02 / math.sqrt(-math.log(0.025)))
    assert estimate.high == pytest.approx(0.02 / math.sqrt(-math.log(0.975)))
    assert (estimate.runs, estimate.items, estimate.item) == ((3,), 50, "test images")


@pytest.mark.parametrize(
    ("correct", "variance"),
    [
        ([[1, 1], [0, 0]], 0.5),  # all of the variance is common to both images
        ([[1, 0], [0, 1]], -0.5),  # equal accuracies, although single images differ
        ([[1, 1, 0], [1, 0, 0], [1, 0, 1]], -1 / 18),
        ([[1, 1], [1, 1]], 0.0),
    ],
)
def test_the_distributions_variance_worked_by_hand(correct, variance):
    assert distribution_variance(np.array(correct, bool)) == pytest.approx(variance)


def test_it_is_the_mean_covariance_of_two_images():
    correct = simulated(np.random.default_rng(0), 6, 9)
    pairs = [np.cov(correct[:, i], correct[:, j])[0, 1] for i, j in itertools.combinations(range(9), 2)]
    assert distribution_variance(correct) == pytest.approx(np.mean(pairs))


def test_it_is_unbiased_where_that_of_the_test_set_is_not():
    rng = np.random.default_rng(1)
    drawn = [simulated(rng, 10, 500) for _ in range(1500)]
    unbiased = np.array([distribution_variance(correct) for correct in drawn])
    plug_in = np.array([correct.mean(axis=1).var(ddof=1) for correct in drawn])
    errors = [values.std() / math.sqrt(len(values)) for values in (unbiased, plug_in)]
    assert abs(unbiased.mean() - TRUE**2) < 2 * errors[0]
    assert plug_in.mean() - TRUE**2 > 50 * errors[1]


def test_runs_that_are_all_as_good_come_out_below_zero_half_of_the_time():
    rng = np.random.default_rng(2)
    below = [distribution_variance(simulated(rng, 10, 200, deviation=0.0)) < 0 for _ in range(400)]
    assert 0.4 < np.mean(below) < 0.65


def test_the_jackknife_interval_holds_the_truth():
    rng = np.random.default_rng(3)
    estimates = [distribution_deviation(simulated(rng, 12, 1000)) for _ in range(300)]
    assert 0.9 < np.mean([one.low <= TRUE <= one.high for one in estimates]) < 0.99


def test_below_zero_it_is_zero_with_a_note_that_this_is_noise():
    estimate = distribution_deviation(np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1]], bool))
    assert (estimate.value, estimate.low) == (0, 0)
    assert estimate.note == "within noise of zero"
    wide = distribution_deviation(np.array([[1, 1], [0, 0], [1, 1]], bool))
    assert wide.value == pytest.approx(math.sqrt(distribution_variance(np.array([[1, 1], [0, 0], [1, 1]], bool))))
    clear = distribution_deviation(simulated(np.random.default_rng(4), 30, 20_000, deviation=0.05))
    assert clear.note == ""
    assert clear.low < clear.value < clear.high


def test_two_runs_have_no_upper_end():
    estimate = distribution_deviation(np.array([[1, 1, 0], [0, 0, 0]], bool))
    assert (estimate.low, estimate.high) == (0, math.inf)


def test_one_run_or_one_image_is_too_few():
    with pytest.raises(InputError, match="1 run has no spread: give at least two"):
        standard_deviation(np.array([0.5]))
    with pytest.raises(InputError, match="1 run has no spread"):
        distribution_variance(np.ones((1, 5), bool))
    with pytest.raises(InputError, match="1 test image has no variance"):
        distribution_variance(np.ones((5, 1), bool))
