"""An unused layer in the middle: in sequence it changes every later weight and is named, by name it changes none."""

import pytest
import torch
from torch import nn

from dbviz.audits import InitAudit, audit_initialisation, initial_fingerprint
from dbviz.core.files import digest
from dbviz.models import build
from dbviz.models.build import construct_unseeded


class Net(nn.Module):
    """Three layers, with changes if wanted."""

    def __init__(self, change: str = "") -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        if change == "more":
            self.middle = nn.Sequential(nn.Conv2d(4, 4, 5), nn.LayerNorm(4))
        if change == "thrown away":
            nn.Linear(4, 4)  # whose memory the next layer would take
        self.body = nn.Linear(4, 8 if change == "wider" else 4)
        if change == "again":
            nn.init.kaiming_normal_(self.body.weight)
        self.head = nn.Linear(4, 2)
        if change == "constant":
            nn.init.constant_(self.head.bias, 3.0)


def compared(change: str, seed: int = 0) -> InitAudit:
    return audit_initialisation(Net, lambda: Net(change), seed=seed, labels=("plain", "changed"))


def states(found: InitAudit) -> dict[str, str]:
    return {each.name: each.state for each in found.sequential.parameters}


def test_one_definition_begins_alike_both_ways():
    found = compared("")
    for way in (found.sequential, found.by_name):
        assert (way.equal, way.in_both, way.first_unequal, way.cause) == (8, 8, None, None)
        assert way.fingerprints[0] == way.fingerprints[1]


def test_an_unused_layer_in_the_middle_is_named_and_changes_nothing_by_name():
    found = compared("more")
    assert found.sequential.first_unequal == "body.weight"
    assert found.sequential.cause == "middle.0 (Conv2d) is in changed only and drew 404 values before body.weight"
    assert states(found)["stem.weight"] == "equal"
    assert states(found)["head.bias"] == "other values"
    assert states(found)["middle.0.weight"] == "only in the second"
    assert (found.sequential.equal, found.sequential.in_both) == (4, 8)
    assert (found.by_name.equal, found.by_name.in_both) == (8, 8)
    assert found.by_name.first_unequal is None


def test_a_layer_that_only_the_first_has_is_named_too():
    found = audit_initialisation(lambda: Net("more"), Net, labels=("long", "short"))
    assert found.sequential.cause == "middle.0 (Conv2d) is in long only and drew 404 values before body.weight"


def test_a_layer_that_draws_another_number_of_values_is_named():
    found = compared("wider")
    assert states(found)["body.weight"] == "other shape"
    assert found.sequential.first_unequal == "head.weight"
    assert found.sequential.cause == ("body (Linear) drew 16 values in plain and 32 in changed before head.weight")
    assert found.by_name.equal == found.by_name.in_both == 6


def test_a_draw_that_is_thrown_away_is_noticed():
    found = compared("thrown away")
    assert found.sequential.first_unequal == "body.weight"
    assert found.sequential.cause == (
        "plain drew 16 values of body (Linear) by uniform_ where changed drew 16 values that no parameter keeps "
        "by uniform_"
    )


def test_a_draw_that_is_thrown_away_is_not_taken_for_that_of_a_later_layer_in_its_place():
    def make(thrown: int) -> nn.Module:
        for _ in range(thrown):
            nn.Linear(300, 300)
        return nn.Sequential(nn.Linear(300, 300))

    found = audit_initialisation(lambda: make(0), lambda: make(9))
    assert found.sequential.cause == (
        "the first drew 90,000 values of 0 (Linear) by uniform_ where the second drew 90,000 values that no parameter "
        "keeps by uniform_"
    )


def test_a_parameter_that_is_drawn_again_is_noticed():
    found = compared("again")
    assert found.sequential.first_unequal == "body.weight"
    assert found.sequential.cause == (
        "plain drew 8 values of head (Linear) by uniform_ where changed drew 16 values of body (Linear) by normal_"
    )


def test_another_distribution_after_the_same_draws_is_said_to_be_one():
    found = compared("constant")
    assert found.sequential.first_unequal == "head.bias"
    assert found.sequential.cause == "head.bias is drawn after the same draws, but from another distribution"


def test_in_sequence_means_as_torch_draws_after_its_manual_seed():
    before = torch.get_rng_state()
    found = compared("", seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = digest(Net().state_dict())
    assert found.sequential.fingerprints[0] == expected
    assert compared("", seed=6).sequential.fingerprints[0] != expected


@pytest.mark.parametrize("arch", ["resnet18", "vit"])
def test_by_name_means_as_build_draws(arch):
    def make() -> nn.Module:
        return construct_unseeded(arch, 10, 8, (3, 32, 32))

    found = audit_initialisation(make, make, seed=3)
    assert found.by_name.fingerprints[0] == initial_fingerprint(build(arch, 10, 8, 3))
    assert found.by_name.equal == found.by_name.in_both == len(found.by_name.parameters)


def test_the_fingerprint_is_that_of_the_state_and_of_every_bit():
    module = build("fcnet", width=16)
    first = initial_fingerprint(module)
    assert first == digest(module.state_dict()) == initial_fingerprint(build("fcnet", width=16))
    with torch.no_grad():
        next(module.parameters()).view(-1)[0] += 1e-6
    assert initial_fingerprint(module) != first
