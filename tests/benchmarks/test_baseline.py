"""The baselines do the work that they are compared by: labels of a plane, and an epoch of augmented images."""

import numpy as np
import torch

from dbviz.benchmarks import baseline
from dbviz.benchmarks.baseline import AugmentedImages, PointByPoint, baseline_labels, baseline_training
from dbviz.label_maps import sample
from dbviz.models import build
from dbviz.planes import draw_planes
from dbviz.spec import Recipe

CPU = torch.device("cpu")


def test_points_are_those_of_the_plane_row_by_row(small_images):
    plane = draw_planes(small_images.test, 1)[0]
    points = PointByPoint(plane, 5, 0.1)
    a, b = plane.axes(5, 0.1)
    assert len(points) == 25
    expected = plane.origin + float(a[3]) * plane.u + float(b[2]) * plane.v
    assert torch.equal(points[2 * 5 + 3], expected)


def test_the_baseline_computes_the_same_labels(small_images):
    planes, network = draw_planes(small_images.test, 2), build("fcnet", width=16).eval()
    labels = baseline_labels(network, planes, 12, 0.1, 144, CPU)
    assert np.array_equal(sample(network, planes, resolution=12).labels.values.reshape(-1), labels)
    assert len(baseline_labels(network, planes[:1], 12, 0.1, 30, CPU)) == 30


def test_the_baselines_images_are_normalised_and_vary(small_images):
    images = AugmentedImages(small_images.train)
    torch.manual_seed(0)
    image, label = images[3]
    assert image.shape == (3, 32, 32)
    assert label == small_images.train.labels[3]
    assert not all(torch.equal(image, images[3][0]) for _ in range(8))
    assert len(images) == 128


def test_the_baselines_epoch_trains_on_every_image_once(small_images, monkeypatch):
    monkeypatch.setattr(baseline, "_WORKERS", 0)
    network, few = build("fcnet", width=16), small_images.train.first(40)
    before = [parameter.clone() for parameter in network.parameters()]
    seen = []
    network.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    recipe = Recipe(epochs=1, learning_rate=0.01, batch_size=16)
    assert baseline_training(network, few, recipe, CPU) == 40
    assert seen == [16, 16, 8]
    assert all(not torch.equal(now, then) for now, then in zip(network.parameters(), before, strict=True))
