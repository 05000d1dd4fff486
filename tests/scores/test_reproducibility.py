"""Reproducibility and fragmentation of label maps made by hand."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dbviz.core.errors import InputError
from dbviz.scores import (
    agreement,
    fragmentation,
    inside_triangle,
    jaccard,
    kappa,
    pair_table,
    reproducibility,
    reproducibility_matrix,
)

stacks = hnp.arrays(np.uint8, (3, 2, 3, 4), elements=st.integers(0, 3))


def maps_of(labels, archs: list[str]) -> xr.Dataset:
    """Label maps (model, plane, row, column) on planes whose images lie at (0, 0), (1, 0) and (0, 1)."""
    labels = np.asarray(labels, np.uint8)
    _, planes, rows, columns = labels.shape
    return xr.Dataset(
        {"labels": (("model", "plane", "row", "column"), labels)},
        {
            "model": [f"model {i}" for i in range(len(archs))],
            "arch": ("model", archs),
            "a": (("plane", "column"), np.tile(np.linspace(0, 1, columns), (planes, 1))),
            "b": (("plane", "row"), np.tile(np.linspace(0, 1, rows), (planes, 1))),
            "anchors": (("plane", "corner", "axis"), np.tile([[0.0, 0], [1, 0], [0, 1]], (planes, 1, 1))),
        },
    )


# two planes of 2 x 2 points; runs 0 and 1 agree on 3/4 and 2/4, 0 and 2 on 1 and 1/4, 1 and 2 on 3/4 and 1/4
THREE_RUNS = [
    [[[0, 1], [2, 2]], [[0, 0], [1, 1]]],
    [[[0, 1], [2, 3]], [[0, 2], [1, 2]]],
    [[[0, 1], [2, 2]], [[3, 3], [1, 3]]],
]


def test_reproducibility_is_the_mean_over_pairs_and_planes():
    estimate = reproducibility(maps_of(THREE_RUNS, ["net"] * 3))
    assert estimate.value == pytest.approx(np.mean([3 / 4, 2 / 4, 1, 1 / 4, 3 / 4, 1 / 4]))
    assert (estimate.runs, estimate.items, estimate.item) == ((3,), 2, "planes")


def test_the_matrix_holds_within_and_between_and_is_symmetric():
    matrix = reproducibility_matrix(maps_of(THREE_RUNS, ["one", "one", "other"]))
    assert matrix["one", "one"].value == pytest.approx(np.mean([3 / 4, 2 / 4]))
    assert matrix["one", "other"].value == pytest.approx(np.mean([1, 1 / 4, 3 / 4, 1 / 4]))
    assert matrix["one", "other"] is matrix["other", "one"]
    assert ("other", "other") not in matrix
    assert matrix["one", "other"].runs == (2, 1)


def test_inside_the_triangle_only_its_points_count():
    # of 2 x 2 points at the corners of the square three lie in the triangle, the last of each map does not
    estimate = reproducibility(maps_of(THREE_RUNS, ["net"] * 3), inside=True)
    assert estimate.value == pytest.approx(np.mean([1, 2 / 3, 1, 1 / 3, 1, 1 / 3]))


@pytest.mark.parametrize("anchors", [[[0.0, 0], [3, 0], [1, 2]], [[0.0, 0], [3, 0], [-1, -2]]])
@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
def test_the_triangle_holds_the_published_share_of_the_grid(anchors, margin):
    anchors = np.array(anchors)
    low, high = anchors.min(axis=0), anchors.max(axis=0)
    pad = margin * (high - low)
    a, b = (np.linspace(low[i] - pad[i], high[i] + pad[i], 400) for i in (0, 1))
    share = 0.5 * 3 / (high[0] - low[0]) / (1 + 2 * margin) ** 2
    assert inside_triangle(a, b, anchors).mean() == pytest.approx(share, abs=0.005)


def test_fragmentation_is_the_mean_count():
    estimates = fragmentation(maps_of(THREE_RUNS, ["one", "one", "other"]))
    assert estimates["one"].value == pytest.approx(np.mean([3, 2, 4, 3]))
    assert estimates["other"].value == pytest.approx(np.mean([3, 2]))
    checkerboards = np.tile([[0, 1], [1, 0]], (2, 2, 1, 1))
    assert fragmentation(maps_of(checkerboards, ["net"] * 2))["net"].value == 2
    assert fragmentation(maps_of(checkerboards, ["net"] * 2), connectivity=4)["net"].value == 4


@given(stacks)
def test_the_pair_table_equals_agreement_pair_by_pair(labels):
    table = pair_table(labels)
    for i in range(3):
        for j in range(3):
            assert table[i, j].tolist() == [agreement(labels[i, p], labels[j, p]) for p in range(2)]


def test_kappa_is_known_where_agreement_is_all_or_no_better_than_chance():
    one = np.array([0, 0, 1, 1], np.uint8)
    assert kappa(one, one) == 1
    assert kappa(one, np.array([0, 1, 0, 1], np.uint8)) == 0  # agrees on half, as chance does
    assert kappa(one, 1 - one) == -1
    assert np.isnan(kappa(np.zeros(4, np.uint8), np.zeros(4, np.uint8)))


def test_jaccard_is_intersection_over_union_class_by_class():
    index = jaccard(np.array([0, 0, 1, 1], np.uint8), np.array([0, 1, 1, 2], np.uint8), 4)
    assert index[:3].tolist() == [1 / 2, 1 / 3, 0]
    assert np.isnan(index[3])


@given(stacks)
def test_kappa_and_jaccard_are_symmetric_and_in_range(labels):
    one, other = labels[0], labels[1]
    assert kappa(one, other) == pytest.approx(kappa(other, one), nan_ok=True)
    assert np.array_equal(jaccard(one, other, 4), jaccard(other, one, 4), equal_nan=True)
    assert np.nanmax(jaccard(one, other, 4)) <= 1
    assert not kappa(one, other) > 1


@pytest.mark.parametrize(
    ("keep", "archs", "said"),
    [
        ((slice(1), slice(None)), ["net"], "at least 2 runs"),
        ((slice(3), slice(1)), ["net"] * 3, "at least two planes"),
        ((slice(3), slice(None)), ["one", "one", "other"], "reproducibility_matrix"),
    ],
)
def test_too_little_is_refused(keep, archs, said):
    with pytest.raises(InputError, match=said):
        reproducibility(maps_of(np.array(THREE_RUNS)[keep], archs))
