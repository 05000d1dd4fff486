"""Intervals: worked values, and how an estimate prints, is written and is read back."""

import json
import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.scores import Estimate, jackknife_estimate, means_estimate


def mean_of(values: np.ndarray):
    """The mean of values (run, item) as a statistic."""
    return lambda runs, items: float(values[np.ix_(runs[0], items)].mean())


def test_without_differences_between_runs_the_interval_is_the_students_of_the_items():
    values = np.tile([0.2, 0.4, 0.9], (4, 1))
    estimate = jackknife_estimate(mean_of(values), (4,), 3, fewest_runs=1)
    standard_error = np.std([0.2, 0.4, 0.9], ddof=1) / np.sqrt(3)
    assert estimate.value == pytest.approx(0.5)
    assert estimate.run_variance == pytest.approx(0, abs=1e-20)
    assert estimate.half_width == pytest.approx(4.302652730 * standard_error)  # Student, 2 degrees of freedom, 95 %


def test_without_differences_between_items_the_interval_is_the_students_of_the_runs():
    values = np.tile([[1.0], [3.0]], (1, 5))
    estimate = jackknife_estimate(mean_of(values), (2,), 5, fewest_runs=1)
    assert estimate.run_variance == pytest.approx(1.0)  # variance 2 over 2 runs
    assert estimate.half_width == pytest.approx(12.7062047 * 1.0)


def test_the_interval_of_two_runs_of_pairs_is_over_items_alone_and_its_note_states_that():
    table = np.random.default_rng(0).random((2, 2, 6))
    estimate = jackknife_estimate(lambda _, t: float(table[0, 1, t].mean()), (2,), 6)
    assert np.isnan(estimate.run_variance)
    assert estimate.note == "over planes alone: 2 runs cannot show how runs vary"
    estimate = jackknife_estimate(lambda _, t: float(table[0, 1, t].mean()), (2,), 6, item="test images")
    assert estimate.note.startswith("over test images alone")


def test_an_estimate_prints_value_and_interval():
    common = {"items": 500, "runs": (5,), "run_variance": 0.0, "item_variance": 0.0}
    assert str(Estimate(value=0.831, low=0.8249, high=0.846, **common)) == "0.83 [0.82, 0.85]"
    assert str(Estimate(value=0.831, low=0.8249, high=0.841, **common)) == "0.831 [0.825, 0.841]"
    assert str(Estimate(value=0.5, low=0.5, high=0.5, **common)) == "0.50 [0.50, 0.50]"
    assert str(Estimate(value=0.65051, low=0.65050, high=0.65052, **common)) == "0.6505 [0.6505, 0.6505]"
    assert f"{Estimate(value=12.34, low=11.96, high=12.7, **common):>20}" == "   12.3 [12.0, 12.7]"


def test_bounds_cut_the_interval():
    estimate = jackknife_estimate(mean_of(np.array([[0.9, 1.0, 1.0]] * 3)), (3,), 3, fewest_runs=1, bounds=(0.0, 1.0))
    assert estimate.high == 1.0


@pytest.mark.parametrize(
    ("runs", "items", "message"), [((3,), 1, "at least two planes: 1 given"), ((1,), 5, "1 run given.*at least 2 runs")]
)
def test_too_few_are_refused(runs, items, message):
    with pytest.raises(InputError, match=message):
        jackknife_estimate(lambda _, __: 0.0, runs, items)


def test_items_in_groups_are_counted_one_by_one_and_left_out_by_the_group():
    values = np.array([[0.2, 0.4, 0.9]] * 2)
    estimate = jackknife_estimate(mean_of(values), (2,), 3000, item="test images", groups=3, fewest_runs=1)
    assert (estimate.items, estimate.item) == (3000, "test images")
    assert estimate.half_width == pytest.approx(4.302652730 * np.std(values[0], ddof=1) / np.sqrt(3))
    assert means_estimate(values, items=3000, item="test images") == estimate


def estimate_of(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, items=500, item="splits", runs=(5, 3), note="a note")


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [(0.8, 0.7, 0.9), (math.inf, 2.0, math.inf), (1.5, 0.0, math.inf), (math.nan, -1.0, 1.0), (*[math.nan] * 3,)],
)
def test_an_estimate_is_read_back_from_json_as_it_was_but_for_its_variances(value, low, high):
    estimate = estimate_of(value, low, high)
    fields = json.loads(json.dumps(estimate.to_dict(), allow_nan=False))
    assert (fields["items"], fields["item"], fields["runs"]) == (500, "splits", [5, 3])
    read = Estimate.from_dict(fields)
    np.testing.assert_equal(vars(read), vars(estimate))


@pytest.mark.parametrize(("text", "runs"), [("3", (3,)), ("5 x 3", (5, 3))])
def test_the_fields_of_the_first_release_are_read(text, runs):
    fields = {"value": 0.5, "low": 0.4, "high": 0.6, "level": 0.95, "triplets": 10000, "runs": text, "note": ""}
    estimate = Estimate.from_dict(fields, item="test images")
    assert (estimate.items, estimate.item, estimate.runs) == (10000, "test images", runs)


