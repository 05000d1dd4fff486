"""The first change along a half-line is found, never a later one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbviz.core.errors import InputError
from dbviz.margins.first_change import Changed, first_changes

GRID = np.arange(1.0, 11.0)


def changed_within(*intervals: tuple[float, float]) -> Changed:
    """Half-line i differs from its start within the i-th interval."""
    low, high = np.array(intervals).T
    return lambda lines, at: (low[lines] <= at) & (at < high[lines])


def test_a_change_is_found_to_half_the_tolerance():
    places = np.array([0.3, 1.0, 4.56, 9.999])
    changes = first_changes(changed_within(*((p, np.inf) for p in places)), 4, GRID, 0.02)
    assert np.abs(changes.distance - places).max() <= 0.01
    assert changes.crossed.all()


def test_the_first_of_several_changes_is_found_where_bisection_alone_finds_a_later_one():
    def twice(_, at):
        return ((at >= 3.2) & (at < 4.5)) | (at >= 8)

    assert not twice(0, np.array([5.0]))[0]  # where bisection of (0, 10) begins
    changes = first_changes(twice, 1, GRID, 0.02)
    assert changes.distance[0] == pytest.approx(3.2, abs=0.01)


def test_a_change_undone_before_the_last_distance_is_found():
    changes = first_changes(changed_within((3.2, 4.5)), 1, GRID, 0.02)
    assert changes.distance[0] == pytest.approx(3.2, abs=0.01)


def test_without_a_change_the_last_distance_is_kept_and_marked():
    changes = first_changes(changed_within((10.5, np.inf), (9.5, np.inf), (np.inf, np.inf)), 3, GRID, 0.02)
    assert changes.crossed.tolist() == [False, True, False]
    assert changes.distance[[0, 2]].tolist() == [10.0, 10.0]


def test_a_finer_grid_finds_a_shorter_change():
    short = changed_within((3.2, 3.4))
    assert not first_changes(short, 1, GRID, 0.02).crossed[0]
    assert first_changes(short, 1, np.arange(0.1, 10, 0.1), 0.02).distance[0] == pytest.approx(3.2, abs=0.01)


def test_changed_half_lines_are_not_evaluated_again():
    calls: list[tuple[list[int], list[float]]] = []

    def recording(lines, at):
        calls.append((lines.tolist(), at.tolist()))
        return at >= np.array([0.5, 2.5, np.inf])[lines]

    first_changes(recording, 3, np.array([1.0, 2.0, 3.0]), 0.5)
    marched = [([0, 1, 2], [1.0] * 3), ([1, 2], [2.0] * 2), ([1, 2], [3.0] * 2)]
    assert calls == [*marched, ([0, 1], [0.5, 2.5])]


def test_marching_ends_when_all_have_changed():
    calls = []
    first_changes(lambda lines, at: calls.append(len(lines)) or at > 0, 5, GRID, 1.0)
    assert calls == [5]


@given(
    st.lists(st.floats(0.001, 12), min_size=1, max_size=8),
    st.floats(0.01, 100),
    st.sampled_from([1e-3, 0.05, 0.7]),
)
def test_distances_scale_with_the_grid_and_the_tolerance(places, scale, tolerance):
    def at(factor: float):
        change = changed_within(*((p * factor, np.inf) for p in places))
        return first_changes(change, len(places), GRID * factor, tolerance * factor)

    one, scaled = at(1.0), at(scale)
    # where rounding moves a change just beyond a point of the search, the neighbouring interval is as good
    assert np.allclose(scaled.distance / scale, one.distance, atol=tolerance)
    assert (np.abs(one.distance - np.minimum(places, 10.0)) <= tolerance / 2 + 1e-9).all()


@pytest.mark.parametrize("grid", [[], [0.0, 1.0], [-1.0, 1.0], [1.0, 1.0], [2.0, 1.0], [1.0, np.nan], [1.0, np.inf]])
def test_a_grid_that_does_not_increase_is_refused(grid):
    with pytest.raises(InputError, match="give increasing numbers above 0"):
        first_changes(changed_within((1.0, 2.0)), 1, np.array(grid, np.float64), 0.1)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, 1e-9, float("nan")])
def test_a_tolerance_too_small_for_single_precision_is_refused(tolerance):
    with pytest.raises(InputError, match="it must be at least 1e-06"):
        first_changes(changed_within((1.0, 2.0)), 1, GRID, tolerance)
