"""Planned sample sizes: half-widths are those of the estimates, and a plan is enough and no more."""

from dataclasses import replace

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.scores import Estimate, jackknife_estimate, plan
from dbviz.scores.sample_size import expected_half_width


def pilot(run_variance: float, item_variance: float) -> Estimate:
    return Estimate(
        value=0.8,
        low=0.7,
        high=0.9,
        items=50,
        runs=(4,),
        run_variance=run_variance,
        item_variance=item_variance,
    )


def test_the_pilots_own_size_gives_back_its_half_width():
    values = np.random.default_rng(0).random((4, 30))
    estimate = jackknife_estimate(lambda runs, t: float(values[np.ix_(runs[0], t)].mean()), (4,), 30, fewest_runs=1)
    assert expected_half_width(estimate, 4, 30) == pytest.approx(estimate.half_width)


def test_a_plan_is_enough_and_one_plane_less_is_not():
    planned = plan(pilot(1e-4, 4e-4), 0.03)
    assert planned.half_width <= 0.03
    assert expected_half_width(pilot(1e-4, 4e-4), planned.runs, planned.items - 1) > 0.03


def test_where_planes_vary_alone_their_number_follows_from_the_normal_quantile():
    # variance of one plane: 50 * 4e-4 = .02; (1.96 / .01)^2 * .02 = 768
    assert plan(pilot(0.0, 4e-4), 0.01, runs=5).items == pytest.approx(768, abs=4)


def test_a_half_width_that_cannot_be_reached_is_refused():
    with pytest.raises(InputError, match="cannot be reached with 3 runs"):
        plan(pilot(1e-2, 1e-4), 0.01, runs=3)
    with pytest.raises(InputError, match="of at least three"):
        plan(pilot(float("nan"), 1e-4), 0.01)
    with pytest.raises(InputError, match="runs is 1: an interval over runs needs at least 2"):
        plan(pilot(1e-4, 1e-4), 0.01, runs=1)
    with pytest.raises(InputError, match="above 0"):
        plan(pilot(1e-4, 1e-4), 0.0)


def test_the_variance_over_runs_falls_as_their_number_grows():
    # four times the pilot's four runs: 1e-4 / 4; Student, 15 degrees of freedom: 2.1314495
    assert expected_half_width(pilot(1e-4, 0.0), 16, 50) == pytest.approx(2.1314495 * 0.005)


def test_a_plan_says_what_its_items_are():
    of_images = replace(pilot(0.0, 4e-4), item="test images")
    planned = plan(of_images, 0.01, runs=5)
    assert planned.item == "test images"
    with pytest.warns(FutureWarning, match=r"Plan\.triplets is now Plan\.items"):
        assert planned.triplets == planned.items
