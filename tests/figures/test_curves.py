"""Curves of sweeps: values, bands and thresholds stand where they are said to, each noise level in its colour."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from dbviz.figures import noise_colour, plot_curves, plot_sweep
from dbviz.scores import Estimate
from dbviz.spec import LabelNoise
from dbviz.sweeps import Curve, Point


def estimate(value: float, high: float | None = None) -> Estimate:
    variances: dict[str, Any] = {"run_variance": 0.0, "item_variance": 0.0}
    return Estimate(
        value=value, low=value - 0.1, high=value + 0.1 if high is None else high, items=2, runs=(2,), **variances
    )


def curve(name: str, noise: float | None, values: list[float], threshold: float | None = None, **scores: Any) -> Curve:
    points = tuple(
        Point(x=10.0 * 2**i, runs=2, scores={"test_error": estimate(v), **scores}) for i, v in enumerate(values)
    )
    level = None if noise is None else LabelNoise(rate=noise)
    return Curve(name=name, noise=level, along="width", points=points, threshold=threshold)


def test_lines_bands_and_thresholds_stand_where_they_should():
    ax = plot_curves([curve("noise 0", None, [0.5, 0.7, 0.4], threshold=20.0)], "test_error")
    line, mark = ax.lines
    assert np.asarray(line.get_xdata()).tolist() == [10, 20, 40]
    assert np.asarray(line.get_ydata()).tolist() == [0.5, 0.7, 0.4]
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    assert np.asarray(corners)[:, 1].min() == pytest.approx(0.3)
    assert np.asarray(corners)[:, 1].max() == pytest.approx(0.8)
    assert set(np.asarray(mark.get_xdata()).tolist()) == {20.0}
    assert ax.get_xscale() == "log"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["10", "20", "40"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("width k", "test error")


def test_a_noise_level_has_one_colour_whatever_else_is_drawn():
    alone = plot_curves([curve("noise 0.2", 0.2, [0.5, 0.6])], "test_error").lines[0].get_color()
    both = [
        curve("noise 0", None, [0.4, 0.3]),
        curve("noise 0.2", 0.2, [0.5, 0.6]),
        curve("b noise 0.2", 0.2, [0.1, 0.2]),
    ]
    lines = plot_curves(both, "test_error").lines
    assert lines[1].get_color() == lines[2].get_color() == alone == noise_colour(LabelNoise(rate=0.2))
    assert lines[1].get_linestyle() != lines[2].get_linestyle()
    assert lines[0].get_color() == noise_colour(None)
    shades = [sum(to_rgba(noise_colour(LabelNoise(rate=r)))[:3]) for r in (0.05, 0.2, 0.5, 0.9)]
    assert len(set(shades)) == 4


def test_scores_are_stacked_on_one_axis_and_absent_ones_left_out():
    figure = plot_sweep([curve("noise 0", None, [0.5, 0.7], fragmentation=estimate(7.0))], title="what it is")
    assert [ax.get_ylabel() for ax in figure.axes] == ["test error", "fragments of a plane"]
    assert figure.axes[0].get_shared_x_axes().joined(*figure.axes)
    explained = "noise: fraction of wrong training labels; bands: 95% intervals"
    assert (figure.legends[0].get_title().get_text(), figure.get_suptitle()) == (explained, "what it is")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["noise 0"]
    crossed = plot_sweep([curve("noise 0", None, [0.5, 0.7], threshold=20.0)])
    assert [text.get_text() for text in crossed.legends[0].get_texts()] == ["noise 0", "interpolation threshold"]


def test_an_interval_without_an_upper_end_is_drawn_up_to_its_value():
    open_ended = Point(x=1.0, runs=2, scores={"median_margin": estimate(3.0, high=float("inf"))})
    whole = Point(x=2.0, runs=2, scores={"median_margin": estimate(4.0)})
    ax = plot_curves(
        [Curve(name="a", noise=None, along="epoch", points=(open_ended, whole), threshold=None)], "median_margin"
    )
    assert np.isfinite(np.asarray(ax.collections[0].get_paths()[0].vertices)).all()
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == "median margin\n(normalised pixels)"


def test_crowded_places_are_not_all_numbered():
    points = tuple(Point(x=float(k), runs=2, scores={"test_error": estimate(0.5)}) for k in range(1, 65))
    ax = plot_curves([Curve(name="a", noise=None, along="width", points=points, threshold=None)], "test_error")
    ticks = ax.get_xticks()
    assert ticks[0] == 1
    assert ticks[-1] == 64
    assert len(ticks) < 16


def test_a_peak_between_close_widths_is_numbered():
    widths = (100, 300, 600, 800, 900, 1000, 1100, 1300, 2000, 4000)
    points = tuple(Point(x=float(k), runs=2, scores={"test_error": estimate(0.5)}) for k in widths)
    ax = plot_curves([Curve(name="a", noise=None, along="width", points=points, threshold=None)], "test_error")
    assert ax.get_xticks().tolist() == [100, 300, 600, 800, 1000, 1300, 2000, 4000]


def test_bands_that_do_not_cover_the_runs_are_hatched_and_the_legend_names_them():
    over_planes = replace(estimate(0.5), note="over planes alone: 2 runs cannot show how runs vary")
    both = curve("noise 0", None, [0.5, 0.7], reproducibility=over_planes)
    (whole,), (partial,) = (plot_curves([both], score).collections for score in ("test_error", "reproducibility"))
    assert (whole.get_hatch(), partial.get_hatch()) == (None, "////")
    assert "hatched" in plot_sweep([both]).legends[0].get_title().get_text()
    assert "hatched" not in plot_sweep([curve("noise 0", None, [0.5, 0.7])]).legends[0].get_title().get_text()
