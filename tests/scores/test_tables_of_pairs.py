"""Pair tables against the scores of one pair and plane, and the estimates made of them."""

import numpy as np
import pytest
from helpers import maps_of, spec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from dbviz.label_maps import from_array
from dbviz.scores import (
    chance_corrected,
    chance_corrected_matrix,
    class_jaccard,
    class_jaccard_matrix,
    jaccard,
    jaccard_index,
    jaccard_matrix,
    kappa,
    pairs_estimate,
    plane_agreement,
)
from dbviz.scores.agreement import chance_table, overlap_tables, pair_table

STACKS = npst.arrays(np.uint8, (3, 2, 3, 4), elements=st.integers(0, 3))


@given(STACKS)
def test_overlap_tables_hold_the_index_of_each_class_pair_and_plane(labels):
    both, either = overlap_tables(labels, 4)
    for i, j, p in np.ndindex(both.shape[1:]):
        index = jaccard(labels[i, p], labels[j, p], 4)
        assert (both[:, i, j, p] / np.where(either[:, i, j, p], either[:, i, j, p], np.nan)).tolist() == pytest.approx(
            index.tolist(), nan_ok=True
        )


@given(STACKS)
def test_chance_and_agreement_give_kappa(labels):
    agreed, chance = pair_table(labels), chance_table(labels, 4)
    for i, j, p in np.ndindex(agreed.shape):
        expected = kappa(labels[i, p], labels[j, p])
        if i != j and not np.isnan(expected):
            assert (agreed[i, j, p] - chance[i, j, p]) / (1 - chance[i, j, p]) == pytest.approx(expected)


# two runs of each of two networks, in turn, on two planes of 2 x 2 points; the second network says 3 everywhere
TWO_NETWORKS = np.array(
    [
        [[[0, 0], [0, 1]], [[1, 1], [1, 2]]],
        [[[3, 3], [3, 3]], [[3, 3], [3, 3]]],
        [[[0, 0], [1, 1]], [[2, 1], [1, 1]]],
        [[[3, 3], [3, 3]], [[3, 3], [3, 3]]],
    ],
    np.uint8,
)


def test_scores_of_pairs_by_hand_are_those_of_each_network_alone():
    maps = maps_of([spec("sgd", 0), spec("sam", 0), spec("sgd", 1), spec("sam", 1)], TWO_NETWORKS)
    corrected, overlap = chance_corrected(maps), jaccard_index(maps)
    # agreement 3/4 and 1/2; chance 3/4 1/2 + 1/4 1/2 and 3/4 3/4 + 1/4 1/4
    assert plane_agreement(maps)["vit sgd"].tolist() == [3 / 4, 1 / 2]
    assert corrected["vit sgd"].value == pytest.approx((5 / 8 - 9 / 16) / (1 - 9 / 16))
    # of each plane alone (3/4 - 1/2) / (1/2) and (1/2 - 5/8) / (3/8); the jackknife's variance is theirs about the mean
    assert corrected["vit sgd"].item_variance == pytest.approx(np.var([1 / 2, -1 / 3]))
    # class 0 is on the first plane alone and class 2 on the second; class 1 overlaps in 1 of 2 and in 2 of 4 points
    assert overlap["vit sgd"].value == pytest.approx(np.mean([2 / 3, (1 + 2) / (2 + 4), 0]))
    # without the first plane classes 1 and 2 remain, without the second 0 and 1
    assert overlap["vit sgd"].item_variance == pytest.approx(np.var([np.mean([1 / 2, 0]), np.mean([2 / 3, 1 / 2])]))
    assert (corrected["vit sam"].value, overlap["vit sam"].value) == (1, 1)
    assert plane_agreement(maps)["vit sam"].tolist() == [1, 1]


