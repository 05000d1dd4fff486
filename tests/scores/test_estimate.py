"""Intervals: worked values, symmetry of runs, and coverage of the true value in simulation."""

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.scores import Estimate, jackknife_estimate


def mean_of(values: np.ndarray):
    """The mean of values (run, triplet) as a statistic."""
    return lambda runs, triplets: float(values[np.ix_(runs[0], triplets)].mean())


def test_without_differences_between_runs_the_interval_is_the_students_of_the_triplets():
    values = np.tile([0.2, 0.4, 0.9], (4, 1))
    estimate = jackknife_estimate(mean_of(values), (4,), 3, fewest_runs=1)
    standard_error = np.std([0.2, 0.4, 0.9], ddof=1) / np.sqrt(3)
    assert estimate.value == pytest.approx(0.5)
    assert estimate.run_variance == pytest.approx(0, abs=1e-20)
    assert estimate.half_width == pytest.approx(4.302652730 * standard_error)  # Student, 2 degrees of freedom, 95 %


def test_without_differences_between_triplets_the_interval_is_the_students_of_the_runs():
    values = np.tile([[1.0], [3.0]], (1, 5))
    estimate = jackknife_estimate(mean_of(values), (2,), 5, fewest_runs=1)
    assert estimate.run_variance == pytest.approx(1.0)  # variance 2 over 2 runs
    assert estimate.half_width == pytest.approx(12.7062047 * 1.0)


def test_two_runs_of_pairs_cover_triplets_alone_and_say_so():
    table = np.random.default_rng(0).random((2, 2, 6))
    estimate = jackknife_estimate(lambda _, t: float(table[0, 1, t].mean()), (2,), 6)
    assert np.isnan(estimate.run_variance)
    assert "2 runs cannot show" in estimate.note


def test_an_estimate_prints_value_and_interval():
    common = {"triplets": 500, "runs": (5,), "run_variance": 0.0, "item_variance": 0.0}
    assert str(Estimate(value=0.831, low=0.8249, high=0.846, **common)) == "0.83 [0.82, 0.85]"
    assert str(Estimate(value=0.831, low=0.8249, high=0.841, **common)) == "0.831 [0.825, 0.841]"
    assert str(Estimate(value=0.5, low=0.5, high=0.5, **common)) == "0.50 [0.50, 0.50]"
    assert str(Estimate(value=0.65051, low=0.65050, high=0.65052, **common)) == "0.6505 [0.6505, 0.6505]"
    assert f"{Estimate(value=12.34, low=11.96, high=12.7, **common):>20}" == "   12.3 [12.0, 12.7]"


def test_bounds_cut_the_interval():
    estimate = jackknife_estimate(mean_of(np.array([[0.9, 1.0, 1.0]] * 3)), (3,), 3, fewest_runs=1, bounds=(0.0, 1.0))
    assert estimate.high == 1.0


@pytest.mark.parametrize(("runs", "triplets", "said"), [((3,), 1, "at least two planes"), ((1,), 5, "at least 2 runs")])
def test_too_few_are_refused(runs, triplets, said):
    with pytest.raises(InputError, match=said):
        jackknife_estimate(lambda _, __: 0.0, runs, triplets)
