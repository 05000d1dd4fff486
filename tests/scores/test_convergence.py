"""Fragments at half, full and double resolution, of maps whose pieces are countable."""

import numpy as np
import pytest
import xarray as xr

from dbviz.core.errors import InputError
from dbviz.label_maps import sample
from dbviz.planes import PlaneSet
from dbviz.scores import convergence
from dbviz.scores.fragmentation import coarser


def maps_of(labels, archs: list[str]) -> xr.Dataset:
    """Label maps (model, plane, row, column)."""
    maps = xr.Dataset({"labels": (("model", "plane", "row", "column"), np.asarray(labels, np.uint8))})
    return maps.assign_coords(arch=("model", archs))


def stripes(points: int, width: int) -> np.ndarray:
    return np.broadcast_to((np.arange(points) // width % 2).astype(np.uint8), (points, points))


def test_counts_are_those_of_every_fourth_second_and_single_row_and_column():
    maps = maps_of([[stripes(16, 1), stripes(16, 2)], [stripes(16, 4), stripes(16, 16)]], ["one", "other"])
    counts = convergence(maps)
    assert {arch: list(by) for arch, by in counts.items()} == {"one": [4, 8, 16], "other": [4, 8, 16]}
    # stripes of width 1 at stride 2 and of width 2 at stride 4 all fall on one class
    assert {points: estimate.value for points, estimate in counts["one"].items()} == {
        4: (1 + 1) / 2,
        8: (1 + 8) / 2,
        16: (16 + 8) / 2,
    }
    assert {points: estimate.value for points, estimate in counts["other"].items()} == {4: 2.5, 8: 2.5, 16: 2.5}


def test_level_and_sides_are_those_asked_for():
    maps = maps_of(np.random.default_rng(0).integers(0, 2, (3, 4, 5, 9)), ["net"] * 3)
    counts = convergence(maps, level=0.5)["net"]
    assert list(counts) == [2, 3, 5]  # the rows, of which five are enough
    assert {estimate.level for estimate in counts.values()} == {0.5}


def test_connectivity_is_passed_on():
    board = (np.indices((8, 8)) // 4).sum(axis=0).astype(np.uint8) % 2
    maps = maps_of([[board, board]], ["net"])
    assert [e.value for e in convergence(maps, connectivity=8)["net"].values()] == [2, 2, 2]
    assert [e.value for e in convergence(maps, connectivity=4)["net"].values()] == [4, 4, 4]


@pytest.mark.parametrize("points", [5, 6, 7])
def test_the_coarser_grid_of_twice_the_points_less_one_is_the_full_grid(small_images, points):
    planes = PlaneSet.of(small_images.test, [[0, 1, 2], [3, 14, 25]])

    def model(x):
        return x[:, :, 10, 10:12].flatten(1)

    full = sample(model, planes, resolution=points)
    coarse = coarser(sample(model, planes, resolution=2 * points - 1), 2)
    assert np.array_equal(coarse.labels.values, full.labels.values)
    assert np.allclose(coarse.a, full.a)
    assert np.allclose(coarse.b, full.b)
    ends = coarser(coarse, 2).a.values[:, -1] == coarse.a.values[:, -1]
    assert ends.all() == (points % 2 == 1)


def test_maps_without_a_half_are_refused():
    with pytest.raises(InputError, match="maps of 4 points a side cannot be halved"):
        convergence(maps_of(np.zeros((1, 2, 4, 9)), ["net"]))


def test_one_plane_is_refused():
    with pytest.raises(InputError, match="at least two planes"):
        convergence(maps_of(np.zeros((1, 1, 8, 8)), ["net"]))
