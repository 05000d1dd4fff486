"""Nearest upsampling by repetition: equal to torch's own, forward and backward."""

import pytest
import torch
from torch import nn

from dbviz.core.errors import InputError
from dbviz.models import NearestUpsample, replace_nearest_upsampling


@pytest.mark.parametrize(
    ("shape", "scale"), [((2, 3, 5), 3), ((2, 3, 4, 5), 2), ((2, 3, 4, 5), (3, 1)), ((1, 2, 2, 3, 2), 2)], ids=str
)
def test_it_is_torchs_nearest_upsampling_with_its_gradient(shape, scale):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    mine, theirs = NearestUpsample(scale)(x), nn.Upsample(scale_factor=scale)(x)
    assert torch.equal(mine, theirs)
    weights = torch.randn(theirs.shape, dtype=torch.float64)
    gradients = [torch.autograd.grad((out * weights).sum(), x)[0] for out in (mine, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_each_pixel_is_repeated():
    x = torch.tensor([[[[1.0, 2.0]]]])
    assert NearestUpsample(2)(x).tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2]]]]


def test_every_nearest_upsampling_of_a_model_is_replaced_and_nothing_else():
    inner = nn.Sequential(nn.Upsample(scale_factor=(2, 3)), nn.Upsample(scale_factor=2, mode="bilinear"))
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2), inner)
    x = torch.randn(2, 3, 6, 6)
    before = model(x)
    assert replace_nearest_upsampling(model) == ["1", "2.0"]
    assert [type(part) for part in model.modules() if isinstance(part, NearestUpsample)] == [NearestUpsample] * 2
    assert isinstance(inner[1], nn.Upsample)
    assert torch.equal(model(x), before)


@pytest.mark.parametrize(
    "part", [nn.Upsample(scale_factor=1.5), nn.Upsample(size=7), nn.Upsample(scale_factor=(2.0, 0.5))], ids=str
)
def test_what_does_not_repeat_whole_pixels_is_refused_and_nothing_is_replaced(part):
    model = nn.Sequential(nn.Upsample(scale_factor=2), part)
    with pytest.raises(InputError, match=r"^1 is Upsample\(.*cannot be replaced.*whole scale_factor$"):
        replace_nearest_upsampling(model)
    assert isinstance(model[0], nn.Upsample)


def test_a_module_that_is_itself_an_upsampling_cannot_be_replaced():
    with pytest.raises(InputError, match=r"^the module is Upsample"):
        replace_nearest_upsampling(nn.Upsample(scale_factor=2))
