"""Pair tables against the scores of one pair and plane, and the estimates made of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from test_networks import maps_of, spec

from dbviz.scores import chance_corrected, jaccard, jaccard_index, kappa, plane_agreement
from dbviz.scores.agreement import chance_table, jaccard_table, pair_table

STACKS = npst.arrays(np.uint8, (3, 2, 3, 4), elements=st.integers(0, 3))


@given(STACKS)
def test_jaccard_tables_are_the_mean_index_of_each_pair_and_plane(labels):
    table = jaccard_table(labels, 4)
    for i, j, p in np.ndindex(table.shape):
        assert table[i, j, p] == pytest.approx(np.nanmean(jaccard(labels[i, p], labels[j, p], 4)))


@given(STACKS)
def test_chance_and_agreement_give_kappa(labels):
    agreed, chance = pair_table(labels), chance_table(labels, 4)
    for i, j, p in np.ndindex(agreed.shape):
        expected = kappa(labels[i, p], labels[j, p])
        if i != j and not np.isnan(expected):
            assert (agreed[i, j, p] - chance[i, j, p]) / (1 - chance[i, j, p]) == pytest.approx(expected)


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
