"""Label maps from plain arrays are scored, drawn, saved and combined like sampled ones."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import xarray as xr

from dbviz import RegionDisplay, scores
from dbviz.core.errors import InputError
from dbviz.label_maps import combine, from_array, load, sample, save
from dbviz.planes import PlaneSet


@pytest.fixture
def planes(small_images) -> PlaneSet:
    return PlaneSet.of(small_images.test, [[0, 1, 2], [13, 44, 27]])


def halves(share: float) -> np.ndarray:
    """A 10 x 10 map of class 1, whose first columns are of class 0."""
    return np.tile(np.arange(10) >= 10 * share, (10, 1)).astype(np.uint8)


def test_reproducibility_is_the_share_of_equal_labels():
    labels = np.stack([[halves(0.5), halves(0.2)], [halves(0.3), halves(0.2)]])
    maps = from_array(labels)
    assert scores.reproducibility(maps).value == pytest.approx((0.8 + 1.0) / 2)
    assert scores.reproducibility(maps).runs == (2,)
    assert maps.labels.dtype == np.uint8
    assert np.array_equal(maps.labels, labels)


def test_models_may_be_of_several_networks():
    labels = np.stack([halves(share)[None] for share in (0.5, 0.3, 0.2)]).repeat(2, axis=1)
    maps = from_array(
        labels, networks=["resnet", "resnet", "vit"], models=["a", "b", "c"], test_accuracy=[0.9, 0.8, 0.7]
    )
    assert maps.seed.values.tolist() == ["0", "1", "0"]
    assert maps.model.values.tolist() == ["a", "b", "c"]
    assert maps.test_accuracy.values.tolist() == [0.9, 0.8, 0.7]
    matrix = scores.reproducibility_matrix(maps)
    assert matrix["resnet", "resnet"].value == pytest.approx(0.8)
    assert matrix["resnet", "vit"].value == pytest.approx((0.7 + 0.9) / 2)
    assert scores.fragmentation(maps)["vit"].value == 2


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, xr.DataArray, np.ndarray.tolist])
def test_any_array_of_integers_is_accepted(convert):
    labels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 4))
    assert np.array_equal(from_array(convert(labels)).labels, labels)


def test_the_dimension_of_a_single_plane_may_be_missing():
    maps = from_array(np.stack([halves(0.5), halves(0.3)]))
    assert dict(maps.labels.sizes) == {"model": 2, "plane": 1, "row": 10, "column": 10}


def test_they_are_displayed_with_or_without_planes(planes):
    labels = np.stack([[halves(0.5), halves(0.2)], [halves(0.3), halves(0.2)]])
    for source in (None, planes):
        maps = from_array(labels, class_names=["left", "right"], planes=source)
        display = RegionDisplay.from_maps(maps.sel(plane=0)).plot()
        assert display.class_names[:2] == ("left", "right")
        assert display.seeds == ("0", "1")
        assert len(display.images_) == 2
        display.figure_.canvas.draw()
        plt.close(display.figure_)


def test_they_are_saved_and_loaded(planes, tmp_path):
    for source in (None, planes):
        maps = from_array(np.zeros((2, 2, 5, 5), int), planes=source)
        xr.testing.assert_identical(load(save(maps, tmp_path / "maps.nc")), maps)


def test_on_the_same_planes_they_are_combined_with_sampled_maps(planes):
    sampled = sample({"ours": lambda x: x.mean((2, 3))}, planes, resolution=5, padding=0.2)
    theirs = from_array(
        sampled.labels.values, models=["theirs"], networks="ours", seeds=[7], planes=planes, padding=0.2
    )
    for name in ("triplet", "triplet_label", "anchors", "a", "b", "evaluated"):
        assert np.array_equal(theirs[name], sampled[name]), name
    assert set(sampled.variables) == set(theirs.variables)
    assert scores.reproducibility(combine([sampled, theirs])).value == 1
    with pytest.raises(InputError, match="differ in dataset"):
        combine([sampled, from_array(sampled.labels.values)])


def test_nothing_is_claimed_about_unknown_planes_and_models():
    maps = from_array(np.zeros((1, 2, 3, 3), int))
    assert maps.a.values.tolist() == maps.b.values.tolist() == [[0, 0.5, 1]] * 2
    assert maps.anchors.isnull().all()
    assert (maps.triplet == -1).all()
    assert (maps.dataset, maps.planes) == ("", "")
    assert json.loads(maps.weights) == {"model 0": None}
    assert maps.test_accuracy.isnull().all()


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros((2, 2), int), {}, r"^labels have shape \(2, 2\): give \(model, plane, row, column\)"),
        (np.zeros((1, 1, 3, 4), int), {}, r"with as many rows as columns"),
        (np.zeros((0, 1, 3, 3), int), {}, r"^labels have shape \(0, 1, 3, 3\)"),
        (np.zeros((1, 1, 3, 3)), {}, r"^labels are float64: give class numbers as integers, such as logits.argmax"),
        (np.full((1, 1, 3, 3), 256), {}, r"^labels are 256 ... 256: label maps hold the classes 0 ... 255"),
        (np.full((1, 1, 3, 3), -1), {}, r"^labels are -1 ... -1"),
        (np.zeros((1, 1, 1, 1), int), {}, r"^resolution is 1"),
        (
            np.zeros((2, 1, 3, 3), int),
            {"networks": ["a"]},
            r"^networks has length 1: it must be 2, the number of models",
        ),
        (np.zeros((2, 1, 3, 3), int), {"seeds": [1, 2, 3]}, r"^seeds has length 3: it must be 2"),
        (np.zeros((2, 1, 3, 3), int), {"models": ["a", "a"]}, r"^two models are called a: give each a name of its own"),
    ],
)
def test_arrays_that_are_not_label_maps_are_refused(labels, options, message):
    with pytest.raises(InputError, match=message):
        from_array(labels, **options)


def test_the_planes_must_be_as_many_as_those_of_the_labels(planes):
    with pytest.raises(InputError, match=r"^planes has length 2: it must be 3, the number of planes of the labels"):
        from_array(np.zeros((1, 3, 4, 4), int), planes=planes)
