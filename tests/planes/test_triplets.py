"""Triplets have three distinct labels, are drawn uniformly, extend smaller draws; invalid ones are refused."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbviz.core.errors import InputError
from dbviz.data import shapes
from dbviz.planes import check_triplets, draw_triplets


@given(st.integers(0, 2**31), st.integers(1, 20))
def test_a_triplet_has_three_labels_and_a_larger_draw_begins_with_the_smaller(striped, seed, count):
    triplets = draw_triplets(striped, count + 5, seed=seed)
    assert triplets.shape == (count + 5, 3)
    assert all(len(set(labels)) == 3 for labels in striped.labels[triplets].tolist())
    assert np.array_equal(draw_triplets(striped, count, seed=seed), triplets[:count])


def test_the_triplets_of_a_seed_are_the_same_in_every_release(striped):
    assert draw_triplets(striped, 3, seed=0).tolist() == [[5, 3, 4], [2, 3, 4], [5, 4, 3]]
    assert draw_triplets(striped, 3, seed=1).tolist() != draw_triplets(striped, 3, seed=0).tolist()


def test_every_ordered_triplet_of_distinct_labels_is_equally_likely(striped):
    draws = 4800
    counts = Counter(map(tuple, draw_triplets(striped, draws, seed=5).tolist()))
    assert len(counts) == 6 * 4 * 2
    expected = draws / 48
    chi_squared = sum((n - expected) ** 2 / expected for n in counts.values())
    assert chi_squared < 82.7  # 99.9 % of the distribution with 47 degrees of freedom


def test_no_image_is_repeated_within_a_triplet(small_images):
    triplets = draw_triplets(small_images.test, 300)
    assert all(len(set(triplet)) == 3 for triplet in triplets.tolist())
    assert 0 <= triplets.min() <= triplets.max() < len(small_images.test)


def test_no_triplets_are_refused(striped):
    with pytest.raises(InputError, match=r"^0 triplets requested: request at least 1$"):
        draw_triplets(striped, 0)


def test_two_classes_are_too_few(striped):
    two = dataclasses.replace(striped, labels=striped.labels % 2)
    with pytest.raises(InputError, match=r"^striped test has fewer than three classes: triplets need three distinct"):
        draw_triplets(two, 1)


@pytest.mark.parametrize("given_as", [list, np.array])
def test_good_triplets_pass_unchanged(striped, given_as):
    checked = check_triplets(striped, given_as([[0, 1, 2], [5, 0, 3]]))
    assert checked.dtype == np.int64
    assert checked.tolist() == [[0, 1, 2], [5, 0, 3]]


@pytest.mark.parametrize(
    ("triplet", "message"),
    [
        ([0, 1], r"^triplet 0 1 has 2 images: give three$"),
        ([0, 1, 2, 3], r"^triplet 0 1 2 3 has 4 images: give three$"),
        ([0, 6, 2], r"^triplet 0 6 2: image 6 is out of range: striped test has images 0 \.\.\. 5$"),
        ([0, 1, -1], r"^triplet 0 1 -1: image -1 is out of range"),
        ([4, 1, 4], r"^triplet 4 1 4 repeats an image: give three different ones$"),
    ],
)
def test_a_bad_triplet_is_named(striped, triplet, message):
    with pytest.raises(InputError, match=message):
        check_triplets(striped, [[0, 1, 2], triplet])


def test_triplets_of_one_class_are_three_different_images_of_it():
    images = shapes(200, split="test")
    triplets = draw_triplets(images, 100, seed=3, one_class=True)
    assert all(len(set(images.labels[triplet])) == 1 and len(set(triplet)) == 3 for triplet in triplets)
    assert len(np.unique(images.labels[triplets])) > 3
    assert (draw_triplets(images, 10, seed=3, one_class=True) == triplets[:10]).all()


@pytest.mark.parametrize("one_class", [True, False])
def test_triplets_are_drawn_from_the_chosen_images(one_class):
    images = shapes(200, split="test")
    among = np.arange(200) % 3 == 0
    triplets = draw_triplets(images, 50, one_class=one_class, among=among)
    assert among[triplets].all()


@pytest.mark.parametrize(
    ("one_class", "match"), [(True, "no class of three images"), (False, "fewer than three classes")]
)
def test_too_few_images_to_draw_from_are_refused(one_class, match):
    images = shapes(200, split="test")
    with pytest.raises(InputError, match=match):
        draw_triplets(images, 1, one_class=one_class, among=np.arange(200) < 2)
