"""The figure of a factorial design: a row a cell, a panel a score, values and intervals where they are said to be."""

from typing import Any

import numpy as np
import pytest

from dbviz.figures import plot_cells
from dbviz.scores import Estimate


def estimate(value: float, high: float | None = None) -> Estimate:
    variances: dict[str, Any] = {"run_variance": 0.0, "item_variance": 0.0}
    high = value + 0.2 if high is None else high
    return Estimate(value=value, low=value - 0.1, high=high, items=9, runs=(3,), **variances)


CELLS = {"init": 0.4, "order": 0.5, "init + order": 0.6, "nudge": 0.3}
SCORES = {
    "churn": {name: estimate(value) for name, value in CELLS.items()},
    "reproducibility": {name: estimate(1 - value) for name, value in CELLS.items()},
}


def test_each_cell_has_its_row_and_each_score_its_panel():
    figure = plot_cells(SCORES, missing={"kernels": "CPU kernels repeat"}, title="resnet18")
    panels = figure.axes
    assert [panel.get_xlabel() for panel in panels] == ["churn", "reproducibility"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == [*CELLS, "kernels"]
    assert panels[0].get_ylim() == (4.5, -0.5)  # the first cell above
    assert [text.get_text() for text in panels[0].texts] == ["not measured:\nCPU kernels repeat"]
    for panel, estimates in zip(panels, SCORES.values(), strict=True):
        for row, (container, one) in enumerate(zip(panel.containers, estimates.values(), strict=True)):
            point, _, (bar,) = container
            assert (point.get_xdata().tolist(), point.get_ydata().tolist()) == ([one.value], [row])
            assert np.allclose(bar.get_segments()[0][:, 0], [one.low, one.high])


def test_the_band_is_the_interval_of_the_largest_cell():
    panel = plot_cells(SCORES).axes[0]
    (band,) = panel.patches
    left = band.get_window_extent().transformed(panel.transData.inverted())
    assert (left.x0, left.x1) == pytest.approx((0.5, 0.8))


def test_single_sources_combinations_and_perturbations_differ_in_marker_and_colour():
    points = [container[0] for container in plot_cells(SCORES).axes[0].containers]
    assert [point.get_marker() for point in points] == ["o", "o", "s", "D"]
    assert len({str(point.get_color()) for point in points}) == 3


def test_an_end_that_is_not_finite_is_left_off():
    scores = {"churn": {"init": estimate(0.4, high=np.inf), "init + order": estimate(0.5)}}
    _, _, (bar,) = plot_cells(scores).axes[0].containers[0]
    assert np.allclose(bar.get_segments()[0][:, 0], [0.3, 0.4])
