"""Margins with censored directions: worked medians, means, choices of images, and intervals that cover the truth."""

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from dbviz.core.errors import InputError
from dbviz.scores import censored_share, image_margins, kaplan_meier_median, mean_margin, median_margin
from dbviz.scores.margin import _random_groups

ALL, NONE = np.ones(5, bool), np.zeros(5, bool)
FIVE = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


def measured(margin, largest: float, archs: list[str] | None = None) -> xr.Dataset:
    """Margins (model, image, direction) whose search ended at `largest`."""
    margin = np.asarray(margin, np.float64)
    dims, archs = ("model", "image", "direction"), archs or ["net"] * len(margin)
    return xr.Dataset(
        {"margin": (dims, np.minimum(margin, largest).astype(np.float32)), "crossed": (dims, margin < largest)},
        {"model": [f"model {i}" for i in range(len(archs))], "arch": ("model", archs)},
        {"maximum": largest},
    )


@pytest.mark.parametrize(
    ("crossed", "median"),
    [
        ([1, 1, 1, 1, 1], 3),  # 4/5, 3/5, 2/5
        ([1, 1, 0, 1, 0], 4),  # 4/5, 3/5, then 2 left: 3/5 x 1/2 = 3/10
        ([0, 1, 1, 1, 1], 3),  # 4 left at 2: 3/4, 3/4 x 2/3 = 1/2
        ([1, 0, 0, 0, 1], 5),  # 4/5, then the last one left: 0
        ([1, 1, 0, 0, 0], math.inf),  # 4/5, 3/5, and no more
        ([0, 0, 0, 0, 0], math.inf),
    ],
)
def test_the_median_is_the_one_worked_by_hand(crossed, median):
    assert kaplan_meier_median(FIVE, np.array(crossed, bool)) == median


def test_a_share_of_exactly_one_half_is_half():
    for count in range(2, 200, 2):  # the product of shares is rounded to more than one half for some
        crossed = np.arange(count) < count // 2
        assert kaplan_meier_median(np.arange(1.0, count + 1), crossed) == count // 2


def test_dropping_censored_directions_would_make_margins_smaller():
    crossed = np.array([1, 1, 0, 1, 0], bool)
    assert kaplan_meier_median(FIVE[crossed], crossed[crossed]) < kaplan_meier_median(FIVE, crossed)


@given(st.lists(st.tuples(st.floats(0.01, 50), st.booleans()), min_size=1, max_size=20), st.floats(0.1, 10))
def test_the_median_scales_with_the_margins_and_not_with_their_order(values, scale):
    margin, crossed = (np.array(part) for part in zip(*values, strict=True))
    median = kaplan_meier_median(margin, crossed)
    assert kaplan_meier_median(margin * scale, crossed) == pytest.approx(median * scale)
    assert kaplan_meier_median(margin[::-1].copy(), crossed[::-1].copy()) == median
    assert kaplan_meier_median(margin, np.ones(len(margin), bool)) <= median


def test_no_margin_has_no_median():
    with pytest.raises(InputError, match="no margin given"):
        kaplan_meier_median(FIVE[:0], ALL[:0])


def test_the_margin_of_an_image_is_the_mean_over_its_directions():
    assert image_margins(np.array([[1.0, 3.0], [10.0, 10.0]])).tolist() == [2.0, 10.0]
    assert censored_share(np.array([[True, True], [False, True]])) == 0.25


def test_the_mean_is_the_area_under_the_curve_of_kaplan_and_meier():
    margin = np.random.default_rng(0).exponential(4.0, (1, 30, 5))
    data = measured(margin, 6.0)
    flat, crossed = data.margin.values.ravel().astype(float), data.crossed.values.ravel()
    survival = stats.ecdf(stats.CensoredData(flat[crossed], right=flat[~crossed])).sf
    area = integrate.quad(survival.evaluate, 0, 6, points=np.sort(flat[crossed]), limit=2000)[0]
    assert mean_margin(data)["net"].value == pytest.approx(area, rel=1e-3)


def test_each_architecture_has_its_mean_and_its_median():
    margin = np.stack([np.full((16, 2), 1.0), np.full((16, 2), 2.0), np.full((16, 2), 4.0)])
    data = measured(margin, 8.0, ["one", "other", "other"])
    means, medians = mean_margin(data), median_margin(data)
    assert {arch: estimate.value for arch, estimate in means.items()} == {"one": 1.0, "other": 3.0}
    assert {arch: estimate.value for arch, estimate in medians.items()} == {"one": 1.0, "other": 2.0}
    assert {arch: (estimate.runs, estimate.items) for arch, estimate in medians.items()} == {
        "one": ((1,), 16),
        "other": ((2,), 16),
    }
    assert means["one"].note == "over images alone: 1 run cannot show how runs vary"
    assert means["other"].note == ""