def test_the_old_name_of_items_works_with_a_warning():
    with pytest.warns(FutureWarning, match="triplets= is now items="):
        estimate = Estimate(value=0.5, low=0.4, high=0.6, triplets=7, runs=(3,))  # pyright: ignore[reportCallIssue]
    with pytest.warns(FutureWarning, match=r"Estimate\.triplets is now Estimate\.items"):
        assert estimate.triplets == 7


@pytest.mark.parametrize(("runs", "words"), [((1,), "1 run"), ((3,), "3 runs"), ((5, 1), "5 x 1 runs")])
def test_the_repr_is_short_and_counts_items_and_runs(runs, words):
    estimate = Estimate(value=0.5, low=0.4, high=0.6, items=10_000, item="test images", runs=runs)
    assert repr(estimate) == f"Estimate(0.50 [0.40, 0.60], 10,000 test images, {words})"


def test_an_interval_that_does_not_cover_the_runs_prints_as_such():
    full = Estimate(value=0.83, low=0.82, high=0.84, items=9, runs=(2,))
    planes = replace(full, note="over planes alone: 2 runs cannot show how runs vary; and more")
    assert (full.covers, planes.covers, str(planes)) == ("", "planes only", "0.83 [0.82, 0.84] (planes only)")
    assert Estimate.from_dict(planes.to_dict()).covers == "planes only"  # as read from files of earlier versions
    assert replace(full, note="within noise of zero").covers == ""


def test_near_one_the_interval_of_a_share_is_symmetric_in_the_logit():
    values = np.array([[0.97, 0.99, 0.995, 0.98]] * 3)
    statistic = mean_of(values)
    estimate = jackknife_estimate(statistic, (3,), 4, fewest_runs=1, bounds=(0.0, 1.0), scale="logit")
    plain = jackknife_estimate(statistic, (3,), 4, fewest_runs=1, bounds=(0.0, 1.0))
    logits = [math.log(p / (1 - p)) for p in (estimate.low, estimate.value, estimate.high)]
    assert logits[2] - logits[1] == pytest.approx(logits[1] - logits[0])
    left_out = [(values[0].sum() - value) / 3 for value in values[0]]
    error = math.sqrt(3 * np.var([math.log(p / (1 - p)) for p in left_out]))
    assert logits[2] - logits[1] == pytest.approx(3.182446305 * error)  # Student, 3 degrees of freedom, 95 %
    assert (estimate.value, estimate.item_variance) == (plain.value, plain.item_variance)
    assert plain.value - plain.low < estimate.value - estimate.low  # towards less reproducible it reaches farther


def test_where_all_agree_without_one_item_the_interval_of_a_share_is_finite():
    values = np.array([[1.0, 1.0, 0.9]] * 3)
    estimate = jackknife_estimate(mean_of(values), (3,), 3, fewest_runs=1, bounds=(0.0, 1.0), scale="logit")
    assert 0 < estimate.low < estimate.value < estimate.high < 1
    # the logit's derivative at the value v is 1 / (v (1 - v)); Student, 2 degrees of freedom, 95 %
    error = 4.302652730 * math.sqrt(estimate.item_variance) / (estimate.value * (1 - estimate.value))
    logits = [math.log(p / (1 - p)) for p in (estimate.low, estimate.value)]
    assert logits[1] - logits[0] == pytest.approx(error)
    equal = jackknife_estimate(mean_of(np.ones((3, 3))), (3,), 3, fewest_runs=1, bounds=(0.0, 1.0), scale="logit")
    assert (equal.low, equal.high) == (1, 1)


def test_intervals_of_an_agreement_near_one_hold_the_truth():
    """Agreement sigmoid(4.6 + 0.8 q + 1.2 d) of run quality q and plane ease d, both normal; 5 runs, 20 planes.

    Of 200 simulations, 95 % within three standard errors of 1.5 %; the symmetric interval misses more often.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    ease = math.sqrt(0.8**2 + 1.2**2)
    truth = float(weights / weights.sum() @ (1 / (1 + np.exp(-4.6 - ease * nodes))))
    hits: dict[Literal["logit", "identity"], list[bool]] = {"logit": [], "identity": []}
    for simulation in range(200):
        rng = np.random.default_rng(simulation)
        quality, ease = 0.8 * rng.standard_normal((5, 1)), 1.2 * rng.standard_normal(20)
        values = 1 / (1 + np.exp(-4.6 - quality - ease))
        for scale, covered in hits.items():
            estimate = jackknife_estimate(mean_of(values), (5,), 20, fewest_runs=1, bounds=(0.0, 1.0), scale=scale)
            covered.append(estimate.low <= truth <= estimate.high)
    assert truth > 0.97
    assert np.mean(hits["logit"]) == pytest.approx(0.95, abs=0.046)
    assert np.mean(hits["logit"]) > np.mean(hits["identity"]) + 0.03
