"""Shapes: the same pixels on every machine, a larger set begins with the smaller, outlines computed by hand."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbviz.core.errors import InputError
from dbviz.data import shapes
from dbviz.data.shapes import SHAPES


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def test_the_first_hundred_images_are_the_same_on_every_machine():
    assert sha256(shapes(100).pixels) == "2865dee73380dceb0b0e90edc0ecf6099edc9f72bb6f2afc25c5fa97007b3c40"
    assert (
        sha256(shapes(100, split="test").pixels) == "4bf55debce991d17b389b9dad7c8d1297617c6fd9b111a85c80b8fa95f5e479c"
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24))
def test_a_larger_set_begins_with_the_smaller(count, more):
    small, large = shapes(count, size=8), shapes(count + more, size=8)
    assert np.array_equal(large.pixels[:count], small.pixels)
    assert np.array_equal(large.labels[:count], small.labels)


def test_a_larger_set_begins_with_the_smaller_across_the_chunks_it_is_drawn_in():
    large = shapes(2050, size=8)
    for count in (999, 1000, 1001, 2000):
        assert np.array_equal(large.pixels[:count], shapes(count, size=8).pixels)


def test_classes_alternate():
    images = shapes(23)
    assert images.class_names == tuple(SHAPES)
    assert len(SHAPES) == 10
    assert images.labels.tolist() == [i % 10 for i in range(23)]


@pytest.mark.parametrize("size", [8, 17, 32, 48])
def test_images_have_the_requested_size(size):
    assert shapes(3, size=size).pixels.shape == (3, 3, size, size)


def test_splits_and_seeds_have_different_images():
    base = shapes(20).pixels
    for different in (shapes(20, split="test"), shapes(20, seed=1)):
        assert (different.pixels != base).any(axis=(1, 2, 3)).all()
    assert shapes(20, split="test").split == "test"


def test_no_image_is_blank_and_none_repeats():
    pixels = shapes(200).pixels
    assert pixels.std(axis=(1, 2, 3)).min() > 8
    assert len(np.unique(pixels.reshape(200, -1), axis=0)) == 200


def test_normalised_values_are_of_ordinary_size():
    values = shapes(500).normalized(np.arange(500))
    assert abs(float(values.mean())) < 0.15
    assert 0.9 < float(values.std()) < 1.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, r"^shapes: count is 0: it must be at least 1$"),
        ({"count": 5, "size": 7}, r"^shapes: size is 7: it must be at least 8 pixels$"),
    ],
)
def test_too_few_images_or_pixels_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        shapes(**arguments)


@pytest.mark.parametrize(
    ("name", "x", "y", "expected"),
    [
        ("disc", 0, 0, -0.9),
        ("disc", 0, 1, 0.1),
        ("ring", 0, 0, 0.55),
        ("ring", 0.75, 0, -0.2),
        ("ring", 0, -1, 0.05),
        ("square", 0.7, 0.7, -0.1),
        ("square", 0.9, 0, 0.1),
        ("triangle", 0, 0, -0.5),
        ("triangle", 0, 1.2, 0.1),
        ("triangle", 0, -0.6, 0.1),
        ("triangle", 1, 0, 0.366),
        ("cross", 0.9, 0, -0.05),
        ("cross", 0, 0.9, -0.05),
        ("cross", 0.5, 0.5, 0.22),
        ("star", 0, 0.9, -0.1),
        ("star", 0, -0.2, -0.1),
        ("star", 0, -1, 0.7),
        ("crescent", -0.9, 0, -0.05),
        ("crescent", 0.45, 0, 0.75),
        ("bars", 0, 0, -0.16),
        ("bars", 0, 0.3, 0.14),
        ("bars", 0, -0.6, -0.16),
        ("bars", 0.95, 0, 0.1),
        ("checker", 0.2, 0.2, -0.2),
        ("checker", 0.2, -0.2, 0.2),
        ("checker", -0.2, -0.2, -0.2),
        ("checker", 1, 0.2, 0.1),
        ("heart", 0, 0, -0.65),
        ("heart", 0, -0.9, 0.13),
        ("heart", 0, 0.75, 0.25),
    ],
)
def test_signed_distances_are_as_computed_by_hand(name, x, y, expected):
    grid = [np.full((1, 1, 1), float(value)) for value in (x, y)]
    assert SHAPES[name](*grid).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SHAPES)
def test_every_outline_is_within_its_frame_and_covers_enough_of_it(name):
    axis = np.linspace(-1.5, 1.5, 301)
    x, y = np.broadcast_arrays(axis[None, None, :], axis[None, :, None])
    inside = SHAPES[name](x, y)[0] < 0
    assert 0.8 < inside.mean() * 9 < 3.0  # its area
    assert not inside[(np.abs(x[0]) > 1.01) | (np.abs(y[0]) > 1.01)].any()


@pytest.mark.parametrize("name", [name for name in SHAPES if name not in ("crescent", "checker")])
def test_shapes_are_symmetric(name):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (2, 1, 8, 8))
    np.testing.assert_allclose(SHAPES[name](x, y), SHAPES[name](-x, y), atol=1e-12)
