"""A linear first layer evaluated by plane: the logits of plain evaluation up to rounding, and exactly its labels."""

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dbviz.data import shapes
from dbviz.label_maps import calibration, linear_first_layer, sample
from dbviz.label_maps.grid import Grid
from dbviz.label_maps.linear_first_layer import LinearFirstForm, linear_first
from dbviz.models import build
from dbviz.planes import PlaneSet, draw_planes

CPU = torch.device("cpu")


@pytest.fixture
def planes() -> PlaneSet:
    return draw_planes(shapes(40, split="test"), 3)


def network(name: str) -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10, bias=False)) if name == "no bias" else build(name, width=64)
    if name == "fcnet":  # whose initial logits are nearly constant
        for layer in model.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.data *= 4
    return model.eval()


@pytest.mark.parametrize("name", ["random_features", "mlp", "fcnet", "no bias"])
@pytest.mark.parametrize("cached_values", [1, 2**22])
def test_logits_are_those_of_plain_evaluation_up_to_rounding(planes, name, cached_values, monkeypatch):
    monkeypatch.setattr(linear_first_layer, "_CACHED_VALUES", cached_values)  # one plane, or all
    monkeypatch.setattr(linear_first_layer, "_ROWS_AT_ONCE", 24)
    model = network(name)
    points = Grid.of(planes.planes, [p.axes(9, 0.2) for p in planes], CPU).at(np.array([0, 7, 100, 80, 81, 242, 3]))
    parts = linear_first(model)
    assert parts is not None
    with torch.inference_mode():
        logits = LinearFirstForm(parts, batch=3)(points)
        expected = model(points.images).float()
    assert logits.dtype == torch.float32
    assert torch.allclose(logits, expected, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(("cached_values", "blocks"), [(1, 3), (2**22, 1)])
def test_the_first_layer_is_computed_once_for_each_block_of_planes(planes, cached_values, blocks, monkeypatch):
    monkeypatch.setattr(linear_first_layer, "_CACHED_VALUES", cached_values)  # one plane, or all
    computed, compute = [], linear_first_layer._block_products
    monkeypatch.setattr(linear_first_layer, "_block_products", lambda *block: computed.append(block) or compute(*block))
    grid = Grid.of(planes.planes, [plane.axes(5, 0.1) for plane in planes], CPU)
    parts = linear_first(network("mlp"))
    assert parts is not None
    with torch.inference_mode():
        LinearFirstForm(parts, batch=10)(grid.at(np.arange(75)))
    assert len(computed) == blocks


@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize("name", ["random_features", "mlp", "fcnet"])
def test_labels_are_exactly_those_of_plain_evaluation(planes, name, refine, monkeypatch):
    monkeypatch.setattr(calibration, "_MIN_BATCHES", 0)
    monkeypatch.setattr(calibration, "_MAX_RELATIVE_TIME", math.inf)
    monkeypatch.setattr(calibration, "_GOOD_RELATIVE_TIME", math.inf)
    model = network(name).train()
    maps = sample(model, planes, resolution=40, device="cpu", refine=refine)
    plain = sample(lambda x: model(x), planes, resolution=40, device="cpu", refine=refine)
    (evaluation,) = json.loads(maps.attrs["evaluation"]).values()
    assert evaluation["form"] == "fp32, first layer by plane"
    assert np.array_equal(maps.labels, plain.labels)
    assert len(np.unique(maps.labels)) > 1
    assert int(maps.reevaluated.sum()) < 0.05 * int(maps.evaluated.sum())
    assert model.training


def test_points_within_the_error_bound_are_reevaluated(planes, monkeypatch):
    """Two classes with nearly equal logits everywhere, that rounding alone distinguishes."""
    monkeypatch.setattr(calibration, "_MIN_BATCHES", 0)
    monkeypatch.setattr(calibration, "_MAX_RELATIVE_TIME", math.inf)
    monkeypatch.setattr(calibration, "_GOOD_RELATIVE_TIME", math.inf)
    tied = build("mlp", 2, 64).eval()
    head: nn.Linear = tied[-1]  # pyright: ignore
    with torch.no_grad():
        head.weight[1] = head.weight[0] + 1e-7 * head.weight[1]
        head.bias[1] = head.bias[0]
    maps = sample(tied, planes, resolution=20, device="cpu")
    assert int(maps.reevaluated.sum()) > 0.5 * maps.labels.size
    assert np.array_equal(maps.labels, sample(lambda x: tied(x), planes, resolution=20, device="cpu").labels)


class Doubled(nn.Sequential):
    """A sequence with a forward of its own."""

    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


def hooked() -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    model[1].register_forward_hook(lambda _, __, output: -output)
    return model


@pytest.mark.parametrize(
    "model",
    [
        build("resnet18", width=4),
        nn.Identity(),
        nn.Sequential(nn.Flatten()),
        nn.Sequential(nn.Flatten(2), nn.Linear(1024, 10)),
        nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)).double(),
        Doubled(nn.Flatten(), nn.Linear(3072, 10)),
        hooked(),
        lambda x: x,
    ],
    ids=["resnet18", "identity", "flatten", "by channel", "fp64", "own forward", "hook", "function"],
)
def test_other_networks_have_no_such_layer(model):
    assert linear_first(model) is None