def test_only_the_images_of_the_mask_count():
    margin = np.array([[[1.0], [2.0], [3.0], [4.0], [50.0]], [[5.0], [6.0], [7.0], [8.0], [90.0]]])
    mask = np.array([True, True, True, True, False])
    assert mean_margin(measured(margin, 60.0), mask=mask)["net"].value == 4.5
    assert median_margin(measured(margin, 60.0), mask=mask)["net"].value == 4.0
    of_each = np.stack([mask, np.array([True, False, False, False, True])])
    assert mean_margin(measured(margin, 60.0), mask=of_each)["net"].value == (1 + 2 + 3 + 4 + 5 + 60) / 6
    assert mean_margin(measured(margin, 60.0), mask=xr.DataArray(of_each))["net"].value == 75 / 6


def test_the_interval_of_the_mean_without_differences_between_runs_is_the_students_of_the_images():
    images = np.array([1.0, 2.0, 4.0, 5.0])
    margin = np.tile(images[None, :, None], (3, 1, 2))
    estimate = mean_margin(measured(margin, 9.0))["net"]
    assert estimate.half_width == pytest.approx(
        3.182446305 * np.std(images, ddof=1) / 2
    )  # Student, 3 degrees of freedom


def test_censored_directions_are_counted_in_the_note():
    margin = np.array([[[1.0, 9.0], [2.0, 9.0], [3.0, 3.0], [9.0, 9.0]]] * 2)
    estimate = mean_margin(measured(margin, 5.0))["net"]
    assert estimate.value == (1 + 5 + 2 + 5 + 3 + 3 + 5 + 5) / 8
    assert estimate.note == "50.0% of the directions show no change up to 5 and count as that"


def test_a_median_beyond_the_search_has_no_upper_end():
    margin = np.random.default_rng(0).exponential(10.0, (3, 40, 5))
    estimate = median_margin(measured(margin, 2.0))["net"]
    assert (estimate.value, estimate.low, estimate.high) == (math.inf, 2.0, math.inf)
    assert "beyond 2, where the search ended" in estimate.note
    near = median_margin(measured(margin, float(np.median(margin)) + 1e-3))["net"]
    assert near.value < math.inf
    assert near.high == math.inf


def test_groups_of_images_are_as_many_as_leave_the_root_of_all_in_each():
    for images, groups in ((4, 2), (10, 3), (100, 10), (399, 19), (400, 20), (5000, 20)):
        sizes = np.bincount(_random_groups(images))
        assert len(sizes) == groups
        assert sizes.max() - sizes.min() <= 1
        assert sizes.min() >= math.isqrt(images)


def simulated(rng: np.random.Generator, runs: int, images: int, directions: int) -> np.ndarray:
    """exp(run + image + direction), each normal with mean 0: the true median is 1."""
    spread = 0.1 * rng.standard_normal((runs, 1, 1)) + 0.5 * rng.standard_normal((1, images, 1))
    return np.exp(spread + 0.4 * rng.standard_normal((runs, images, directions)))


def restricted_truth(largest: float) -> float:
    normal = stats.norm(scale=math.sqrt(0.1**2 + 0.5**2 + 0.4**2))
    return float(normal.expect(lambda x: np.minimum(np.exp(x), largest), lb=-8, ub=8))


@pytest.mark.parametrize(("score", "truth"), [(mean_margin, restricted_truth(2.0)), (median_margin, 1.0)])
def test_intervals_hold_the_truth_in_95_of_100_simulations(score, truth):
    rng = np.random.default_rng(1)
    estimates = [score(measured(simulated(rng, 5, 100, 4), 2.0))["net"] for _ in range(200)]
    held = np.mean([e.low <= truth <= e.high for e in estimates])
    assert 0.91 <= held <= 0.995  # 95 % give or take 2.6 standard errors, and more: the variances added are too much


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones(3, bool), r"mask is bool of shape \(3,\): give booleans of shape \(5,\)"),
        (np.ones(5), "mask is float64"),
        (np.array([[True] * 5, [False] * 5]), "the mask has no image of model 1"),
        (np.array([True, True, True, False, False]), "3 images of net give no interval: choose at least 4"),
    ],
)
def test_an_invalid_mask_is_refused(mask, message):
    for score in (mean_margin, median_margin):
        with pytest.raises(InputError, match=message):
            score(measured(np.ones((2, 5, 3)), 2.0), mask=mask)


def test_what_holds_no_margins_is_refused():
    with pytest.raises(InputError, match="no margins given"):
        mean_margin(xr.Dataset({"labels": ("model", [1])}))


def test_the_items_are_the_images_of_the_split():
    data = measured(np.ones((2, 5, 3)), 2.0)
    assert {e.item for score in (mean_margin, median_margin) for e in score(data).values()} == {"images"}
    for split, item in (("test", "test images"), ("train", "training images")):
        assert mean_margin(data.assign_attrs(split=split))["net"].item == item


def test_the_old_name_of_the_mask_works_with_a_warning():
    with pytest.warns(FutureWarning, match="chosen= is now mask="):
        mean_margin(measured(np.ones((2, 5, 3)), 2.0), chosen=np.ones(5, bool))  # pyright: ignore[reportCallIssue]
