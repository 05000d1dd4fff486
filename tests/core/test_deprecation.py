"""Old names that keep working for one release, with a warning that names the new one."""

import importlib

import numpy as np
import pytest

import dbviz
from dbviz.core.deprecation import renamed_module, renamed_parameter
from dbviz.data import shapes
from dbviz.planes import draw_planes
from dbviz.sweeps import Study


@pytest.mark.parametrize(
    ("module", "name", "home"),
    [
        ("dbviz.regions", "Plane", "dbviz.planes"),
        ("dbviz.regions", "save", "dbviz.label_maps"),
        ("dbviz.regions", "measure_margins", "dbviz.margins"),
        ("dbviz.images", "LoaderBatches", "dbviz.data"),
        ("dbviz.images", "draw_triplets", "dbviz.planes"),
    ],
)
def test_an_old_module_gives_the_same_objects_and_names_the_new_one(module, name, home):
    with pytest.warns(FutureWarning, match=rf"^{module}\.{name} is now {home}\.{name}; the old name works until"):
        value = getattr(importlib.import_module(module), name)
    assert value is getattr(importlib.import_module(home), name)


def test_every_name_of_the_old_modules_is_still_there():
    for module in ("dbviz.regions", "dbviz.images"):
        for name in dir(importlib.import_module(module)):
            with pytest.warns(FutureWarning):
                assert getattr(importlib.import_module(module), name) is not None


def test_old_modules_are_attributes_of_the_package():
    with pytest.warns(FutureWarning, match=r"dbviz\.regions\.sample is now dbviz\.label_maps\.sample"):
        assert dbviz.regions.sample is dbviz.sample


def test_an_unknown_name_of_an_old_module_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'dbviz\.regions' has no attribute 'nothing'"):
        _ = importlib.import_module("dbviz.regions").nothing


def test_a_module_that_exists_is_not_replaced():
    renamed_module("dbviz.data", {})
    assert importlib.import_module("dbviz.data").shapes is shapes


def test_margin_is_padding():
    (plane,) = draw_planes(shapes(30, split="test"), 1)
    with pytest.warns(FutureWarning, match="margin= is now padding="):
        old = plane.axes(5, margin=0.5)  # pyright: ignore[reportCallIssue]
    assert np.array_equal(old, plane.axes(5, padding=0.5))
    with pytest.warns(FutureWarning, match="margin= is now padding="):
        maps = dbviz.sample(lambda x: x.flatten(1)[:, :3], plane, resolution=4, margin=0.25)  # pyright: ignore[reportCallIssue]
    assert maps.identical(
        dbviz.sample(lambda x: x.flatten(1)[:, :3], plane, resolution=4, padding=0.25).assign_attrs(maps.attrs)
    )


def test_a_study_is_the_same_under_the_old_name(tmp_path):
    with pytest.warns(FutureWarning, match="margin= is now padding="):
        old = Study(dataset="shapes", home=tmp_path, margin=0.3)  # pyright: ignore[reportCallIssue]
    assert old == Study(dataset="shapes", home=tmp_path, padding=0.3)


def test_both_names_at_once_are_an_error():
    @renamed_parameter("old", "new")
    def function(*, new: int) -> int:
        return new

    with pytest.raises(TypeError, match="got new and old, its old name: pass only new"):
        function(new=1, old=2)  # pyright: ignore[reportCallIssue]
