"""Churn and Jensen-Shannon divergence at values known in closed form."""

import numpy as np
import pytest

from dbviz.errors import InputError
from dbviz.scores import churn, jensen_shannon


def test_churn_counts_changed_predictions():
    assert churn(np.array([0, 1, 2, 3]), np.array([0, 2, 2, 1])) == 0.5


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
    with pytest.raises(InputError, match="alike"):
        jensen_shannon(np.ones((1, 1)), np.ones((2, 1)))
