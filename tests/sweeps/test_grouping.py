"""Which runs belong to the same curve and point: the default field, names of curves, ascending x values."""

from dataclasses import replace
from pathlib import Path

import pytest

from dbviz.core.errors import InputError
from dbviz.spec import LabelNoise, Recipe, RunSpec, Seeds
from dbviz.sweeps import Study
from dbviz.sweeps.grouping import MeasuredRun, default_field, find_measured_runs, group_by_curve, group_by_x

SPEC = RunSpec(dataset="shapes", arch="mlp", width=4, recipe=Recipe(epochs=3, learning_rate=0.1))
STUDY = Study(dataset="shapes", home=Path("runs"))


def runs(*specs: RunSpec, epoch: int = 3) -> list[MeasuredRun]:
    return [MeasuredRun(spec, epoch) for spec in specs]


def with_recipe(**changes) -> RunSpec:
    return replace(SPEC, recipe=replace(SPEC.recipe, **changes))


@pytest.mark.parametrize(
    ("specs", "field"),
    [
        ([SPEC], "width"),
        ([SPEC, replace(SPEC, width=8)], "width"),
        ([SPEC, replace(SPEC, width=8, train_size=10), replace(SPEC, train_size=20)], "width"),
        ([replace(SPEC, train_size=10), replace(SPEC, train_size=20)], "train_size"),
        ([SPEC, with_recipe(learning_rate=0.2)], "recipe.learning_rate"),
        ([SPEC, with_recipe(learning_rate=0.2), replace(SPEC, width=8)], "width"),
    ],
)
def test_the_default_field_is_the_first_numeric_one_with_several_values(specs, field):
    assert default_field(specs, STUDY) == field
    assert default_field(specs, replace(STUDY, epochs=(2,))) == field
    assert default_field(specs, replace(STUDY, epochs=(1, 2))) == "epoch"


def test_a_curve_has_the_runs_that_differ_in_its_field_and_seeds_alone():
    noise = LabelNoise(rate=0.2)
    specs = [
        replace(SPEC, width=width, label_noise=label_noise, seeds=Seeds.all(seed))
        for label_noise in (None, noise)
        for width in (4, 8)
        for seed in (0, 1)
    ]
    curves = group_by_curve(runs(*specs), "width")
    assert list(curves) == ["noise 0", "noise 0.2"]
    assert [[run.spec for run in group] for group in curves.values()] == [specs[:4], specs[4:]]
    assert len(group_by_curve(runs(*specs), "recipe.epochs")) == 4  # a curve for each noise and width


def test_the_name_of_a_curve_has_the_architecture_where_there_are_several():
    assert list(group_by_curve(runs(SPEC, replace(SPEC, arch="vit")), "width")) == ["mlp", "vit"]
    assert list(group_by_curve(runs(SPEC), "width")) == ["mlp"]
    noisy = replace(SPEC, label_noise=LabelNoise(rate=0.2))
    names = list(group_by_curve(runs(SPEC, noisy, replace(SPEC, arch="vit")), "width"))
    assert names == ["mlp noise 0", "mlp noise 0.2", "vit"]


def test_points_are_in_ascending_order_and_the_whole_training_set_has_its_size():
    sizes = runs(*(replace(SPEC, train_size=size) for size in (None, 30, 10)))
    assert group_by_x(sizes, "train_size", 50) == {10.0: sizes[2:], 30.0: sizes[1:2], 50.0: sizes[:1]}
    assert list(group_by_x(sizes, "train_size", 50)) == [10.0, 30.0, 50.0]
    assert list(group_by_x([*runs(SPEC), *runs(SPEC, epoch=1)], "epoch", 50)) == [1.0, 3.0]


@pytest.mark.parametrize("field", ["recipe.optimizer", "recipe.deterministic", "arch"])
def test_a_field_that_is_not_numeric_is_refused(field):
    with pytest.raises(InputError, match=f"no curve can be drawn against {field}, .*: choose a numeric field"):
        group_by_x(runs(SPEC), field, 50)


def test_without_measurements_there_are_no_measured_runs():
    assert find_measured_runs([SPEC], STUDY) == []
