"""Widths in tables: the published one alone, another beside it."""

import pytest

from dbviz.cli.tables import width_of
from dbviz.spec import Recipe, RunSpec


@pytest.mark.parametrize(
    ("arch", "width", "shown"),
    [
        ("resnet18", None, "64"),
        ("resnet18", 64, "64"),
        ("resnet18", 16, "16 (published 64)"),
        ("timm:resnet50", None, ""),
        ("mine:Net", 3, "3"),
    ],
)
def test_widths_are_shown_beside_the_published_ones(arch, width, shown):
    recipe = Recipe(epochs=1, learning_rate=0.1)
    assert width_of(RunSpec(dataset="cifar10", arch=arch, width=width, recipe=recipe)) == shown
