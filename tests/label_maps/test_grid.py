"""Images of points are bitwise identical in any grouping, and follow the plane's formula."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dbviz.data import shapes
from dbviz.label_maps.grid import Grid
from dbviz.planes import PlaneSet


@pytest.fixture(scope="module")
def planes() -> PlaneSet:
    return PlaneSet.of(shapes(64, split="test"), [[0, 1, 2], [13, 44, 27], [9, 58, 35]])


def grid_of(planes: PlaneSet, resolution: int) -> Grid:
    return Grid.of(planes.planes, [plane.axes(resolution, 0.1) for plane in planes], torch.device("cpu"))


def test_points_are_numbered_by_plane_row_and_column(planes):
    grid = grid_of(planes, 7)
    assert (grid.planes, grid.resolution, grid.points) == (3, 7, 49)
    images = grid.images(np.arange(3 * 49)).reshape(3, 7, 7, 3, 32, 32)
    for number, plane in enumerate(planes):
        assert torch.allclose(images[number], plane.points(*plane.axes(7, 0.1)), atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_a_point_is_bitwise_identical_whichever_others_it_is_made_with(data):
    grid = grid_of(PlaneSet.of(shapes(64, split="test"), [[0, 1, 2], [9, 58, 35]]), 6)
    everything = grid.images(np.arange(72))
    chosen = sorted(data.draw(st.lists(st.integers(0, 71), min_size=1, unique=True)))
    assert torch.equal(grid.images(np.array(chosen)), everything[chosen])


def test_images_are_in_channels_last_layout(planes):
    assert grid_of(planes, 4).images(np.arange(10)).is_contiguous(memory_format=torch.channels_last)


def test_points_split_into_parts_in_order(planes):
    points = grid_of(planes, 4).at(np.arange(5, 48, 2))
    parts = list(points.split(9))
    assert [len(part) for part in parts] == [9, 9, 4]
    assert np.concatenate([part.numbers for part in parts]).tolist() == points.numbers.tolist()
    assert torch.equal(torch.cat([part.images for part in parts]), points.images)


def test_images_of_some_points_are_the_same_made_alone_or_with_all(planes):
    points, places = grid_of(planes, 4).at(np.arange(48)), torch.tensor([3, 17, 47])
    alone = points.images_at(places)
    assert torch.equal(alone, points.images[places])
    assert torch.equal(points.images_at(places), alone)


def test_coordinates_and_runs_of_points(planes):
    grid = grid_of(planes, 3)
    points = grid.at(np.array([0, 5, 8, 18, 19]))  # three of plane 0, two of plane 2
    assert list(points.runs()) == [(0, slice(0, 3)), (2, slice(3, 5))]
    axes = [plane.axes(3, 0.1) for plane in planes]
    places = [(0, 0, 0), (0, 1, 2), (0, 2, 2), (2, 0, 0), (2, 0, 1)]
    a, b = points.coordinates()
    assert a.tolist() == pytest.approx([axes[p][0][column] for p, _, column in places])
    assert b.tolist() == pytest.approx([axes[p][1][row] for p, row, _ in places])


def test_vectors_are_those_of_the_planes(planes):
    vectors = grid_of(planes, 3).vectors(slice(1, 3))
    for plane, parts in zip(planes[1:], vectors, strict=True):
        assert torch.equal(parts, torch.stack([plane.origin, plane.u, plane.v]))
