"""Label noise: exact counts, wrong labels uniform, one stream per class, nested in the rate."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbviz.core.errors import InputError
from dbviz.data import ImageSet, mislabelled, noisy_labels, parse_noise
from dbviz.data.label_noise import ASYMMETRIC
from dbviz.spec import LabelNoise

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def labelled(labels: np.ndarray, class_names: tuple[str, ...] = CIFAR10) -> ImageSet:
    pixels = np.zeros((len(labels), 1, 2, 2), np.uint8)
    common = {"class_names": class_names, "mean": (0.0,), "std": (1.0,)}
    return ImageSet(name="made-up", split="train", pixels=pixels, labels=labels, **common)


def noise(rate: float, kind: str = "symmetric") -> LabelNoise:
    return dataclasses.replace(LabelNoise(rate=0.5), kind=kind, rate=rate)  # pyright: ignore[reportArgumentType]


EVEN = labelled(np.arange(2000) % 10)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=200),
    st.floats(0.001, 0.999),
    st.integers(0, 5),
)
def test_symmetric_noise_changes_the_exact_share_of_each_class_to_other_classes(labels, rate, seed):
    images = labelled(np.array(labels))
    labels = noisy_labels(images, noise(rate), seed)
    wrong = mislabelled(images, labels)
    for label in range(10):
        members = images.labels == label
        assert wrong[members].sum() == round(rate * members.sum())
    assert ((labels >= 0) & (labels < 10)).all()


def test_every_wrong_label_is_equally_likely():
    images = labelled(np.zeros(90_000, np.int64))
    counts = np.bincount(noisy_labels(images, noise(0.5), 0), minlength=10)
    assert counts[0] == 45_000
    assert np.abs(counts[1:] - 5000).max() < 5 * np.sqrt(5000)


def test_which_images_of_a_class_are_wrong_differs_between_classes_and_seeds():
    first, second = (mislabelled(EVEN, noisy_labels(EVEN, noise(0.2), seed)) for seed in (0, 1))
    by_class = [first[EVEN.labels == label] for label in range(10)]
    assert len({places.tobytes() for places in by_class}) == 10
    assert not np.array_equal(first, second)
    assert first.sum() == second.sum() == 400


def test_the_same_seed_gives_the_same_labels():
    assert np.array_equal(noisy_labels(EVEN, noise(0.2), 3), noisy_labels(EVEN, noise(0.2), 3))


def test_a_higher_rate_adds_to_a_lower_one():
    low, high = (noisy_labels(EVEN, noise(rate), 0) for rate in (0.2, 0.4))
    wrong = mislabelled(EVEN, low)
    assert np.array_equal(low[wrong], high[wrong])


def test_asymmetric_noise_relabels_each_class_as_its_pair():
    labels = noisy_labels(EVEN, noise(0.4, "asymmetric"), 0)
    pairs = {(CIFAR10[a], CIFAR10[b]) for a, b in zip(EVEN.labels, labels, strict=True) if a != b}
    assert pairs == set(ASYMMETRIC.items())
    wrong = mislabelled(EVEN, labels)
    counts = {CIFAR10[label]: int(wrong[EVEN.labels == label].sum()) for label in range(10)}
    assert counts == {name: 80 if name in ASYMMETRIC else 0 for name in CIFAR10}


def test_which_images_are_relabelled_differs_between_classes_and_seeds_and_their_number_is_rounded():
    first, second = (mislabelled(EVEN, noisy_labels(EVEN, noise(0.333, "asymmetric"), seed)) for seed in (0, 1))
    by_class = [first[EVEN.labels == CIFAR10.index(name)] for name in ASYMMETRIC]
    assert len({places.tobytes() for places in by_class}) == len(ASYMMETRIC)
    assert not np.array_equal(first, second)
    assert {int(places.sum()) for places in by_class} == {67}  # of 66.6


def test_the_pairs_are_the_published_ones():
    pairs = {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}
    assert pairs == ASYMMETRIC


def test_as_many_labels_as_images_are_enough():
    labels = np.zeros(2000, np.int64)
    assert noisy_labels(EVEN, LabelNoise(kind="file", labels="0" * 64), 0, labels).tolist() == labels.tolist()


def test_asymmetric_noise_needs_the_classes_it_is_defined_for():
    images = labelled(np.arange(6) % 3, ("circle", "square", "star"))
    with pytest.raises(InputError, match="made-up has no 'bird': use symmetric noise"):
        noisy_labels(images, noise(0.4, "asymmetric"), 0)


def test_without_noise_or_from_a_file_labels_are_not_changed():
    assert noisy_labels(EVEN, None, 0) is EVEN.labels
    labels = np.arange(3000) // 3 % 10
    from_file = LabelNoise(kind="file", labels="0" * 64)
    assert np.array_equal(noisy_labels(EVEN, from_file, 0, labels), labels[:2000])
    with pytest.raises(InputError, match="1999 labels are given for 2000 images"):
        noisy_labels(EVEN, from_file, 0, labels[:1999])


@pytest.mark.parametrize(
    ("text", "rate", "kind"),
    [("0.2", 0.2, "symmetric"), ("asymmetric:0.4", 0.4, "asymmetric"), ("symmetric:.1", 0.1, "symmetric")],
)
def test_noise_is_parsed_from_text(text, rate, kind):
    assert parse_noise(text) == LabelNoise(kind=kind, rate=rate)


def test_a_rate_of_zero_is_no_noise_and_other_texts_are_files():
    assert parse_noise("0") is None
    assert str(parse_noise("human.npz:worse_label")) == "human.npz:worse_label"


@pytest.mark.parametrize("text", ["1", "-0.1", "1.5", "nan", "asymmetric:1"])
def test_a_rate_outside_0_to_1_is_refused(text):
    with pytest.raises(InputError, match=r"the rate must be in \[0, 1\)"):
        parse_noise(text)


def test_an_unknown_kind_suggests_the_nearest():
    with pytest.raises(InputError, match="unknown label noise 'asymetric': did you mean 'asymmetric'"):
        parse_noise("asymetric:0.2")
