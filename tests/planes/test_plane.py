"""A plane worked by hand, the published formula in NumPy, and triplets that span no plane."""

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dbviz.core.errors import InputError
from dbviz.planes import Plane


def pixels(*values: float) -> Tensor:
    """An image of three pixels, one a channel."""
    return torch.tensor(values).view(3, 1, 1)


def by_hand() -> Plane:
    """Origin (5, -1, 2); the images are at (0, 0), (2, 0) and (1, 3)."""
    return Plane.through(pixels(5.0, -1.0, 2.0), pixels(7.0, -1.0, 2.0), pixels(6.0, -1.0, 5.0))


def test_a_plane_worked_by_hand():
    plane = by_hand()
    assert plane.origin.flatten().tolist() == [5, -1, 2]
    assert plane.u.flatten().tolist() == [1, 0, 0]
    assert plane.v.flatten().tolist() == [0, 0, 1]
    assert plane.anchors.tolist() == [[0, 0], [2, 0], [1, 3]]


def test_its_repr_is_one_short_line():
    assert repr(by_hand()) == "Plane(3 x 1 x 1, anchors (0, 0), (2, 0), (1, 3))"


def test_a_plane_that_is_not_along_pixels_worked_by_hand():
    # sides (3, 4, 0) and (0, 5, 5): u = (.6, .8, 0), c1 = 4, rest (-2.4, 1.8, 5) of length sqrt(34)
    plane = Plane.through(pixels(0.0, 0.0, 0.0), pixels(3.0, 4.0, 0.0), pixels(0.0, 5.0, 5.0))
    assert plane.u.flatten().tolist() == pytest.approx([0.6, 0.8, 0])
    assert plane.v.flatten().tolist() == pytest.approx([x / 34**0.5 for x in (-2.4, 1.8, 5)])
    assert plane.anchors == pytest.approx(np.array([[0, 0], [5, 0], [4, 34**0.5]]))


def test_axes_cover_the_padded_bounding_box_in_even_steps():
    a, b = by_hand().axes(5, 0.5)
    assert a.tolist() == [-1, 0, 1, 2, 3]
    assert b.tolist() == [-1.5, 0, 1.5, 3, 4.5]


def test_axes_cover_images_on_either_side():
    # the third image is left of the first
    plane = Plane.through(pixels(0.0, 0.0, 0.0), pixels(2.0, 0.0, 0.0), pixels(-2.0, 1.0, 0.0))
    a, b = plane.axes(3, 0.0)
    assert a.tolist() == [-2, 0, 2]
    assert b.tolist() == [0, 0.5, 1]


def test_a_row_of_points_runs_along_u_and_a_column_along_v():
    plane = by_hand()
    a, b = plane.axes(5, 0.5)
    points = plane.points(a, b[:2])
    assert points.shape == (2, 5, 3, 1, 1)
    for i in range(2):
        for j in range(5):
            assert points[i, j].flatten().tolist() == [5 + a[j], -1, 2 + b[i]]


shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(3, 5))


@given(st.integers(0, 2**32 - 1), shapes)
@settings(deadline=None, max_examples=50)
def test_a_plane_is_the_published_formula(seed, shape):
    x1, x2, x3 = np.random.default_rng(seed).normal(size=(3, *shape)).astype(np.float32)
    plane = Plane.through(*map(torch.from_numpy, (x1, x2, x3)))
    v1, v2 = (x2.astype(float) - x1).ravel(), (x3.astype(float) - x1).ravel()
    u1 = v1 / np.linalg.norm(v1)
    c1 = u1 @ v2
    u2 = (v2 - c1 * u1) / np.linalg.norm(v2 - c1 * u1)
    c2 = v2 @ u2
    assert np.allclose(plane.u.numpy().ravel(), u1, atol=1e-6)
    assert np.allclose(plane.v.numpy().ravel(), u2, atol=1e-6)
    assert np.allclose(plane.anchors, [[0, 0], [np.linalg.norm(v1), 0], [c1, c2]], atol=1e-9)
    # orthonormal, and through its three images
    basis = np.stack([plane.u.numpy().ravel(), plane.v.numpy().ravel()]).astype(float)
    assert np.allclose(basis @ basis.T, np.eye(2), atol=1e-5)
    for (a, b), image in zip(plane.anchors, (x1, x2, x3), strict=True):
        assert np.allclose(plane.points(np.array([a]), np.array([b]))[0, 0].numpy(), image, atol=1e-5)


