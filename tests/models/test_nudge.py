"""The nudge: one nonzero weight, selected by its seed alone."""

import torch
from torch import nn

from dbviz.models.nudge import nudge


def values(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def a_module() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(2.0)
        module[0].bias.zero_()  # pyright: ignore
    return module


def test_one_weight_is_multiplied_by_1_001():
    module = a_module()
    name, place = nudge(module, 0)
    assert module.get_parameter(name).flatten()[place].item() == torch.tensor(2.0).mul(1.001).item()
    assert (values(module) != values(a_module())).sum() == 1


def test_every_seed_selects_a_nonzero_weight_and_all_are_selected():
    places = set()
    for seed in range(300):
        module = a_module()
        places.add(nudge(module, seed))
        assert (values(module) != values(a_module())).sum() == 1
    assert len(places) == 12 + 8 + 2


def test_zeros_before_a_weight_change_its_index_and_not_the_weight():
    module = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[0.0, 0.0, 4.0]]))
    assert nudge(module, 0) == ("weight", 2)
    assert module.weight.flatten().tolist() == [0, 0, torch.tensor(4.0).mul(1.001).item()]


def test_the_weight_depends_on_the_seed_alone():
    assert nudge(a_module(), 7) == nudge(a_module(), 7)
