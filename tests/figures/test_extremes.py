"""The extremes: the plane of highest agreement above, that of lowest below, every run in its column."""

import json

import numpy as np
import xarray as xr
from matplotlib.text import Text

from dbviz.figures import class_colours, plot_extremes

# one class fills each panel: run r on plane p says class 3 r + p
LABELS = np.arange(6).reshape(2, 3)


def maps_of(triplets: list[list[int]]) -> xr.Dataset:
    """Label maps of two runs on three planes of 4 x 5 points, of which plane p spans p + 1 in each direction."""
    labels = np.broadcast_to(LABELS[:, :, None, None], (2, 3, 4, 5)).astype(np.uint8)
    spans = np.arange(1.0, 4.0)[:, None]
    coordinates = {
        "model": ["a", "b"],
        "arch": ("model", np.array(["net", "net"])),
        "seed": ("model", np.array(["0", "1"])),
        "test_accuracy": ("model", np.array([0.25, 0.75])),
        "a": (("plane", "column"), spans * np.linspace(0, 1, 5)),
        "b": (("plane", "row"), spans * np.linspace(0, 1, 4)),
        "anchors": (("plane", "corner", "axis"), spans[..., None] * np.array([[0.0, 0], [1, 0], [0, 1]])),
        "triplet": (("plane", "corner"), np.array(triplets)),
        "triplet_label": (("plane", "corner"), np.tile([0, 1, 2], (3, 1))),
    }
    variables = {"labels": (("model", "plane", "row", "column"), labels)}
    return xr.Dataset(variables, coordinates, {"class_names": json.dumps([f"class {k}" for k in range(8)])})


def said(figure) -> list[str]:
    return [figure.axes[place].get_ylabel() for place in (0, 2)]


def test_most_stands_above_least_and_each_panel_shows_its_run():
    figure = plot_extremes(maps_of([[1, 2, 3], [4, 0, 6], [7, 8, 9]]), np.array([0.5, 0.125, 0.875]), title="net")
    colours = class_colours(8)
    expected = [LABELS[0, 2], LABELS[1, 2], LABELS[0, 1], LABELS[1, 1]]
    for ax, label in zip(figure.axes, expected, strict=True):
        assert np.abs(np.asarray(ax.images[0].get_array()) / 255 - colours[label]).max() < 0.01
    assert said(figure) == [
        "most reproducible\nimages 7 8 9\nagreement 87.5%",
        "least reproducible\nimages 4 0 6\nagreement 12.5%",
    ]
    assert [ax.get_title() for ax in figure.axes[:2]] == [
        "seed 0 · 25.0% test accuracy",
        "seed 1 · 75.0% test accuracy",
    ]
    assert figure.get_suptitle() == "net"


def test_the_legend_has_the_classes_of_both_planes_and_no_other():
    figure = plot_extremes(maps_of([[1, 2, 3]] * 3), np.array([0.5, 0.125, 0.875]))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["class 1", "class 2", "class 4", "class 5", "image 1", "image 2", "image 3"]


def test_nothing_below_the_panels_lies_on_anything_else_or_is_cut():
    figure = plot_extremes(maps_of([[1, 2, 3]] * 3), np.array([0.5, 0.125, 0.875]))
    figure.canvas.draw()
    (legend,) = figure.legends
    (text,) = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_text().startswith("distance along"))
    below, label = legend.get_window_extent(), text.get_window_extent()
    assert figure.bbox.x0 <= label.x0 < label.x1 <= figure.bbox.x1
    assert below.y1 < label.y0
    assert figure.bbox.x0 <= below.x0 < below.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= below.y0


def test_planes_without_images_go_by_their_number():
    figure = plot_extremes(maps_of([[-1, -1, -1]] * 3), np.array([0.5, 0.125, 0.875]))
    assert [text.split("\n")[1] for text in said(figure)] == ["plane 2", "plane 1"]
