"""The epochs that are tested: within a tenth of the training's work, always the last, closer together at the start."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbviz.training import schedule
from dbviz.training.time_estimate import _TEST_COST, _images_per_run

COUNTS = st.integers(1, 100_000)


@given(st.integers(1, 500), COUNTS, COUNTS)
def test_epochs_rise_to_the_last_and_their_tests_cost_a_tenth_of_the_training(epochs, train_images, test_images):
    tested = schedule.epochs_to_test(epochs, train_images, test_images)
    assert tested[-1] == epochs
    assert list(tested) == sorted({*tested})
    assert tested[0] >= 1
    work = 10 * test_images  # in thirds of a tenth of a training image
    assert len(tested) == 1 or len(tested) * work <= 3 * epochs * train_images
    assert len(tested) == epochs or (len(tested) + 1) * work > 3 * epochs * train_images


@given(st.integers(3, 500), COUNTS, COUNTS)
def test_distances_never_shrink_by_more_than_rounding(epochs, train_images, test_images):
    tested = schedule.epochs_to_test(epochs, train_images, test_images)
    distances = [late - early for early, late in itertools.pairwise(tested)]
    assert all(late >= early - 1 for early, late in itertools.pairwise(distances))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((1, 10, 10_000), (1,)),
        ((5, 50_000, 10_000), (1, 2, 3, 4, 5)),
        ((5, 16_000, 10_000), (1, 5)),
        ((5, 20_000, 10_000), (1, 2, 5)),
        ((30, 2_000, 10_000), (30,)),
        ((100, 2_000, 10_000), (1, 3, 7, 17, 41, 100)),
        ((2, 10, 0), (1, 2)),
    ],
)
def test_known_schedules(arguments, expected):
    assert schedule.epochs_to_test(*arguments) == expected


def test_the_estimate_counts_the_tests_that_are_done():
    assert _images_per_run(100, 2_000, 10_000) == 100 * 2_000 + 6 * _TEST_COST * 10_000
