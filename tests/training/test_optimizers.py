"""Learning rates computed by hand and against torch's own schedule; the options of the optimizers."""

import dataclasses
import itertools

import pytest
import torch
from torch import nn

from dbviz.spec import Recipe
from dbviz.training.optimizers import learning_rate, make_optimizer


def recipe(**changes) -> Recipe:
    return Recipe(**{"epochs": 1, "learning_rate": 2.0, **changes})


def test_a_constant_rate_is_constant():
    assert {learning_rate(recipe(schedule="constant"), step, 10) for step in range(10)} == {2.0}


@pytest.mark.parametrize("total", [100, 200, 1000])
def test_steps_divide_by_ten_at_37_62_and_87_percent(total):
    rates = [learning_rate(recipe(schedule="steps"), step, total) for step in range(total)]
    drops = [step for step in range(1, total) if rates[step] != rates[step - 1]]
    assert drops == [total * share // 100 for share in (37, 62, 87)]
    assert [rates[0], *(rates[step] for step in drops)] == pytest.approx([2, 0.2, 0.02, 0.002])


def test_steps_of_a_short_training_fall_after_the_milestone():
    # step 3 of 8 is at 37.5 %, step 5 at 62.5 %, step 7 at 87.5 %
    rates = [learning_rate(recipe(schedule="steps"), step, 8) for step in range(8)]
    assert rates == pytest.approx([2, 2, 2, 0.2, 0.2, 0.02, 0.02, 0.002])


def test_one_cycle_has_the_values_computed_by_hand():
    # rises by (1 - .04) / 2 of the peak in half of the rise; half-way down the cosine it is a half
    rates = [learning_rate(recipe(schedule="one-cycle"), step, 8) for step in (0, 1, 2, 5)]
    assert rates == pytest.approx([2 / 25, 2 * 0.52, 2.0, 1.0])


def test_one_cycle_starts_at_a_twenty_fifth_peaks_at_a_quarter_and_ends_near_zero():
    rates = [learning_rate(recipe(schedule="one-cycle"), step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(2 / 25)
    assert rates.index(max(rates)) == 250
    assert max(rates) == 2.0
    assert 0 < rates[-1] < 2e-5
    assert all(first < second for first, second in itertools.pairwise(rates[:251]))
    assert all(first > second for first, second in itertools.pairwise(rates[250:]))


def torch_one_cycle(total: int, **options) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 2.0, total_steps=total, div_factor=25, final_div_factor=float("inf"), **options
    )
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < total else None
    return rates


@pytest.mark.parametrize("total", [40, 100])
def test_one_cycle_is_torchs_where_its_ends_are_put_at_the_same_steps(total):
    # torch rises over pct_start * T - 1 steps and falls until step T - 1: with T = total + 1 these are ours
    ours = [learning_rate(recipe(schedule="one-cycle"), step, total) for step in range(total)]
    share = (total / 4 + 1) / (total + 1)
    rising = torch_one_cycle(total + 1, pct_start=share, anneal_strategy="linear")[: total // 4 + 1]
    falling = torch_one_cycle(total + 1, pct_start=share, anneal_strategy="cos")[total // 4 : total]
    assert ours[: total // 4 + 1] == pytest.approx(rising, rel=1e-9)
    assert ours[total // 4 :] == pytest.approx(falling, rel=1e-9, abs=1e-12)


def test_one_cycle_differs_from_torchs_quarter_by_at_most_a_step():
    """Torch peaks one step earlier and reaches its minimum at the last step; here 0 would be one step after it."""
    ours = [learning_rate(recipe(schedule="one-cycle"), step, 100) for step in range(100)]
    rising = torch_one_cycle(100, pct_start=0.25, anneal_strategy="linear")
    falling = torch_one_cycle(100, pct_start=0.25, anneal_strategy="cos")
    assert rising.index(max(rising)) == 24
    assert falling[-1] == pytest.approx(0, abs=1e-12)
    assert ours[-1] > 0
    assert all(rising[step - 1] < ours[step] <= rising[step] for step in range(1, 25))
    assert ours[25:] == pytest.approx(falling[24:99])  # the same fall, a step later


def module() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))


def test_sgd_has_every_parameter_in_one_group_with_momentum_and_decay():
    net = module()
    optimizer = make_optimizer(net, recipe(momentum=0.7, weight_decay=0.03))
    (group,) = optimizer.param_groups
    assert isinstance(optimizer, torch.optim.SGD)
    assert [id(p) for p in group["params"]] == [id(p) for p in net.parameters()]
    assert (group["lr"], group["momentum"], group["weight_decay"], group["dampening"]) == (2.0, 0.7, 0.03, 0)


def test_adam_decouples_its_decay():
    net = module()
    optimizer = make_optimizer(net, recipe(optimizer="adam", weight_decay=0.5, learning_rate=0.1))
    (group,) = optimizer.param_groups
    assert isinstance(optimizer, torch.optim.AdamW)
    assert [id(p) for p in group["params"]] == [id(p) for p in net.parameters()]
    before = [p.detach().clone() for p in net.parameters()]
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    # without a gradient only the decay acts: w (1 - lr * decay), while an L2 penalty would give a step of lr
    for p, was in zip(net.parameters(), before, strict=True):
        assert torch.allclose(p, was * (1 - 0.1 * 0.5))


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_steps_are_bitwise_those_of_torchs_optimizers(name):
    settings = {"lr": 0.1, "weight_decay": 0.05, "fused": True}
    torch.manual_seed(0)
    ours, torchs = nn.Linear(7, 5), nn.Linear(7, 5)
    torchs.load_state_dict(ours.state_dict())
    optimizer = make_optimizer(ours, dataclasses.replace(recipe(optimizer=name), weight_decay=0.05, learning_rate=0.1))
    reference: torch.optim.Optimizer = (
        torch.optim.SGD(torchs.parameters(), momentum=0.9, **settings)
        if name == "sgd"
        else torch.optim.AdamW(torchs.parameters(), **settings)
    )
    assert isinstance(optimizer, type(reference))
    for _ in range(5):
        x = torch.randn(3, 7)
        for model, stepping in ((ours, optimizer), (torchs, reference)):
            stepping.zero_grad(set_to_none=True)
            model(x).square().sum().backward()
            stepping.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), torchs.parameters(), strict=True))
    assert ours.weight.requires_grad
