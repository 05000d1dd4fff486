"""Random features: fixed, drawn from their key, with an error if another torch draws other ones."""

from typing import Any

import pytest
import torch

from dbviz.core.errors import InputError
from dbviz.models import build
from dbviz.models.build import construct

SHAPE = (3, 8, 8)


def net(seed: int = 0) -> Any:
    return build("random_features", 10, 32, seed, image_shape=SHAPE)


def test_features_are_relus_of_a_fixed_gaussian_matrix():
    features = net().features
    x = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(0))
    expected = (x.flatten(1).double() @ features.weight.double().T).clamp(min=0)
    torch.testing.assert_close(features(x).double(), expected, rtol=1e-5, atol=1e-5)
    assert float(features.weight.var()) == pytest.approx(1 / 192, rel=0.05)
    assert [name for name, _ in net().named_parameters()] == ["head.weight"]


def test_the_saved_key_determines_the_features():
    first = net(3)
    state = first.state_dict()
    assert sum(tensor.numel() for tensor in state.values()) == 1 + 192 + 320
    reloaded: Any = construct("random_features", 10, 32, SHAPE)
    reloaded.load_state_dict(state)
    assert torch.equal(reloaded.features.weight, first.features.weight)
    assert not torch.equal(net(4).features.weight, first.features.weight)


def test_a_torch_that_draws_other_features_is_detected():
    state = net().state_dict()
    state["features.first_row"] = state["features.first_row"] + 1
    with pytest.raises(InputError, match="draws other random features"):
        net().load_state_dict(state)


def test_the_head_computes_in_float64():
    assert net()(torch.randn(2, *SHAPE)).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net()(torch.ones(2, *SHAPE)), net()(torch.ones(2, *SHAPE)))
