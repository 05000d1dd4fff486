"""An unused layer in the middle: drawn in sequence it changes every later weight and is named, by name none."""

import pytest
import torch
from torch import nn

from dbviz.audits import InitAudit, audit_initialisation, initial_fingerprint
from dbviz.core.files import digest
from dbviz.models import build
from dbviz.models.build import construct_unseeded


class Net(nn.Module):
    """Three layers, or a changed definition of them."""

    def __init__(self, change: str = "") -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        if change == "more":
            self.middle = nn.Sequential(nn.Conv2d(4, 4, 5), nn.LayerNorm(4))
        if change == "discarded":
            nn.Linear(4, 4)  # the next layer would be allocated in its memory
        self.body = nn.Linear(4, 8 if change == "wider" else 4)
        if change == "twice":
            nn.init.kaiming_normal_(self.body.weight)
        self.head = nn.Linear(4, 2)
        if change == "constant":
            nn.init.constant_(self.head.bias, 3.0)


def audit(change: str, seed: int = 0) -> InitAudit:
    return audit_initialisation(Net, lambda: Net(change), seed=seed, labels=("plain", "changed"))


def states(audited: InitAudit) -> dict[str, str]:
    return {parameter.name: parameter.state for parameter in audited.sequential.parameters}


def test_one_definition_starts_from_equal_weights_both_ways():
    audited = audit("")
    for way in (audited.sequential, audited.by_name):
        assert (way.equal, way.in_both, way.first_unequal, way.cause) == (8, 8, None, None)
        assert way.fingerprints[0] == way.fingerprints[1]


def test_an_unused_layer_in_the_middle_is_named_and_changes_nothing_by_name():
    audited = audit("more")
    assert audited.sequential.first_unequal == "body.weight"
    assert audited.sequential.cause == "middle.0 (Conv2d) is in changed only and drew 404 values before body.weight"
    assert states(audited)["stem.weight"] == "equal"
    assert states(audited)["head.bias"] == "other values"
    assert states(audited)["middle.0.weight"] == "only in the second"
    assert (audited.sequential.equal, audited.sequential.in_both) == (4, 8)
    assert (audited.by_name.equal, audited.by_name.in_both) == (8, 8)
    assert audited.by_name.first_unequal is None


def test_a_layer_that_only_the_first_has_is_named_too():
    audited = audit_initialisation(lambda: Net("more"), Net, labels=("long", "short"))
    assert audited.sequential.cause == "middle.0 (Conv2d) is in long only and drew 404 values before body.weight"


def test_a_layer_that_draws_another_number_of_values_is_named():
    audited = audit("wider")
    assert states(audited)["body.weight"] == "other shape"
    assert audited.sequential.first_unequal == "head.weight"
    assert audited.sequential.cause == ("body (Linear) drew 16 values in plain and 32 in changed before head.weight")
    assert audited.by_name.equal == audited.by_name.in_both == 6


def test_a_discarded_draw_is_recorded():
    audited = audit("discarded")
    assert audited.sequential.first_unequal == "body.weight"
    assert audited.sequential.cause == (
        "plain drew 16 values of body (Linear) by uniform_ where changed drew 16 values that no parameter keeps "
        "by uniform_"
    )


def test_a_discarded_draw_is_not_attributed_to_a_later_layer_in_the_same_memory():
    def make(discarded: int) -> nn.Module:
        for _ in range(discarded):
            nn.Linear(300, 300)
        return nn.Sequential(nn.Linear(300, 300))

    audited = audit_initialisation(lambda: make(0), lambda: make(9))
    assert audited.sequential.cause == (
        "the first drew 90,000 values of 0 (Linear) by uniform_ where the second drew 90,000 values that no parameter "
        "keeps by uniform_"
    )


def test_a_parameter_that_is_drawn_twice_is_recorded():
    audited = audit("twice")
    assert audited.sequential.first_unequal == "body.weight"
    assert audited.sequential.cause == (
        "plain drew 8 values of head (Linear) by uniform_ where changed drew 16 values of body (Linear) by normal_"
    )


def test_another_distribution_after_equal_draws_is_named_as_the_cause():
    audited = audit("constant")
    assert audited.sequential.first_unequal == "head.bias"
    assert audited.sequential.cause == "head.bias is drawn after equal draws, but from another distribution"


def test_in_sequence_means_as_torch_draws_after_its_manual_seed():
    before = torch.get_rng_state()
    audited = audit("", seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = digest(Net().state_dict())
    assert audited.sequential.fingerprints[0] == expected
    assert audit("", seed=6).sequential.fingerprints[0] != expected


@pytest.mark.parametrize("arch", ["resnet18", "vit"])
def test_by_name_means_as_build_draws(arch):
    def make() -> nn.Module:
        return construct_unseeded(arch, 10, 8, (3, 32, 32))

    audited = audit_initialisation(make, make, seed=3)
    assert audited.by_name.fingerprints[0] == initial_fingerprint(build(arch, 10, 8, 3))
    assert audited.by_name.equal == audited.by_name.in_both == len(audited.by_name.parameters)


def test_the_fingerprint_is_that_of_the_state_and_of_every_bit():
    module = build("fcnet", width=16)
    first = initial_fingerprint(module)
    assert first == digest(module.state_dict()) == initial_fingerprint(build("fcnet", width=16))
    with torch.no_grad():
        next(module.parameters()).view(-1)[0] += 1e-6
    assert initial_fingerprint(module) != first
