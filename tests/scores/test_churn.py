"""Churn and Jensen-Shannon divergence at values known in closed form."""

import numpy as np
import pytest

from dbviz.core.errors import InputError
from dbviz.scores import churn, image_scores, jensen_shannon


def test_churn_counts_changed_predictions():
    assert churn(np.array([0, 1, 2, 3]), np.array([0, 2, 2, 1])) == 0.5
    assert churn(np.array([0, 1, 2, 3]), np.array([0, 2, 2, 3])) == 0.25


def test_divergence_is_zero_for_equal_one_for_disjoint_and_known_between():
    one = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    other = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
    # third: m = (3/4, 1/4); .5 log2(4/3) + .5 (.5 log2(2/3) + .5 log2(2))
    third = 0.5 * np.log2(4 / 3) + 0.25 * np.log2(2 / 3) + 0.25
    assert np.allclose(jensen_shannon(one, other), [0, 1, third], atol=1e-12)
    assert np.allclose(jensen_shannon(one, other), jensen_shannon(other, one))


def test_different_lengths_are_refused():
    with pytest.raises(InputError, match="same images"):
        churn(np.array([0]), np.array([0, 1]))
    with pytest.raises(InputError, match="give equal shapes"):
        jensen_shannon(np.ones((1, 1)), np.ones((2, 1)))


def test_scores_on_images_by_hand():
    labels = np.array([0, 1, 2, 3])
    sure = np.eye(4)[[0, 1, 2, 3]] * 100  # all right
    half = np.eye(4)[[0, 1, 3, 2]] * 100  # two right, and sure where it differs
    scores = image_scores(np.stack([sure, half]), labels)
    assert scores["test accuracy"].value == 0.75
    assert scores["churn"].value == 0.5
    assert scores["divergence"].value == pytest.approx(0.5)
    assert scores["churn"].runs == (2,)


def test_every_pair_of_three_runs_counts_alike():
    predicted = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 1, 1]])
    scores = image_scores(100 * np.eye(2)[predicted], np.zeros(4, np.int64))
    differing = [1 / 4, 3 / 4, 2 / 4]  # of the pairs 0 1, 0 2, 1 2
    assert scores["churn"].value == pytest.approx(np.mean(differing))
    assert scores["divergence"].value == pytest.approx(np.mean(differing))
    # without one of the runs a single pair is left
    assert scores["churn"].run_variance == pytest.approx(2 * np.var(differing))


def test_divergence_is_of_the_probabilities_of_each_image():
    # over the classes (1/2, 1/2) and (1/4, 3/4) for the first image, twice (1/2, 1/2) for the second
    logits = np.log([[[1.0, 1.0], [2.0, 2.0]], [[1.0, 3.0], [5.0, 5.0]]])
    scores = image_scores(logits, np.zeros(2, np.int64))["divergence"]
    middle = np.array([3 / 8, 5 / 8])
    entropies = [-(p * np.log2(p)).sum() for p in (middle, np.array([0.5, 0.5]), np.array([0.25, 0.75]))]
    assert scores.value == pytest.approx((entropies[0] - (entropies[1] + entropies[2]) / 2) / 2)


def test_an_accuracy_lies_between_0_and_1():
    scores = image_scores(np.eye(4)[[[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 2]]], np.arange(4))["test accuracy"]
    assert scores.value == pytest.approx(11 / 12)
    assert scores.high == 1


def test_a_single_run_has_an_accuracy_alone():
    scores = image_scores(np.eye(4)[None], np.arange(4))
    assert {name: e.value for name, e in scores.items()} == {"test accuracy": 1.0}


def test_the_interval_of_an_accuracy_is_the_binomial_one():
    rng = np.random.default_rng(0)
    right = rng.random(10_000) < 0.7
    logits = np.where(right[:, None], [1.0, 0.0], [0.0, 1.0])[None]
    scores = image_scores(logits, np.zeros(10_000, np.int64))["test accuracy"]
    assert scores.half_width == pytest.approx(1.98 * np.sqrt(0.7 * 0.3 / 10_000), rel=0.2)
