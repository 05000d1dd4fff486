"""Plane sets: the planes through the images asked for, with where they come from."""

import dataclasses

import numpy as np
import pytest
import torch

from dbviz.core.errors import InputError
from dbviz.data import ImageSet
from dbviz.planes import Plane, PlaneSet, draw_planes

TRIPLETS = [[4, 11, 29], [0, 1, 2]]


@pytest.fixture
def images(small_images) -> ImageSet:
    return small_images.test


def test_planes_go_through_the_images_of_their_triplets(images):
    planes = PlaneSet.of(images, TRIPLETS)
    for plane, triplet in zip(planes, TRIPLETS, strict=True):
        for (a, b), index in zip(plane.anchors, triplet, strict=True):
            point = plane.points(np.array([a]), np.array([b]))[0, 0]
            assert torch.allclose(point, images.normalized([index])[0], atol=1e-4)


def test_a_plane_set_knows_where_it_comes_from(images):
    planes = PlaneSet.of(images, TRIPLETS)
    assert planes.triplets.tolist() == TRIPLETS
    assert planes.labels.tolist() == [[4, 1, 9], [0, 1, 2]]  # image i shows class i mod 10
    assert (planes.dataset, planes.split) == ("shapes", "test")
    assert planes.class_names == images.class_names


def test_a_plane_set_is_a_sequence_of_planes(images):
    planes = PlaneSet.of(images, TRIPLETS)
    assert len(planes) == 2
    assert all(isinstance(plane, Plane) for plane in planes)
    assert planes[1] is planes.planes[1]
    assert planes[-1] is list(planes)[1]


def test_a_slice_is_a_plane_set_of_some_planes(images):
    some = PlaneSet.of(images, TRIPLETS)[1:]
    assert some.identity == PlaneSet.of(images, TRIPLETS[1:]).identity
    assert some.labels.tolist() == [[0, 1, 2]]


def test_the_identity_is_equal_exactly_where_the_planes_are(images):
    identity = PlaneSet.of(images, TRIPLETS).identity
    assert len(identity) == 64
    assert PlaneSet.of(images, np.array(TRIPLETS)).identity == identity
    pixels = images.pixels.copy()
    pixels[29, 0, 0, 0] ^= 1
    others = [
        PlaneSet.of(images, TRIPLETS[::-1]),
        PlaneSet.of(images, TRIPLETS[:1]),
        PlaneSet.of(images, [[11, 4, 29], [0, 1, 2]]),
        PlaneSet.of(dataclasses.replace(images, split="train"), TRIPLETS),
        PlaneSet.of(dataclasses.replace(images, name="other"), TRIPLETS),
        PlaneSet.of(dataclasses.replace(images, pixels=pixels), TRIPLETS),
        PlaneSet.of(dataclasses.replace(images, std=(0.2, 0.25, 0.25)), TRIPLETS),
    ]
    assert len({identity, *(other.identity for other in others)}) == 1 + len(others)


def test_drawn_planes_have_three_distinct_labels_and_repeat(images):
    planes = draw_planes(images, 20, seed=3)
    assert len(planes) == 20
    assert all(len(set(labels)) == 3 for labels in planes.labels)
    assert np.array_equal(planes.labels, images.labels[planes.triplets])
    assert draw_planes(images, 20, seed=3).identity == planes.identity
    assert np.array_equal(draw_planes(images, 5, seed=3).triplets, planes.triplets[:5])
    assert draw_planes(images, 20, seed=4).identity != planes.identity


@pytest.mark.parametrize(
    ("triplets", "match"),
    [
        ([[0, 1, 64]], "image 64 is out of range.*0 ... 63"),
        ([[0, 1, -1]], "image -1 is out of range"),
        ([[0, 1, 2], [3, 4, 3]], "triplet 3 4 3 repeats an image"),
        ([[0, 1]], "triplet 0 1 has 2 images"),
        ([[0, 1, 2, 3]], "has 4 images"),
        ([], "triplet"),
    ],
)
def test_triplets_that_are_none_are_refused(images, triplets, match):
    with pytest.raises(InputError, match=match):
        PlaneSet.of(images, triplets)


def test_fewer_than_one_plane_is_refused(images):
    with pytest.raises(InputError, match="0 triplets asked for"):
        draw_planes(images, 0)


def test_constant_images_lie_on_one_line(striped):
    with pytest.raises(InputError, match="lie on one line"):
        PlaneSet.of(striped, [[0, 1, 2]])
