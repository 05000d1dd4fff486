"""Directions have length 1, depend on their image alone, and lead to their targets."""

import dataclasses

import numpy as np
import pytest
import torch

from dbviz.core.errors import InputError
from dbviz.margins.directions import draw_targets, image_directions, random_directions, unit_directions

KINDS = ["random", "images"]


@pytest.mark.parametrize("along", KINDS)
def test_directions_have_length_one(small_images, along):
    directions = unit_directions(small_images.test, np.array([0, 7, 63]), 5, along=along)
    assert directions.shape == (3, 5, 3, 32, 32)
    assert torch.allclose(directions.flatten(2).norm(dim=2), torch.ones(3, 5))


@pytest.mark.parametrize("along", KINDS)
def test_directions_of_an_image_do_not_depend_on_the_other_images(small_images, along):
    many = unit_directions(small_images.test, np.arange(10), 4, along=along, seed=3)
    alone = unit_directions(small_images.test, np.array([7]), 4, along=along, seed=3)
    assert torch.equal(alone[0], many[7])


@pytest.mark.parametrize("along", KINDS)
def test_the_first_of_many_directions_are_those_of_few(small_images, along):
    many, few = (unit_directions(small_images.test, np.array([5]), count, along=along) for count in (9, 4))
    assert torch.equal(many[:, :4], few)


@pytest.mark.parametrize("along", KINDS)
def test_images_and_seeds_have_directions_of_their_own(small_images, along):
    by_seed = [unit_directions(small_images.test, np.array([5, 6]), 4, along=along, seed=seed) for seed in (0, 1)]
    bundles = torch.cat(by_seed).flatten(1)
    assert (torch.pdist(bundles) > 1).all()


def test_random_directions_are_uniform_on_the_sphere():
    directions = random_directions((1, 1, 3), 0, 20_000).flatten(1)
    assert directions.mean(0).abs().max() < 0.02
    assert (directions.T @ directions / len(directions) - torch.eye(3) / 3).abs().max() < 0.01
    # Archimedes: each coordinate of a point of the sphere is uniform
    assert np.allclose(np.quantile(directions[:, 0].numpy(), [0.1, 0.25, 0.9]), [-0.8, -0.5, 0.8], atol=0.03)


def test_image_directions_lead_to_the_other_images(small_images):
    images = small_images.test
    directions = image_directions(images, 4, np.array([9, 2]))
    start, *targets = images.normalized([4, 9, 2])
    for direction, target in zip(directions, targets, strict=True):
        assert torch.allclose(start + (target - start).norm() * direction, target, atol=1e-4)


def test_targets_are_other_images_of_the_whole_set(striped):
    targets = np.stack([draw_targets(striped, index, 200) for index in range(6)])
    for index, row in enumerate(targets):
        assert sorted(set(row.tolist())) == [other for other in range(6) if other != index]


def test_a_copy_of_the_image_is_no_target(striped):
    pixels = striped.pixels.copy()
    pixels[3] = pixels[1]
    twins = dataclasses.replace(striped, pixels=pixels)
    assert not {1, 3} & set(draw_targets(twins, 1, 100).tolist())


def test_a_set_without_another_image_is_refused(striped):
    same = dataclasses.replace(striped, pixels=np.zeros_like(striped.pixels))
    with pytest.raises(InputError, match="no image of striped test differs from image 2"):
        draw_targets(same, 2, 1)


def test_no_direction_or_an_unknown_kind_is_refused(striped):
    with pytest.raises(InputError, match="0 directions requested"):
        unit_directions(striped, np.array([0]), 0, along="random")
