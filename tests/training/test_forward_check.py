"""A network that is random in evaluation mode is detected, and the responsible module is named."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.models import ARCHITECTURES, build
from dbviz.training.forward_check import check_deterministic_forward, random_module

IMAGES = torch.randn(4, 3, 8, 8)


class AlwaysDropped(nn.Module):
    """Forgets `training=self.training`."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(192, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.dropout(self.first(x)))


class StaysOn(nn.Dropout):
    """A dropout that evaluation mode does not reach."""

    def train(self, mode: bool = True) -> "StaysOn":  # noqa: ARG002
        return super().train(True)


def test_a_functional_dropout_is_attributed_to_the_module_that_calls_it():
    model = nn.Sequential(nn.Flatten(), AlwaysDropped())
    assert random_module(model, IMAGES) == "1 (AlwaysDropped)"
    assert random_module(AlwaysDropped(), IMAGES.flatten(1)) == "AlwaysDropped itself"


def test_a_layer_left_on_is_reported_and_not_those_after_it():
    model = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(192, 16), StaysOn(), nn.ReLU()), nn.Linear(16, 3))
    assert random_module(model, IMAGES) == "1.1 (StaysOn)"


def test_a_function_is_named_as_such():
    assert random_module(lambda x: F.dropout(x.flatten(1)), IMAGES) == "the function"
    assert random_module(lambda x: x.flatten(1), IMAGES) is None


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_is_deterministic_and_keeps_its_mode(arch):
    model = build(arch, width=ARCHITECTURES[arch].multiple_of)
    assert random_module(model, torch.randn(2, 3, 32, 32)) is None
    assert model.training


def test_nothing_of_the_network_is_changed():
    model = nn.Sequential(nn.Flatten(), AlwaysDropped(), nn.BatchNorm1d(3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model[2].eval()
    random_module(model, IMAGES)
    assert model.training
    assert not model[2].training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_the_check_raises_a_one_line_error():
    check_deterministic_forward(nn.Flatten(), IMAGES, "mine")
    with pytest.raises(InputError) as caught:
        check_deterministic_forward(nn.Sequential(nn.Flatten(), AlwaysDropped()), IMAGES, "mine")
    assert str(caught.value) == (
        "mine is random in evaluation mode: the same images have different outputs in 1 (AlwaysDropped); "
        "make it random in training mode only, such as F.dropout(x, training=self.training)"
    )
