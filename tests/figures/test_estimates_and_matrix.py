"""Figures of scores: values, intervals and names stand where they are said to."""

from dataclasses import replace
from typing import Any

import numpy as np

from dbviz.figures import plot_distributions, plot_estimates, plot_matrix, plot_scores
from dbviz.scores import Estimate


def estimate(value: float) -> Estimate:
    variances: dict[str, Any] = {"run_variance": 0.0, "item_variance": 0.0}
    return Estimate(value=value, low=value - 0.1, high=value + 0.05, items=9, runs=(3,), **variances)


def test_the_matrix_shows_values_and_intervals_and_leaves_out_what_is_missing():
    matrix = {("a", "a"): estimate(0.8), ("a", "b"): estimate(0.5), ("b", "a"): estimate(0.5)}
    ax = plot_matrix(matrix, ["a", "b"], label="score")
    shown = np.ma.filled(np.ma.asarray(ax.images[0].get_array()), np.nan)
    assert np.array_equal(shown, [[0.8, 0.5], [0.5, np.nan]], equal_nan=True)
    texts = {(round(t.get_position()[0]), round(t.get_position()[1]), t.get_text()) for t in ax.texts}
    assert {(0, 0, "0.80"), (0, 0, "[0.70, 0.85]"), (1, 0, "0.50"), (0, 1, "0.50")} <= texts
    assert len(ax.texts) == 6
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def over_planes(value: float) -> Estimate:
    return replace(estimate(value), runs=(2,), note="over planes alone: 2 runs cannot show how runs vary")


def test_the_matrix_marks_what_covers_planes_only_and_what_is_of_the_same_seed():
    same_seed = {("a", "b"): over_planes(0.7), ("b", "a"): over_planes(0.7)}
    ax = plot_matrix({("a", "a"): over_planes(0.8)}, ["a", "b"], same_seed=same_seed)
    texts = [(round(t.get_position()[0]), t.get_text()) for t in ax.texts if round(t.get_position()[1]) == 0]
    assert texts == [
        (0, "0.80"),
        (0, "[0.70, 0.85]"),
        (0, "planes only"),
        (1, "0.70"),
        (1, "[0.60, 0.75]"),
        (1, "same seed"),
    ]
    shown = np.ma.filled(np.ma.asarray(ax.images[0].get_array()), np.nan)
    assert np.isnan(shown[0, 1])  # the same seed's value has no colour of the scale


def test_intervals_over_planes_only_are_dashed_open_and_named():
    ax = plot_estimates({"a": estimate(0.8), "b": over_planes(0.4), "c": estimate(0.6)})
    whole, partial = ax.containers
    assert whole[0].get_xdata().tolist() == [0, 2]
    assert (partial[0].get_xdata().tolist(), partial[0].get_markerfacecolor()) == ([1], "white")
    assert partial[2][0].get_linestyle() != whole[2][0].get_linestyle()
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["planes only"]
    assert plot_estimates({"a": estimate(0.8)}).get_legend() is None


def test_estimates_are_points_with_their_intervals():
    ax = plot_estimates({"a": estimate(0.8), "b": estimate(0.4)}, label="fragments")
    (points, _, (bars,)) = ax.containers[0]
    assert points.get_ydata().tolist() == [0.8, 0.4]
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert np.allclose(ends, [[0.7, 0.85], [0.3, 0.45]])
    assert ax.get_ylabel() == "fragments"


def test_distributions_mark_median_and_quartiles():
    ax = plot_distributions({"a": np.array([0.0, 0.25, 0.5, 0.75, 1.0])})
    quartiles, median = ax.lines
    assert np.asarray(quartiles.get_ydata()).tolist() == [0.25, 0.75]
    assert np.asarray(median.get_ydata()).tolist() == [0.5]


def test_what_stands_at_an_axis_of_the_scores_fits_beside_it():
    names = ["beyond chance (kappa)", "inside the triangle", "instability floor (disagreement)", "churn", "divergence"]
    names += ["disagreement between seeds", "median margin, all images", "median margin, correctly classified"]
    figure = plot_scores({name: {"a": estimate(0.4), "b": estimate(0.4001)} for name in names})
    figure.canvas.draw()
    for ax in figure.axes:
        label, panel = ax.yaxis.label.get_window_extent(), ax.get_window_extent()
        assert label.height < 1.1 * panel.height
        assert figure.bbox.y0 <= label.y0 < label.y1 <= figure.bbox.y1
        assert ax.yaxis.get_offset_text().get_text() == ""
    assert figure.axes[4].get_ylabel() == "Jensen-Shannon\ndivergence (bits)"
