"""Margins are those of models whose boundaries are known in closed form, however images are batched."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from dbviz import fit
from dbviz.core.errors import InputError
from dbviz.data import Images, ImageSet
from dbviz.margins import measure_margins
from dbviz.margins.directions import draw_targets, unit_directions
from dbviz.models import initialize

GRID = np.geomspace(0.1, 100, 31)


def two_classes(normal: Tensor, offset: float) -> nn.Module:
    """Class 1 where <normal, x> > offset."""
    linear = nn.Linear(normal.numel(), 2)
    with torch.no_grad():
        linear.weight.copy_(torch.stack([torch.zeros(normal.numel()), normal.flatten()]))
        linear.bias.copy_(torch.tensor([0.0, -offset]))
    return nn.Sequential(nn.Flatten(), linear)


def brightness(*bounds: float):
    """Class k where the mean of the pixels is between the k-th bound and the one before."""

    def model(x: Tensor) -> Tensor:
        label = torch.bucketize(x.flatten(1).mean(1), torch.tensor(bounds))
        return nn.functional.one_hot(label, len(bounds) + 1).float()

    return model


@pytest.fixture
def images(small_images) -> ImageSet:
    return small_images.test


def linear_margins(images: ImageSet, along, normal: Tensor, offset: float) -> np.ndarray:
    """For unit normals: distance to the boundary over the cosine; infinite where it recedes. (image, direction)."""
    which = np.arange(12)
    distance = offset - images.normalized(which).flatten(1).double() @ normal.flatten().double()
    cosine = unit_directions(images, which, 7, along=along).flatten(2).double() @ normal.flatten().double()
    margins = (distance[:, None] / cosine).numpy()
    return np.where(margins > 0, margins, np.inf)


@pytest.mark.parametrize("along", ["random", "images"])
@pytest.mark.parametrize("batch_size", [1, 5, 64, 1000])
def test_a_linear_models_margin_is_the_distance_over_the_cosine(images, along, batch_size):
    normal = torch.randn(images.image_shape, generator=torch.Generator().manual_seed(0))
    normal /= normal.norm()
    offset = float(images.normalized(np.arange(12)).flatten(1).double().matmul(normal.flatten().double()).mean()) + 0.3
    expected = linear_margins(images, along, normal, offset)
    measured = measure_margins(
        two_classes(normal, offset),
        images,
        indices=range(12),
        along=along,
        directions=7,
        distances=GRID,
        tolerance=1e-3,
        batch_size=batch_size,
    )
    assert measured.margin.dims == ("model", "image", "direction")
    assert measured.margin.dtype == np.float32
    crossed = expected < 100
    assert 10 < crossed.sum() < crossed.size
    assert np.array_equal(measured.crossed.values[0], crossed)
    assert np.allclose(measured.margin.values[0], np.minimum(expected, 100), atol=2e-3)


def test_the_first_of_two_changes_is_found_though_the_label_changes_back(striped):
    # from image i at brightness 10 i / 255 the way towards a brighter one rises by 1 / sqrt(192) a unit of distance
    bands = brightness(0.15, 0.25)

    def back_again(x: Tensor) -> Tensor:
        return torch.stack([bands(x)[:, 0] + bands(x)[:, 2], bands(x)[:, 1]], dim=1)

    measured = measure_margins(back_again, striped, along="images", directions=6, distances=np.arange(0.5, 20, 0.5))
    assert np.allclose(measured.margin.values[0, 0], 0.15 * np.sqrt(192), atol=0.006)
    assert measured.crossed.values[0, 0].all()


def test_a_direction_without_a_change_is_kept_with_the_largest_distance(striped):
    measured = measure_margins(brightness(0.1), striped, along="images", directions=20, distances=[0.5, 1.0, 2.0, 4.0])
    start = 10 * np.arange(6)[:, None] / 255
    sign = np.where(measured.target.values > np.arange(6)[:, None], 1, -1)
    expected = (0.1 - start) * sign * np.sqrt(192)
    crossed = (expected > 0) & (expected < 4)
    assert 0 < crossed.sum() < crossed.size
    assert np.array_equal(measured.crossed.values[0], crossed)
    assert np.allclose(measured.margin.values[0], np.where(crossed, expected, 4.0), atol=0.006)
    assert measured.maximum == 4.0


def small_cnn(seed: int) -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7 * 7, 5))
    initialize(net, seed)
    return net


def test_margins_of_an_image_do_not_depend_on_the_others_or_on_the_batches(images):
    model = small_cnn(0)
    whole = measure_margins(model, images, directions=4)
    assert 0 < whole.crossed.values.mean() <= 1
    assert len(np.unique(whole.margin)) > 100
    two = measure_margins(model, images, indices=[40, 3], directions=4, batch_size=3)
    assert np.allclose(two.margin, whole.margin.sel(image=[40, 3]), atol=0.02)
    few = measure_margins(model, images, indices=[40, 3], directions=2)
    assert np.allclose(few.margin, two.margin[:, :, :2], atol=0.02)


def test_several_models_are_measured_along_the_same_directions(images):
    one, other = small_cnn(0), small_cnn(1)
    both = measure_margins({"x": one, "y": other}, images, indices=range(5), directions=3)
    for name, model in (("x", one), ("y", other)):
        alone = measure_margins({name: model}, images, indices=range(5), directions=3)
        assert np.array_equal(both.margin.sel(model=name), alone.margin.sel(model=name))
    assert not np.array_equal(both.margin[0], both.margin[1])


def test_coordinates_and_attributes_describe_what_was_measured(images, tmp_path):
    model = small_cnn(0)
    measured = measure_margins(model, images, indices=[9, 4, 11], along="images", directions=3, seed=5)
    with torch.no_grad():
        predicted = model(images.normalized([9, 4, 11])).argmax(1).numpy()
    assert measured.image.values.tolist() == [9, 4, 11]
    assert measured.label.values.tolist() == images.labels[[9, 4, 11]].tolist()
    assert np.array_equal(measured.predicted.values, predicted[None])
    assert np.array_equal(measured.correct.values, (predicted == images.labels[[9, 4, 11]])[None])
    assert np.array_equal(measured.target.values[1], draw_targets(images, 4, 3, seed=5))
    assert (measured.dataset, measured.split, measured.along, measured.direction_seed) == (
        "shapes",
        "test",
        "images",
        5,
    )
    assert (measured.maximum, measured.tolerance, len(json.loads(measured.distances))) == (200.0, 0.01, 31)
    assert json.loads(measured.weights)["model 0"]
    measured.to_netcdf(tmp_path / "margins.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "margins.nc", engine="h5netcdf") as back:
        assert back.identical(measured)


def test_random_directions_have_no_target(images):
    assert "target" not in measure_margins(small_cnn(0), images, indices=[1], directions=1).coords


def test_runs_are_measured_as_the_networks_they_hold(small_images, tmp_path):
    options = {"width": 16, "train_size": 64, "epochs": 1, "preset": "quick", "device": "cpu", "progress": False}
    (run,) = fit("fcnet", seeds=(0,), dataset=small_images, home=tmp_path, **options)
    measured = measure_margins(run, small_images.test, indices=range(6), directions=3)
    module = measure_margins(run.model(), small_images.test, indices=range(6), directions=3)
    assert np.array_equal(measured.margin, module.margin)
    assert (measured.arch.item(), measured.seed.item(), measured.test_accuracy.item()) == (
        "fcnet",
        "0",
        run.test_accuracy,
    )
    assert json.loads(measured.specs) == {run.spec.name: json.loads(run.spec.canonical())}
    arrays = [(part.pixels, part.labels) for part in (small_images.train, small_images.test)]
    other = Images.from_arrays(*arrays, name="mine", class_names=small_images.class_names)
    with pytest.raises(InputError, match="was trained on shapes, but the images are of mine@"):
        measure_margins(run, other.test)


def test_points_are_evaluated_in_batches_in_evaluation_mode(images):
    sizes: list[int] = []

    class Counting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert not self.training
            sizes.append(len(x))
            return x.flatten(1)[:, :3]

    net = Counting()
    measure_margins(net, images, indices=range(20), directions=6, batch_size=48)
    assert max(sizes) == 48
    assert net.training


def test_logits_that_are_not_finite_are_named(striped):
    def broken(x: Tensor) -> Tensor:
        return torch.where(x.flatten(1).abs().amax(1, keepdim=True) > 1.5, float("nan"), x.flatten(1)[:, :3])

    with pytest.raises(InputError, match="logits that are not finite at"):
        measure_margins({"net": broken}, striped)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"indices": [0, 64]}, "image 64 is out of range: shapes test has images 0 ... 63"),
        ({"indices": [-1]}, "image -1 is out of range"),
        ({"indices": [3, 5, 3]}, "image 3 is given twice"),
        ({"indices": []}, "give a list of at least one image"),
        ({"directions": 0}, "0 directions requested: request at least 1"),
        ({"distances": [2.0, 1.0]}, "give increasing numbers above 0"),
        ({"tolerance": 0.0}, "tolerance is 0"),
    ],
)
def test_bad_options_are_refused(images, options, message):
    with pytest.raises(InputError, match=message):
        measure_margins(small_cnn(0), images, **options)