@pytest.mark.parametrize(("padding", "share"), [(0.0, 0.5), (0.1, 0.347), (0.5, 0.125)])
def test_the_share_of_points_inside_the_triangle(padding, share):
    plane = by_hand()
    a, b = np.meshgrid(*plane.axes(400, padding))
    # the triangle (0, 0), (2, 0), (1, 3) is above its base and below both other sides
    inside = (b >= 0) & (b <= 3 * a) & (b <= 3 * (2 - a))
    assert inside.mean() == pytest.approx(0.5 / (1 + 2 * padding) ** 2, rel=0.01)
    assert inside.mean() == pytest.approx(share, rel=0.01)


def test_nothing_is_clipped():
    plane = by_hand()
    assert plane.points(np.array([1e4]), np.array([-1e4])).flatten().tolist() == [10005, -1, -9998]


@pytest.mark.parametrize("resolution", [-5, 0, 1, 20_001, 10**9])
def test_an_invalid_resolution_is_refused(resolution):
    with pytest.raises(InputError, match=rf"resolution is {resolution}: it must be 2 ... 20,000"):
        by_hand().axes(resolution, 0.1)


@pytest.mark.parametrize("padding", [-0.1, 100.0, float("nan"), float("inf")])
def test_an_invalid_padding_is_refused(padding):
    with pytest.raises(InputError, match=f"padding is {padding}: it must be 0 or a share"):
        by_hand().axes(10, padding)


ONE, TWO, THREE = pixels(0.0, 0.0, 0.0), pixels(1.0, 2.0, 0.0), pixels(3.0, 0.0, 1.0)


@pytest.mark.parametrize("triplet", [(ONE, ONE, TWO), (ONE, TWO, ONE), (ONE, ONE, ONE), (TWO, THREE, TWO)])
def test_identical_images_span_no_plane(triplet):
    with pytest.raises(InputError, match="two images of the triplet are identical"):
        Plane.through(*triplet)


@pytest.mark.parametrize("triplet", [(ONE, TWO, TWO), (ONE, TWO, 2 * TWO), (ONE, TWO, -TWO), (TWO, ONE, -3 * TWO)])
def test_collinear_images_span_no_plane(triplet):
    with pytest.raises(InputError, match=r"are collinear|identical"):
        Plane.through(*triplet)


def test_nearly_collinear_images_still_span_a_plane():
    plane = Plane.through(ONE, pixels(1.0, 0.0, 0.0), pixels(2.0, 1e-3, 0.0))
    assert plane.v.flatten().tolist() == [0, 1, 0]
    assert plane.anchors[2] == pytest.approx([2, 1e-3])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", range(3))
def test_values_that_are_not_finite_are_refused(bad, place):
    triplet = [ONE, TWO, THREE]
    triplet[place] = pixels(0.0, bad, 0.0)
    with pytest.raises(InputError, match="not finite"):
        Plane.through(*triplet)


def test_images_of_different_shapes_are_refused():
    jaxtyping.config.update("jaxtyping_disable", True)  # or the annotations complain first
    try:
        with pytest.raises(InputError, match=r"shapes \(3, 1, 1\), \(3, 1, 1\), \(3, 1, 2\): they must be equal"):
            Plane.through(ONE, TWO, torch.zeros(3, 1, 2))
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
