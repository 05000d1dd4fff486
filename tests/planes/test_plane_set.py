"""Plane sets: planes through the requested images, with their provenance."""

import dataclasses

import jaxtyping
import numpy as np
import pytest
import torch

from dbviz.core.errors import InputError
from dbviz.data import ImageSet
from dbviz.planes import Plane, PlaneSet, draw_noise_planes, draw_planes
from dbviz.planes.plane_set import as_plane_set

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


def test_a_plane_set_holds_its_provenance(images):
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


def test_a_slice_is_a_plane_set(images):
    second = PlaneSet.of(images, TRIPLETS)[1:]
    assert second.identity == PlaneSet.of(images, TRIPLETS[1:]).identity
    assert second.labels.tolist() == [[0, 1, 2]]


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
def test_invalid_triplets_are_refused(images, triplets, match):
    with pytest.raises(InputError, match=match):
        PlaneSet.of(images, triplets)


def test_fewer_than_one_plane_is_refused(images):
    with pytest.raises(InputError, match="0 triplets requested"):
        draw_planes(images, 0)


def test_constant_images_are_collinear(striped):
    with pytest.raises(InputError, match="are collinear"):
        PlaneSet.of(striped, [[0, 1, 2]])


def test_planes_without_a_source_form_a_set(images):
    planes = list(PlaneSet.of(images, TRIPLETS))
    for given in (planes, tuple(planes)):
        plane_set = as_plane_set(given)
        assert list(plane_set) == planes
        assert plane_set.triplets.tolist() == plane_set.labels.tolist() == [[-1] * 3] * 2
        assert (plane_set.dataset, plane_set.split, plane_set.class_names) == ("", "", ())
    assert as_plane_set(planes[1]).identity == as_plane_set(planes[1:]).identity
    complete = PlaneSet.of(images, TRIPLETS)
    assert as_plane_set(complete) is complete


@pytest.fixture
def unchecked():
    """Without the checks of annotations, which would complain first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("unchecked")
def test_what_is_not_planes_is_refused_with_the_remedy(images):
    remedy = r"give a PlaneSet \(dbviz.draw_planes\(images.test, 500\)\), a Plane \(.*\), or a list of Planes"
    with pytest.raises(InputError, match=rf"^planes is empty: {remedy}$"):
        as_plane_set([])
    with pytest.raises(InputError, match=rf"^planes is of type ndarray: {remedy}$"):
        as_plane_set(np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"^item 1 of planes is of type Tensor: give"):
        as_plane_set([PlaneSet.of(images, TRIPLETS)[0], torch.zeros(3, 32, 32)])


def test_planes_of_images_of_different_shapes_are_refused(images):
    small = Plane.through(*torch.eye(3).view(3, 1, 1, 3))
    with pytest.raises(InputError, match=r"images of shapes \(1, 1, 3\), \(3, 32, 32\): they must be equal"):
        PlaneSet.from_planes([PlaneSet.of(images, TRIPLETS)[0], small])


def test_its_repr_is_one_short_line(images):
    planes = PlaneSet.of(images, TRIPLETS)
    assert repr(planes) == "PlaneSet(2 planes through triplets of shapes test)"
    assert repr(planes[:1]) == "PlaneSet(1 plane through triplets of shapes test)"
    assert repr(as_plane_set(list(planes))) == "PlaneSet(2 planes of unknown source)"
    assert repr(draw_noise_planes(images, 3)) == "PlaneSet(3 planes of shapes test noise)"


def test_notebooks_show_a_table_of_the_first_planes(images):
    table = draw_planes(images, 7)._repr_html_()
    assert table.count("<tr>") == 1 + 5 + 1
    assert "and 2 more" in table
    names = images.class_names
    assert (
        f"<tr><th>0</th><td>0 ({names[0]})</td><td>1 ({names[1]})</td>"
        in PlaneSet.of(images, [[0, 1, 2]])._repr_html_()
    )
    assert "<td>–</td>" in draw_noise_planes(images, 1)._repr_html_()
    odd = dataclasses.replace(images, name="<b>", class_names=("<i>", *images.class_names[1:]))
    table = PlaneSet.of(odd, [[0, 1, 2]])._repr_html_()
    assert "&lt;b&gt;" in table
    assert "0 (&lt;i&gt;)" in table
