"""Regions in a grid: each panel shows its own network on its own plane."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from dbviz.core.errors import InputError
from dbviz.data import shapes
from dbviz.figures import class_colours, plot_region_grid
from dbviz.label_maps import sample
from dbviz.planes import draw_planes


def constant(label: int):
    return lambda x: torch.nn.functional.one_hot(torch.full((len(x),), label), 10).float()


@pytest.fixture
def maps():
    planes = draw_planes(shapes(40, split="test"), 3)
    yield sample({f"says {label}": constant(label) for label in (1, 4)}, planes, resolution=5, device="cpu")
    plt.close("all")


def test_a_row_a_plane_and_a_column_a_network(maps):
    figure = plot_region_grid(maps, ["k = 1", "k = 4"], ["three classes", "one class", "mislabelled"], title="a net")
    axes = np.array(figure.axes).reshape(3, 2)
    colours = class_colours(10)
    for row in axes:
        for ax, label in zip(row, (1, 4), strict=True):
            pixels = np.asarray(ax.images[0].get_array()) / 255
            assert np.abs(pixels - colours[label]).max() < 0.01
    assert [ax.get_title() for ax in axes[0]] == ["k = 1", "k = 4"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["three classes", "one class", "mislabelled"]
    assert len(figure.legends[0].get_texts()) == 10 + 3
    assert figure.get_suptitle() == "a net"


def test_names_must_be_as_many_as_networks_and_planes(maps):
    with pytest.raises(InputError, match="1 rows and 2 columns are named"):
        plot_region_grid(maps, ["a", "b"], ["c"])
