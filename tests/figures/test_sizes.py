"""Every figure can be drawn in another size, and everything stays on it."""

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from dbviz.data import shapes
from dbviz.figures import (
    plot_cells,
    plot_epochs,
    plot_extremes,
    plot_halves,
    plot_histograms,
    plot_region_grid,
    plot_scores,
    plot_sweep,
)
from dbviz.label_maps import sample
from dbviz.planes import draw_planes
from dbviz.scores import Estimate, plane_agreement
from dbviz.sweeps import Curve, Point

ESTIMATE = Estimate(value=0.5, low=0.4, high=0.6, items=9, runs=(3,))
POINTS = tuple(Point(x=x, runs=3, scores={"test_error": ESTIMATE}) for x in (1.0, 2.0))
CURVE = Curve(name="noise 0", noise=None, along="width", points=POINTS, threshold=None)
RUNS = np.array([[0.2, 0.5], [0.4, 0.6], [0.6, 0.8]])


def maps():
    models = {f"model {k}": lambda x, k=k: x[:, :, 15, 15 + k] for k in (0, 1)}
    return sample(models, draw_planes(shapes(40, split="test"), 2), resolution=5, device="cpu")


FIGURES: dict[str, Callable[..., Figure]] = {
    "sweep": lambda **size: plot_sweep([CURVE], **size),
    "epochs": lambda **size: plot_epochs({"net": RUNS}, **size),
    "histograms": lambda **size: plot_histograms({"net": RUNS[:, 1]}, **size),
    "halves": lambda **size: plot_halves({"net": RUNS.T}, {}, **size),
    "scores": lambda **size: plot_scores({"churn": {"net": ESTIMATE}}, **size),
    "cells": lambda **size: plot_cells({"churn": {"init": ESTIMATE, "init + order": ESTIMATE}}, **size),
    "region grid": lambda **size: plot_region_grid(maps(), ["k = 1", "k = 2"], ["a", "b"], **size),
    "extremes": lambda **size: plot_extremes(
        one := maps().assign_coords(arch=("model", ["net", "net"])), plane_agreement(one)["net"], **size
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_the_size_that_was_chosen(name):
    figure = FIGURES[name](figsize=(5.5, 4.5))
    assert figure.get_size_inches().tolist() == [5.5, 4.5]
    figure.canvas.draw()
    bounds = figure.get_tightbbox()
    assert bounds.x0 > -0.05
    assert bounds.y0 > -0.05
    assert bounds.x1 < 5.55
    assert bounds.y1 < 4.55
    assert FIGURES[name]().get_size_inches().tolist() != [5.5, 4.5]
