"""Points made in any grouping are the same bits, and those of the plane's own formula."""

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
def test_a_point_is_the_same_bits_whichever_others_it_is_made_with(data):
    grid = grid_of(PlaneSet.of(shapes(64, split="test"), [[0, 1, 2], [9, 58, 35]]), 6)
    everything = grid.images(np.arange(72))
    chosen = sorted(data.draw(st.lists(st.integers(0, 71), min_size=1, unique=True)))
    assert torch.equal(grid.images(np.array(chosen)), everything[chosen])


def test_images_lie_in_memory_as_convolutions_read_them(planes):
    assert grid_of(planes, 4).images(np.arange(10)).is_contiguous(memory_format=torch.channels_last)
