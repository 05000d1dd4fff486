"""Names of networks: as short as possible, and equal exactly where specs differ in nothing but their seeds."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbviz.spec import LabelNoise, Recipe, RunSpec, Seeds
from dbviz.spec.names import network_names


def run(
    arch: str = "vit", *, seed: int = 0, width: int | None = None, teacher: str | None = None, **recipe: Any
) -> RunSpec:
    made = dataclasses.replace(Recipe(epochs=1, learning_rate=0.1), **recipe)
    return RunSpec(dataset="cifar10", arch=arch, width=width, teacher=teacher, recipe=made, seeds=Seeds.all(seed))


def noisy(noise: LabelNoise | None, width: int) -> RunSpec:
    return dataclasses.replace(run(width=width), label_noise=noise)


@pytest.mark.parametrize(
    ("specs", "names"),
    [
        ([], []),
        ([run()], ["vit"]),
        ([run(), run(seed=1), run("fcnet")], ["vit", "vit", "fcnet"]),
        ([run(width=4), run(width=8), run("fcnet")], ["vit width 4", "vit width 8", "fcnet"]),
        ([run(width=4), run()], ["vit width 4", "vit width full"]),
        # the learning rate depends on the optimizer and distinguishes nothing more
        ([run(optimizer="adam", learning_rate=0.01), run(optimizer="sgd")], ["vit adam", "vit sgd"]),
        ([run(learning_rate=0.01), run()], ["vit learning rate 0.01", "vit learning rate 0.1"]),
        ([run(mode="mixup"), run(), run(epochs=2)], ["vit mixup epochs 1", "vit plain epochs 1", "vit plain epochs 2"]),
        ([run(teacher="a" * 64), run(teacher="b" * 64)], ["vit teacher aaaaaa", "vit teacher bbbbbb"]),
        (
            [noisy(None, 4), noisy(LabelNoise(rate=0.2), 4), noisy(LabelNoise(kind="asymmetric", rate=0.4), 8)],
            ["vit width 4 noise 0", "vit width 4 noise 0.2", "vit width 8 noise asymmetric 0.4"],
        ),
    ],
)
def test_names_contain_what_distinguishes_networks(specs, names):
    assert network_names(specs) == names


SPECS = st.builds(
    run,
    st.sampled_from(["vit", "fcnet"]),
    seed=st.integers(0, 1),
    width=st.sampled_from([None, 1, 2]),
    optimizer=st.sampled_from(["sgd", "sam"]),
    epochs=st.integers(1, 2),
    momentum=st.sampled_from([0.5, 0.9]),
)


@given(st.lists(SPECS, min_size=1, max_size=8))
def test_names_are_equal_exactly_where_specs_differ_in_nothing_but_seeds(specs):
    names = network_names(specs)
    for first_spec, first_name in zip(specs, names, strict=True):
        for second_spec, second_name in zip(specs, names, strict=True):
            alike = dataclasses.replace(first_spec, seeds=Seeds()) == dataclasses.replace(second_spec, seeds=Seeds())
            assert (first_name == second_name) == alike