def test_runs_of_both_networks_are_left_out_in_turn():
    table = np.zeros((4, 4, 3))
    table[:2, 2:] = np.array([[0.2, 0.4], [0.6, 0.8]])[..., None]
    between = pairs_estimate(table, [np.array([0, 1]), np.array([2, 3])])
    assert between.value == pytest.approx(0.5)
    # without a row 0.7 or 0.3, without a column 0.6 or 0.4
    assert between.run_variance == pytest.approx(0.2**2 + 0.1**2)


def test_maps_drawn_at_random_agree_by_chance_alone():
    labels = np.random.default_rng(1).integers(0, 4, (3, 60, 20, 20)).astype(np.uint8)
    maps = maps_of([spec(seed=k) for k in range(3)], labels)
    corrected = chance_corrected(maps)["vit"]
    assert corrected.low <= 0 <= corrected.high
    assert corrected.value == pytest.approx(0, abs=0.01)
    # of two independent maps of four even classes, 1/16 of the points have a class in both, 7/16 in either
    assert jaccard_index(maps)["vit"].value == pytest.approx(1 / 7, abs=0.01)
    assert plane_agreement(maps)["vit"].mean() == pytest.approx(1 / 4, abs=0.01)


def test_equal_maps_agree_beyond_chance_wholly():
    one = np.random.default_rng(1).integers(0, 4, (1, 3, 6, 6)).astype(np.uint8)
    maps = maps_of([spec(seed=k) for k in range(3)], np.repeat(one, 3, axis=0))
    assert chance_corrected(maps)["vit"].value == pytest.approx(1)
    assert jaccard_index(maps)["vit"].value == 1


def test_maps_of_one_class_alone_are_no_division_by_zero():
    maps = maps_of([spec(seed=k) for k in range(2)], np.zeros((2, 3, 4, 4), np.uint8))
    assert chance_corrected(maps)["vit"].value == 1
    assert jaccard_index(maps)["vit"].value == 1


def test_kappa_and_overlap_between_networks_are_of_pairs_of_different_seeds():
    maps = maps_of([spec("sgd", 0), spec("sam", 0), spec("sgd", 1), spec("sam", 1)], TWO_NETWORKS)
    # the second network has class 3 everywhere, which the first lacks
    assert chance_corrected_matrix(maps)["vit sgd", "vit sam"].value == 0
    assert jaccard_matrix(maps)["vit sam", "vit sgd"].value == 0
    labels = TWO_NETWORKS.copy()
    labels[3], labels[1] = (
        labels[0],
        0,
    )  # the pair of seeds 0 and 1 agrees; that of the seeds 1 and 0 is 0 against others
    between = jaccard_matrix(maps_of([spec("sgd", 0), spec("sam", 0), spec("sgd", 1), spec("sam", 1)], labels))
    # points of class 0, 1 and 2 in both and in either: 3 + 2 of 3 + 8, 1 + 3 of 1 + 3 + 2 + 3, 1 of 1 + 1
    assert between["vit sgd", "vit sam"].value == pytest.approx(np.mean([5 / 11, 4 / 9, 1 / 2]))


def test_the_index_of_a_class_is_pooled_over_planes_so_that_a_stray_point_counts_as_one():
    labels = np.zeros((3, 4, 10, 10), np.uint8)
    labels[:, :2, :5] = 1
    labels[0, 2:, 0, 0] = 1  # on two planes one run has a point of the class, and the others none
    maps = from_array(labels, networks="vit", class_names=["cat", "dog"])
    dog = class_jaccard(maps)["dog"]["vit"]
    # three pairs with 100 points in common, of which two have a stray point on each of two planes
    assert dog.value == pytest.approx(300 / 304)
    assert class_jaccard_matrix(maps)["dog"]["vit", "vit"] == dog
    assert jaccard_index(maps)["vit"].value == pytest.approx(np.mean([300 / 304, 894 / 900]), abs=0.01)
    alone = from_array(np.where(np.arange(4)[:, None, None] == 0, labels, 0), networks="vit")
    assert "1" not in class_jaccard(alone)  # one plane alone has no interval
