"""Errors: an unknown name suggests the closest known one."""

import pytest

from dbviz.core.errors import InputError, TrainingDiverged, unknown_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet81", "unknown architecture 'resnet81': did you mean 'resnet18'? Known: resnet18, vit"),
        ("vits", "unknown architecture 'vits': did you mean 'vit'? Known: resnet18, vit"),
        ("transformer", "unknown architecture 'transformer': choose among resnet18, vit"),
        ("", "unknown architecture '': choose among resnet18, vit"),
    ],
)
def test_an_unknown_name_suggests_the_closest_and_lists_all(name, expected):
    error = unknown_name("architecture", name, ["resnet18", "vit"])
    assert isinstance(error, InputError)
    assert str(error) == expected


def test_the_known_names_may_come_from_any_iterable():
    assert str(unknown_name("split", "tset", iter(["train", "test"]))) == (
        "unknown split 'tset': did you mean 'test'? Known: train, test"
    )


def test_bad_input_is_a_value_error_and_a_diverged_training_is_not():
    assert issubclass(InputError, ValueError)
    assert not issubclass(TrainingDiverged, ValueError)
