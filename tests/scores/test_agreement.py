"""Agreement of label maps: known answers, and what holds for every pair of maps."""

import math

import jaxtyping
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dbviz.core.errors import InputError
from dbviz.scores import agreement, mean_agreement

pairs = arrays.array_shapes(min_dims=1, max_dims=3, max_side=6).flatmap(
    lambda shape: st.tuples(*[arrays.arrays(np.uint8, shape, elements=st.integers(0, 3))] * 2)
)


def maps(*rows: list) -> np.ndarray:
    return np.array(rows, np.uint8)


def test_agreement_of_hand_made_maps():
    assert agreement(maps([0, 1], [2, 2]), maps([0, 1], [2, 3])) == 0.75
    assert agreement(maps([0, 0, 0]), maps([1, 1, 1])) == 0
    assert agreement(maps([0, 1, 2, 3, 4]), maps([0, 2, 1, 3, 5])) == 0.4


def test_the_place_counts_and_not_the_amount_of_a_class():
    left, right = maps([0, 1], [0, 1]), maps([1, 0], [1, 0])
    assert agreement(left, right) == 0


@given(pairs)
def test_agreement_is_symmetric_within_0_and_1_and_1_with_itself(pair):
    one, other = pair
    assert 0 <= agreement(one, other) <= 1
    assert agreement(one, other) == agreement(other, one)
    assert agreement(one, one) == 1


@given(pairs, st.permutations(range(4)))
def test_agreement_does_not_change_when_both_maps_rename_their_classes(pair, names):
    renamed = np.array(names, np.uint8)
    one, other = pair
    assert agreement(renamed[one], renamed[other]) == agreement(one, other)


@given(pairs)
def test_agreement_is_a_plain_count(pair):
    one, other = pair
    assert agreement(one, other) == pytest.approx(
        sum(a == b for a, b in zip(one.flat, other.flat, strict=True)) / one.size
    )


def test_maps_of_other_grids_are_refused():
    jaxtyping.config.update("jaxtyping_disable", True)  # or the annotations complain first
    try:
        with pytest.raises(InputError, match=r"shapes \(1, 2\) and \(2, 1\).*same grid"):
            agreement(maps([0, 1]), maps([0], [1]))
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def test_mean_agreement_is_over_all_pairs():
    # 1/2, 0 and 1/2 of three pairs
    assert mean_agreement(maps([0, 0], [0, 1], [2, 1])) == pytest.approx(1 / 3)
    assert mean_agreement(maps([0, 0], [0, 0])) == 1


def test_mean_agreement_of_fewer_than_two_is_nan():
    assert math.isnan(mean_agreement(maps([0, 0])))
