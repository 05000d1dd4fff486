"""Refined maps of smooth functions equal dense ones at a share of the cost, and agree with every evaluated point."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbviz.label_maps.refinement import refined


def coordinates(points: np.ndarray, resolution: int) -> tuple[np.ndarray, ...]:
    """Plane, and row and column in [0, 1]."""
    plane, within = np.divmod(points, resolution**2)
    return plane, within // resolution / (resolution - 1), within % resolution / (resolution - 1)


def waves(resolution: int, bend: float = 5.0):
    """Logits of three classes that vary smoothly, differently on each plane."""

    def evaluate(points: np.ndarray) -> np.ndarray:
        plane, row, column = coordinates(points, resolution)
        logits = [np.sin(bend * row + plane) + column, row + 0.3, 1.2 * np.cos(bend * column) - 0.2 * plane]
        return np.stack(logits, 1).astype(np.float32)

    return evaluate


def dense(evaluate, planes: int, resolution: int) -> np.ndarray:
    return evaluate(np.arange(planes * resolution**2)).argmax(1).reshape(planes, resolution, resolution)


@pytest.mark.parametrize("resolution", [2, 3, 16, 17, 18, 33, 50, 160, 500])
def test_refined_maps_of_smooth_functions_equal_dense_ones_on_grids_of_any_size(resolution):
    evaluate = waves(resolution)
    maps = refined(evaluate, 2, resolution)
    assert np.array_equal(maps.labels, dense(evaluate, 2, resolution))
    assert maps.evaluated.mean() < {160: 0.11, 500: 0.04}.get(resolution, 1.01)


@settings(deadline=None, max_examples=40)
@given(
    resolution=st.integers(2, 40),
    planes=st.integers(1, 3),
    stride=st.integers(1, 20),
    caution=st.sampled_from([0.0, 0.25, np.inf]),
    seed=st.integers(0, 100),
)
def test_points_of_any_function_are_evaluated_at_most_once(resolution, planes, stride, caution, seed):
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((planes * resolution**2, 3)).astype(np.float32)
    logits[:, 0] += rng.choice([0, 1, 3])
    calls: list[np.ndarray] = []

    def evaluate(points: np.ndarray) -> np.ndarray:
        calls.append(points)
        return logits[points]

    maps = refined(evaluate, planes, resolution, caution=caution, stride=stride)
    every = np.concatenate(calls)
    assert all((np.diff(points) > 0).all() for points in calls)
    assert len(np.unique(every)) == len(every) == maps.evaluated.sum()
    assert np.array_equal(np.flatnonzero(maps.evaluated), np.sort(every))
    own = logits.argmax(1).reshape(maps.labels.shape)
    assert np.array_equal(maps.labels[maps.evaluated], own[maps.evaluated])
    if caution == np.inf or stride == 1:
        assert maps.evaluated.all()


def test_more_caution_evaluates_more():
    counts = [refined(waves(100), 1, 100, caution=caution).evaluated.sum() for caution in (0.0, 0.25, 1.0, 4.0)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def bump(height: float):
    """Class 0, but for a hill of class 1 between the lines of the first lattice of a 33 x 33 grid."""

    def evaluate(points: np.ndarray) -> np.ndarray:
        _, row, column = coordinates(points, 33)
        hill = height * np.exp(-((row - 0.2) ** 2 + (column - 0.15) ** 2) / 0.02)
        return np.stack([np.ones_like(row), hill], 1).astype(np.float32)

    return evaluate


def test_an_island_between_the_corners_is_missed_without_caution_and_found_with_it():
    evaluate = bump(4.0)
    truth = dense(evaluate, 1, 33)
    assert truth.any()
    assert not refined(evaluate, 1, 33, caution=0.0).labels.any()
    assert np.array_equal(refined(evaluate, 1, 33, caution=8.0).labels, truth)


def test_a_filled_cell_is_split_when_a_point_on_its_rim_contradicts_it():
    """Class 1 in a block that crosses the line between two cells; only the left one's corners show it."""

    def evaluate(points: np.ndarray) -> np.ndarray:
        row, column = points // 33, points % 33
        inside = (row >= 4) & (row <= 12) & (column >= 10) & (column <= 22) | (row == 0) & (column == 0)
        return np.stack([~inside, inside], 1).astype(np.float32)

    maps = refined(evaluate, 1, 33, caution=0.0)
    assert maps.labels[0, 8, 20] == 1  # in the right cell, none of whose corners is of class 1
    assert np.array_equal(maps.labels, dense(evaluate, 1, 33))


def test_one_class_needs_the_first_lattice_alone():
    maps = refined(lambda points: np.zeros((len(points), 1), np.float32), 1, 33)
    assert maps.evaluated.sum() == 9
    assert not maps.labels.any()
