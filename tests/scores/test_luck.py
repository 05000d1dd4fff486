"""Extremes against normal draws, and whether luck lasts: worked by hand, by brute force and by simulation."""

import math

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.scores import (
    chance_correlation,
    distribution_variance,
    expected_maximum,
    extreme,
    half_accuracies,
    halves_correlation,
    reached_by_chance,
)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (2, 1 / math.sqrt(2)),
        (3, 3 / (2 * math.sqrt(math.pi)) / (math.sqrt(math.pi) / 2)),  # of the normal maximum, and of the deviation
        (10_000, 3.8517),  # 3.8516 for the maximum of so many normal draws (Harter 1961), whose deviation is nearly 1
    ],
)
def test_the_expected_maximum(count, expected):
    assert expected_maximum(count) == pytest.approx(expected, rel=1e-4)


def test_expected_maximum_and_chance_are_those_of_simulated_draws():
    drawn = np.random.default_rng(0).standard_normal((40_000, 8))
    largest = (drawn.max(axis=1) - drawn.mean(axis=1)) / drawn.std(axis=1, ddof=1)
    assert expected_maximum(8) == pytest.approx(largest.mean(), abs=0.005)
    for share in (0.1, 0.02):
        assert reached_by_chance(float(np.quantile(largest, 1 - share)), 8) == pytest.approx(share, abs=0.01)


def test_the_chance_at_either_end():
    assert reached_by_chance(0.7, 2) == 1  # of two, one lies always as far out
    assert reached_by_chance(0.0, 9) == 1
    assert reached_by_chance(2 / math.sqrt(3), 3) == 0  # further out than one of three can be
    assert reached_by_chance(np.nextafter(2 / math.sqrt(3), 0), 3) == 0  # no division by a difference rounded to zero
    assert reached_by_chance(1.5, 5) > reached_by_chance(1.6, 5) > 0


def test_the_best_and_the_worst_of_four():
    accuracies = np.array([0.2, 0.1, 0.6, 0.3])
    mean, deviation = 0.3, math.sqrt(0.14 / 3)
    best, worst = extreme(accuracies, best=True), extreme(accuracies, best=False)
    assert (best.run, best.value, worst.run, worst.value) == (2, 0.6, 1, 0.1)
    assert best.deviations == pytest.approx(0.3 / deviation)
    assert worst.deviations == pytest.approx(0.2 / deviation)
    assert (
        best.expected - mean == pytest.approx(mean - worst.expected) == pytest.approx(deviation * expected_maximum(4))
    )
    assert best.probability < worst.probability


def test_equal_runs_have_no_extreme_ones():
    gap = extreme(np.array([0.1, 0.1, 0.1]), best=False)
    assert (gap.run, gap.deviations, gap.probability) == (0, 0.0, 1.0)
    assert gap.expected == pytest.approx(0.1)


def test_halves_are_of_all_images_once():
    correct = np.random.default_rng(0).random((5, 12)) < 0.6
    halves = half_accuracies(correct, splits=7, rng=np.random.default_rng(1))
    assert halves.shape == (7, 2, 5)
    np.testing.assert_allclose(halves.mean(axis=1), np.tile(correct.mean(axis=1), (7, 1)))
    assert len({tuple(split.ravel()) for split in halves}) > 1
    odd = half_accuracies(np.ones((2, 5), bool), splits=3, rng=np.random.default_rng(1))
    assert (odd == 1).all()


def test_the_mean_covariance_of_halves_is_the_variance_on_endless_images():
    correct = np.random.default_rng(0).random((8, 40)) < np.linspace(0.4, 0.7, 8)[:, None]
    halves = half_accuracies(correct, splits=4000, rng=np.random.default_rng(1))
    covariances = [np.cov(split)[0, 1] for split in halves]
    error = np.std(covariances) / math.sqrt(len(covariances))
    assert abs(np.mean(covariances) - distribution_variance(correct)) < 2 * error


def test_the_correlation_and_its_jackknife_are_those_of_brute_force():
    halves = np.random.default_rng(0).random((3, 2, 6))
    halves[:, 1] += halves[:, 0]

    def mean_correlation(kept: np.ndarray) -> float:
        return float(np.mean([np.corrcoef(split[:, kept])[0, 1] for split in halves]))

    left = [mean_correlation(np.delete(np.arange(6), run)) for run in range(6)]
    correlation = halves_correlation(halves)
    assert correlation.value == pytest.approx(mean_correlation(np.arange(6)))
    assert correlation.run_variance == pytest.approx(5 * np.var(left))
    assert correlation.runs == (6,)


def test_lasting_luck_is_a_correlation_of_one():
    halves = np.stack([np.arange(5.0), 2 * np.arange(5.0) + 1])[None]
    correlation = halves_correlation(halves)
    assert correlation.value == correlation.high == pytest.approx(1)


def test_runs_that_differ_by_chance_alone_stay_within_its_reach():
    rng, correlations = np.random.default_rng(0), []
    chance = rng.uniform(0.3, 0.9, 300)
    for _ in range(300):
        halves = half_accuracies(rng.random((10, 300)) < chance, splits=10, rng=rng)
        correlations.append(halves_correlation(halves).value)
    assert abs(np.mean(correlations)) < 3 * np.std(correlations) / math.sqrt(300)
    assert 0.91 < np.mean(np.abs(correlations) < chance_correlation(10, 10)) < 0.99


def test_accuracies_that_are_all_equal_have_no_correlation():
    assert math.isnan(halves_correlation(np.full((2, 2, 5), 0.1)).value)


def test_too_little_is_refused():
    with pytest.raises(InputError, match="1 run has no extreme"):
        extreme(np.array([0.5]), best=True)
    with pytest.raises(InputError, match="3 runs give no correlation"):
        halves_correlation(np.zeros((2, 2, 3)))
    with pytest.raises(InputError, match="1 test image cannot be split"):
        half_accuracies(np.ones((4, 1), bool), rng=np.random.default_rng(0))
