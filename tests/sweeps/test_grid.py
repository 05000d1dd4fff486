"""The grid: every combination of values once, and invalid input refused before anything runs."""

import pytest

from dbviz.core.errors import InputError
from dbviz.spec import LabelNoise, Recipe, RunSpec
from dbviz.sweeps import Axis, check_networks, crossed, default_widths, grid, parse_axis

SPEC = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("recipe.epochs=1,2,4", (1, 2, 4)),
        ("recipe.learning_rate=1,0.1", (1.0, 0.1)),
        ("recipe.optimizer=sgd,adam", ("sgd", "adam")),
        ("recipe.deterministic=true,false", (True, False)),
        ("train_size=10,none", (10, None)),
        ("seeds.noise=0,1", (0, 1)),
        ("arch=mlp,fcnet", ("mlp", "fcnet")),
    ],
)
def test_every_field_is_parsed_with_its_type(text, values):
    assert parse_axis(text) == Axis(field=text.partition("=")[0], values=values)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("recipe.epochs", "write FIELD=VALUE,VALUE"),
        ("recipe.epoch=1", "unknown field to sweep 'recipe.epoch': did you mean 'recipe.epochs'"),
        ("dataset=cifar10,svhn", "unknown field to sweep 'dataset'"),
        ("recipe.epochs=1,two", r"recipe.epochs: 'two' is not of type int"),
        ("recipe.epochs=1,2.5", r"'2.5' is not of type int"),
        ("recipe.learning_rate=true", "'true' is not of type float"),
        ("width=4,4", "repeats a value"),
    ],
)
def test_invalid_axes_are_refused(text, match):
    with pytest.raises(InputError, match=match):
        parse_axis(text)


def test_every_combination_of_values_occurs_once():
    noisy = [SPEC, RunSpec(**{**vars(SPEC), "label_noise": LabelNoise(rate=0.2)})]
    axes = [parse_axis("recipe.epochs=1,2"), parse_axis("seeds.init=0,1,2")]
    specs = grid(noisy, axes, widths=(4, 8), sizes=(10, 20))
    assert len(specs) == len({spec.identity for spec in specs}) == 2 * 2 * 3 * 2 * 2
    combinations = {(s.width, s.train_size, s.recipe.epochs, s.seeds.init, s.label_noise is None) for s in specs}
    assert len(combinations) == 48


def test_values_that_a_spec_does_not_allow_are_refused():
    with pytest.raises(InputError, match=r"recipe\.momentum is 2.0"):
        crossed([SPEC], [parse_axis("recipe.momentum=0.5,2")])
    with pytest.raises(InputError, match=r"--sweep width is given twice"):
        crossed([SPEC], [parse_axis("width=1"), parse_axis("width=2")])


def test_widths_around_the_peak_are_known():
    assert [spec.width for spec in grid([SPEC], preset="quick")] == list(default_widths("mlp", "quick", 0))
    assert default_widths("resnet18k", "standard", 50_000) == (*range(1, 21), 30, 40, 50, 60, 64)
    assert 1000 in default_widths("random_features", "quick", 1000)
    with pytest.raises(InputError, match="no widths are known for a sweep of vit: give them with --widths"):
        default_widths("vit", "quick", 0)


def test_networks_are_constructed_before_anything_is_trained(small_images):
    for changes, match in [
        ({"arch": "vit", "width": 9}, "width 9 is not available for vit"),
        ({"arch": "mpl"}, "unknown architecture 'mpl': did you mean 'mlp'"),
        ({"train_size": 129}, "129 images requested"),
    ]:
        with pytest.raises(InputError, match=match):
            check_networks([RunSpec(**{**vars(SPEC), **changes})], small_images)
    check_networks([SPEC], small_images)
