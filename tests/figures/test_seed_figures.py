"""Pictures of seeds: bands, bars, ticks and points lie where the numbers are, in per cent."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

from dbviz.figures import class_colours, plot_deviations, plot_epochs, plot_halves, plot_histograms
from dbviz.scores import standard_deviation

RUNS = np.array([[0.2, 0.5], [0.4, 0.5], [0.6, 0.8]])


def corners(band) -> np.ndarray:
    return np.asarray(band.get_paths()[0].vertices)


def test_bands_reach_one_deviation_and_from_the_lowest_to_the_highest():
    figure = plot_epochs({"a": RUNS, "b": RUNS[:2]})
    above, _, below, _ = figure.axes
    outer, inner = above.collections
    at_first = [corners(band)[corners(band)[:, 0] == 1][:, 1] for band in (outer, inner)]
    assert (at_first[0].min(), at_first[0].max()) == pytest.approx((20, 60))
    assert (at_first[1].min(), at_first[1].max()) == pytest.approx((20, 60))  # 40 ± 20
    at_last = corners(inner)[corners(inner)[:, 0] == 2][:, 1]
    assert (at_last.min(), at_last.max()) == pytest.approx((60 - np.sqrt(300), 60 + np.sqrt(300)))
    assert np.asarray(above.lines[0].get_ydata()).tolist() == pytest.approx([40, 60])
    assert np.asarray(below.lines[0].get_ydata()).tolist() == pytest.approx([0, 0])
    assert corners(below.collections[0])[:, 1].max() == pytest.approx(20)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["a, 3 runs", "b, 2 runs"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "lowest to highest",
        "± 1 standard deviation",
        "mean",
    ]


def test_runs_that_were_tested_after_different_epochs_are_joined_at_those_they_share():
    nan = np.nan
    old, new = [0.1, 0.2, 0.3, 0.4, 0.5], [0.3, nan, 0.5, nan, 0.7]
    never = [nan, 0.5]
    figure = plot_epochs({"mixed": np.array([old, new]), "old": np.array([old, old]), "end": np.array([never, never])})
    mixed, all_tested, end, *below = figure.axes
    assert np.asarray(mixed.lines[0].get_data()).tolist() == [[1, 3, 5], pytest.approx([20, 40, 60])]
    assert corners(mixed.collections[0])[:, 1].max() == pytest.approx(70)
    assert mixed.lines[0].get_marker() == "o"
    assert np.asarray(all_tested.lines[0].get_xdata()).tolist() == [1, 2, 3, 4, 5]
    assert np.asarray(end.lines[0].get_xdata()).tolist() == [2]
    labels = [ax.get_xlabel() for ax in below]
    assert labels == ["epoch (markers: tested)", "epoch", "epoch (markers: tested)"]


def test_a_histogram_has_a_density_of_one_and_a_tick_a_run():
    values = np.array([0.50, 0.51, 0.51, 0.54])
    (ax,) = plot_histograms({"a": values}).axes
    bars = ax.patches
    assert sum(bar.get_width() * bar.get_height() for bar in bars) == pytest.approx(1)  # pyright: ignore[reportAttributeAccessIssue]
    places, density = (np.asarray(part) for part in ax.lines[0].get_data())
    assert 0.9 < np.trapezoid(density, places) <= 1
    (rug,) = (collection for collection in ax.collections if isinstance(collection, LineCollection))
    assert [segment[0][0] for segment in rug.get_segments()] == pytest.approx([50, 51, 51, 54])
    assert all(segment[:, 1].max() < 0 for segment in rug.get_segments())


def test_equal_runs_have_ticks_alone():
    (ax,) = plot_histograms({"a": np.full(3, 0.1)}).axes
    assert not ax.patches


def test_halves_are_points_around_their_means():
    values = np.array([[0.5, 0.6, 0.7], [0.3, 0.5, 0.4]])
    said = standard_deviation(np.array([0.1, 0.3]))
    (ax,) = plot_halves({"a": values}, {"a": said}).axes
    points = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(np.asarray(points.get_xydata()).T, 100 * values)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert (left + right, bottom + top) == pytest.approx((120, 80))
    assert right - left == pytest.approx(top - bottom)
    assert ax.get_title() == f"a, 3 runs\ncorrelation {said}"


def test_four_groups_stand_in_two_rows_each_in_its_colour():
    figure = plot_histograms({name: np.array([0.1, 0.2, 0.4]) for name in "abcd"})
    assert [ax.get_title()[0] for ax in figure.axes] == list("abcd")
    rows = [ax.get_subplotspec().rowspan.start for ax in figure.axes]  # pyright: ignore[reportOptionalMemberAccess]
    assert rows == [0, 0, 0, 1]
    drawn = [to_rgb(ax.lines[0].get_color()) for ax in figure.axes]
    assert drawn == [tuple(colour) for colour in class_colours(4)]


def test_deviations_stand_at_their_lengths_with_their_intervals():
    short, long = (standard_deviation(np.array([0.1, 0.1 + reach])) for reach in (0.02, 0.01))
    ax = plot_deviations({"net": {"here": [(2, short), (8, long)], "anywhere": [(2, long), (8, long)]}})
    here = ax.containers[0]
    line, _, (bars,) = here.lines  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_allclose(line.get_xdata(), [2, 8], rtol=0.05)
    np.testing.assert_allclose(line.get_ydata(), [100 * short.value, 100 * long.value])
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx([100 * one.low, 100 * one.high]) for one in (short, long)]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2", "8"]
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["net, here", "net, anywhere"]
