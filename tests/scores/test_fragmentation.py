"""Fragments, areas, boundaries and skips of maps small enough to count by hand."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from dbviz.core.errors import InputError
from dbviz.scores import boundary_length, class_areas, class_skips, fragments

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9)
maps = hnp.arrays(np.uint8, shapes, elements=st.integers(0, 3))
stacks = hnp.arrays(np.uint8, (4, 6, 5), elements=st.integers(0, 2))

CHECKERBOARD = (np.indices((50, 50)).sum(axis=0) % 2).astype(np.uint8)
RING = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 2, 0], [0, 0, 0, 0]], np.uint8)


@pytest.mark.parametrize(
    ("labels", "by_corners", "by_sides"),
    [
        (CHECKERBOARD, 2, 2500),
        (np.zeros((3, 3), np.uint8), 1, 1),
        (np.eye(4, dtype=np.uint8), 2, 6),  # a diagonal of four ones; the zeros beside it touch at corners
        (RING, 3, 3),
    ],
)
def test_fragments_are_those_counted_by_hand(labels, by_corners, by_sides):
    assert fragments(labels, 8) == by_corners
    assert fragments(labels, 4) == by_sides


def test_fragments_counts_maps_of_a_stack_apart():
    stack = np.stack([CHECKERBOARD, np.zeros_like(CHECKERBOARD), CHECKERBOARD])[None]
    assert fragments(stack, 4).tolist() == [[2500, 1, 2500]]


def test_a_minimum_area_leaves_small_fragments_out():
    assert [int(fragments(RING, minimum_area=area)) for area in (1, 2, 4, 13)] == [3, 2, 1, 0]


@given(stacks, st.sampled_from([4, 8]))
def test_fragments_equal_a_plain_loop_over_maps_and_classes(stack, connectivity):
    structure = np.ones((3, 3)) if connectivity == 8 else None
    expected = [sum(int(np.max(ndimage.label(one == k, structure)[0])) for k in range(3)) for one in stack]  # pyright: ignore
    assert fragments(stack, connectivity).tolist() == expected


@given(maps)
def test_fragments_do_not_depend_on_names_or_orientation(labels):
    renamed = np.array([7, 200, 0, 31], np.uint8)[labels]
    assert fragments(labels) == fragments(renamed) == fragments(labels.T.copy()) == fragments(labels[::-1].copy())
    assert 1 <= fragments(labels, 8) <= fragments(labels, 4) <= labels.size


@given(maps, st.data())
def test_one_point_more_changes_the_count_by_at_most_eight(labels, data):
    row = data.draw(st.integers(0, labels.shape[0] - 1))
    column = data.draw(st.integers(0, labels.shape[1] - 1))
    changed = labels.copy()
    changed[row, column] = 9
    assert abs(int(fragments(changed)) - int(fragments(labels))) <= 8


@pytest.mark.parametrize(("options", "said"), [({"connectivity": 6}, "4 or 8"), ({"minimum_area": 0}, "at least 1")])
def test_bad_options_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        fragments(CHECKERBOARD, **options)


def test_areas_are_shares_that_sum_to_one():
    assert np.allclose(class_areas(RING, 4), [12 / 16, 3 / 16, 1 / 16, 0])


def test_the_boundary_of_a_square_is_its_perimeter():
    labels = np.zeros((6, 6), np.uint8)
    labels[2:4, 1:4] = 1  # 2 rows high, 3 columns wide
    assert boundary_length(labels) == 10
    assert boundary_length(labels, a_step=0.5, b_step=2.0) == 2 * 3 * 0.5 + 2 * 2 * 2.0


def test_class_skips_counts_changes_along_a_segment():
    assert class_skips(np.array([[1, 1, 2, 2, 1], [3, 3, 3, 3, 3]], np.uint8)).tolist() == [2, 0]


def test_a_large_stack_counted_in_chunks_has_the_same_counts(monkeypatch):
    maps = np.random.default_rng(0).integers(0, 3, (7, 5, 6), dtype=np.uint8)
    whole = fragments(maps)
    for points in (1, 30, 61, 10_000):
        monkeypatch.setattr(sys.modules["dbviz.scores.fragmentation"], "_CHUNK_POINTS", points)
        assert (fragments(maps) == whole).all()
    assert fragments(maps[:0]).shape == (0,)
