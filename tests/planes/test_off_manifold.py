"""Planes through noise, through shuffled images and around an image have the corners that their names promise."""

import contextlib

import numpy as np
import pytest
import torch
from torch import nn

from dbviz.core.errors import InputError
from dbviz.planes import off_manifold
from dbviz.planes.off_manifold import adversarial_direction, draw_noise_planes, draw_planes_around, draw_shuffled_planes


def corners(plane) -> torch.Tensor:
    """The three corners, (3, c h w)."""
    a, b = torch.from_numpy(plane.anchors).float().T
    basis = torch.stack([plane.u.flatten(), plane.v.flatten()])
    return plane.origin.flatten() + torch.stack([a, b], dim=1) @ basis


def test_corners_of_noise_planes_are_uniform_noise(small_images):
    (plane,) = draw_noise_planes(small_images.test, 1)
    pixels = corners(plane).view(3, 3, 32, 32) * 0.25 + 0.5  # shapes: mean .5, std .25
    assert pixels.min() > -1e-5
    assert pixels.max() < 1 + 1e-5
    assert pixels.mean() == pytest.approx(0.5, abs=0.02)
    assert pixels.var() == pytest.approx(1 / 12, abs=0.005)


def test_corners_of_shuffled_planes_are_permutations_of_their_images(small_images):
    planes = draw_shuffled_planes(small_images.test, 2)
    shuffled = corners(planes[1]).view(3, 3, -1)
    images = small_images.test.normalized(planes.triplets[1]).flatten(2)
    for corner, image in zip(shuffled, images, strict=True):
        assert not torch.allclose(corner, image, atol=1e-3)
        # rows of (r, g, b), sorted as colours: a pixel's channels moved together
        colours = [sorted(map(tuple, (pixels.T * 100).round().tolist())) for pixels in (corner, image)]
        assert np.allclose(colours[0], colours[1], atol=1.01)
    assert not torch.allclose(shuffled[0].argsort(), shuffled[1].argsort())


def test_planes_around_an_image_start_at_it_and_reach_the_radius(small_images):
    planes = draw_planes_around(small_images.test, 3, radius=7.0)
    for plane, triplet in zip(planes, planes.triplets, strict=True):
        first, *others = corners(plane)
        assert torch.allclose(first, small_images.test.normalized(triplet[:1])[0].flatten())
        assert torch.allclose((torch.stack(others) - first).norm(dim=1), torch.tensor([7.0, 7.0]), atol=1e-3)
    assert (planes.labels[:, 1:] == -1).all()


def test_the_adversarial_direction_of_a_linear_model_is_known(small_images):
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10, bias=False))
    weights = next(model.parameters()).detach()
    (image,) = small_images.test.normalized([3])
    expected = (weights.T @ (torch.softmax(weights @ image.flatten(), 0) - torch.eye(10)[3])).view(3, 32, 32)
    assert torch.allclose(adversarial_direction(model)(image, 3), expected, atol=1e-6)
    (plane,) = draw_planes_around(small_images.test, 1, direction=lambda _, __: expected)
    assert torch.allclose(plane.u, expected / expected.norm(), atol=1e-5)


def test_the_adversarial_direction_is_computed_on_the_device_of_the_model(monkeypatch):
    devices = []
    cross_entropy = torch.nn.functional.cross_entropy

    def recorded(logits, target):
        devices.extend([logits.device.type, target.device.type])
        return cross_entropy(logits, target)

    monkeypatch.setattr(off_manifold.F, "cross_entropy", recorded)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).to("meta")
    with contextlib.suppress(NotImplementedError, RuntimeError):  # a gradient on `meta` has no values to compare with 0
        adversarial_direction(model)(torch.ones(3, 4, 4), 0)
    assert devices == ["meta", "meta"]


def test_bad_requests_are_refused(small_images):
    with pytest.raises(InputError, match="at least 1"):
        draw_noise_planes(small_images.test, 0)
    with pytest.raises(InputError, match="above 0"):
        draw_planes_around(small_images.test, 1, radius=0.0)
    with pytest.raises(InputError, match="no gradient"):
        adversarial_direction(lambda x: x.flatten(1)[:, :10] * 0)(torch.zeros(3, 32, 32), 0)
