"""The share of wrong images: means over runs, of the images that count in each."""

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.scores import error_rate


def test_the_error_is_the_mean_of_the_runs_shares():
    wrong = np.array([[1, 0, 0, 0], [1, 1, 0, 0]], bool)
    estimate = error_rate(wrong)
    assert estimate.value == pytest.approx((1 / 4 + 2 / 4) / 2)
    assert (estimate.runs, estimate.items, estimate.item) == ((2,), 4, "test images")
    assert estimate.run_variance == pytest.approx(np.var([1 / 4, 2 / 4]))


def test_only_the_images_count_that_count_in_the_run():
    wrong = np.array([[1, 0, 1, 1], [1, 1, 0, 0]], bool)
    counted = np.array([[1, 1, 0, 0], [0, 1, 1, 1]], bool)
    assert error_rate(wrong, counted).value == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_an_image_that_counts_in_no_run_is_no_image():
    wrong = np.array([[1, 0, 1], [1, 1, 1]], bool)
    counted = np.array([[1, 1, 0], [1, 1, 0]], bool)
    assert error_rate(wrong, counted, item="training images").items == 2


def test_the_interval_of_one_run_is_over_images_in_groups():
    wrong = np.arange(100) < 20  # image i is in group i mod 50: in 20 groups one of two images is wrong
    estimate = error_rate(wrong[None])
    assert estimate.value == 0.2
    assert estimate.items == 100
    means = np.where(np.arange(50) < 20, 0.5, 0.0)
    assert estimate.item_variance == pytest.approx(means.var(ddof=1) / 50)


@pytest.mark.parametrize(
    ("counted", "said"),
    [([[1, 0, 0], [1, 0, 0]], "1 images give no error"), ([[1, 1, 1], [0, 0, 0]], "at least two of every run")],
)
def test_too_few_images_are_refused(counted, said):
    with pytest.raises(InputError, match=said):
        error_rate(np.ones((2, 3), bool), np.array(counted, bool))
