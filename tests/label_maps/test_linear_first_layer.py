"""A linear first layer at three points of a plane gives the labels of plain evaluation."""

import numpy as np
import pytest
import torch
from torch import nn

from dbviz.data import shapes
from dbviz.label_maps import sample
from dbviz.label_maps.linear_first_layer import label_planes
from dbviz.models import build
from dbviz.planes import draw_planes

SCATTERED = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10, bias=False))


@pytest.mark.parametrize("name", ["random_features", "mlp", "fcnet"])
def test_labels_are_those_of_plain_evaluation(name):
    model = build(name, width=64)
    if name == "fcnet":  # its initial weights say little
        model[-1].weight.data *= 100  # pyright: ignore
    planes = draw_planes(shapes(40, split="test"), 3)
    found = label_planes(model, list(planes), resolution=20, padding=0.2)
    assert found is not None
    plain = sample(model, planes, resolution=20, padding=0.2, device="cpu").labels.values[0]
    assert (found != plain).mean() < 0.001
    assert model.training


def test_a_layer_without_bias_and_nothing_behind_it():
    planes = draw_planes(shapes(40, split="test"), 2)
    found = label_planes(SCATTERED, list(planes), resolution=9)
    plain = sample(SCATTERED, planes, resolution=9, device="cpu").labels.values[0]
    assert np.array_equal(found, plain)  # pyright: ignore[reportArgumentType]


def test_other_networks_have_no_such_layer():
    planes = draw_planes(shapes(40, split="test"), 2)
    assert label_planes(build("resnet18", width=4), list(planes)) is None
    assert label_planes(torch.nn.Identity(), list(planes)) is None
