"""The types of changes list every field that can be changed, with its type."""

import inspect
import typing

import pytest

from dbviz.runs import fit
from dbviz.runs.specs import make_specs
from dbviz.spec import LabelNoise, Recipe, RecipeChanges, RunSpec, Seeds, SpecChanges

OWN_ARGUMENTS = {"dataset", "arch", "definition", "label_noise", "pretrained", "recipe", "seeds"}
"""Fields of a spec that are not among the changes: arguments of their own, or derived from these."""


def test_recipe_changes_are_the_fields_of_a_recipe():
    assert typing.get_type_hints(RecipeChanges) == typing.get_type_hints(Recipe)


def test_spec_changes_are_those_of_the_recipe_and_of_the_spec():
    spec = {name: hint for name, hint in typing.get_type_hints(RunSpec).items() if name not in OWN_ARGUMENTS}
    assert typing.get_type_hints(SpecChanges) == typing.get_type_hints(Recipe) | spec
    assert not SpecChanges.__required_keys__


@pytest.mark.parametrize("function", [fit, make_specs])
def test_no_argument_has_the_name_of_a_change(function):
    arguments = set(inspect.signature(function).parameters) - {"changes"}
    assert not arguments & SpecChanges.__annotations__.keys()
    assert {"label_noise", "pretrained"} <= arguments


@pytest.mark.parametrize(
    "value",
    [
        Recipe(epochs=3, learning_rate=0.1, clip_norm=1.0, deterministic=False),
        Seeds(),
        Seeds(init=1, nudge=0),
        LabelNoise(rate=0.25),
        LabelNoise(kind="file", labels="ab"),
        RunSpec(dataset="shapes", arch="vit", recipe=Recipe(epochs=1, learning_rate=1.0)),
        RunSpec(
            dataset="shapes",
            arch="vit",
            width=8,
            label_noise=LabelNoise(rate=0.5),
            recipe=Recipe(epochs=1, learning_rate=0.1, optimizer="sam"),
            seeds=Seeds.all(4),
        ),
    ],
)
def test_the_repr_is_an_expression_of_what_differs_from_the_defaults(value):
    assert eval(repr(value)) == value
    assert "None" not in repr(value)
    assert "momentum" not in repr(value)
