"""Image sets: normalisation computed by hand, and errors that name the cause."""

import copy

import numpy as np
import pytest
import torch

from dbviz.core.errors import InputError
from dbviz.data import Images, ImageSet


def two_by_one() -> ImageSet:
    """Three images of two channels, 1 x 2 pixels."""
    return ImageSet(
        name="tiny",
        split="train",
        pixels=np.array([[[[0, 255]], [[51, 102]]], [[[0, 0]], [[0, 0]]], [[[255, 0]], [[204, 153]]]], np.uint8),
        labels=np.array([0, 1, 2]),
        class_names=("a", "b", "c"),
        mean=(0.5, 0.2),
        std=(0.25, 0.4),
    )


def own_arrays(*, train: int = 6, test: int = 4) -> dict:
    """Arguments of `Images.from_arrays`: channel 0 is 51 or 153, channel 1 always 102."""
    pixels = np.full((train, 2, 4, 4), 102, np.uint8)
    pixels[:, 0] = 51
    pixels[: train // 2, 0] = 153
    return {
        "train": (pixels, np.arange(train) % 3),
        "test": (np.zeros((test, 2, 4, 4), np.uint8), np.arange(test) % 3),
        "name": "mine",
        "class_names": ["a", "b", "c"],
    }


def recheck(images: ImageSet, **changes: object) -> None:
    """Checks `images` with changed fields as for a user, past the test run's own shape checks."""
    damaged = copy.copy(images)
    for name, value in changes.items():
        object.__setattr__(damaged, name, value)
    damaged.__post_init__()


def test_normalisation_is_as_computed_by_hand():
    # (0/255 - .5)/.25 = -2, (255/255 - .5)/.25 = 2, (51/255 - .2)/.4 = 0, (102/255 - .2)/.4 = .5, ...
    expected = torch.tensor([[[[2.0, -2.0]], [[1.5, 1.0]]], [[[-2.0, 2.0]], [[0.0, 0.5]]]])
    torch.testing.assert_close(two_by_one().normalized([2, 0]), expected)
    torch.testing.assert_close(two_by_one().normalized(np.array([2, 0])), expected)


def test_first_takes_images_and_labels_from_the_front():
    images = two_by_one()
    assert images.first(None) is images
    first = images.first(2)
    assert len(first) == 2
    assert np.array_equal(first.pixels, images.pixels[:2])
    assert first.labels.tolist() == [0, 1]
    assert (first.name, first.split, first.mean) == (images.name, images.split, images.mean)
    assert len(images.first(3)) == 3


def test_first_refuses_more_images_than_there_are():
    with pytest.raises(InputError, match=r"^4 images requested, but tiny train has 3: request at most that many$"):
        two_by_one().first(4)


@pytest.mark.parametrize("count", [0, -1])
def test_first_refuses_less_than_one_image(count):
    with pytest.raises(InputError, match=f"{count} images"):
        two_by_one().first(count)


def test_shape_and_size_are_shown():
    images = two_by_one()
    assert images.image_shape == (2, 1, 2)
    assert repr(images) == "ImageSet(tiny train: 3 images of (2, 1, 2), 3 classes)"


def test_every_image_needs_a_label():
    with pytest.raises(InputError, match=r"^tiny: 3 images but 2 labels: give one label per image$"):
        recheck(two_by_one(), labels=np.array([0, 1]))


@pytest.mark.parametrize("labels", [[0, 1, 3], [-1, 0, 1]])
def test_labels_must_be_those_of_the_classes(labels):
    message = rf"labels run from {min(labels)} to {max(labels)}, but there are 3 class names: labels must be 0 \.\.\. 2"
    with pytest.raises(InputError, match=message):
        recheck(two_by_one(), labels=np.array(labels))


def test_own_arrays_are_normalised_by_their_training_images():
    images = Images.from_arrays(**own_arrays())
    # channel 0: half .6, half .2, mean .4 and deviation .2; channel 1 never varies
    assert images.train.mean == pytest.approx((0.4, 0.4))
    assert images.train.std == pytest.approx((0.2, 1e-6))
    assert (images.test.mean, images.test.std) == (images.train.mean, images.train.std)
    assert images.image_shape == (2, 4, 4)
    assert images.class_names == ("a", "b", "c")
    assert (len(images.train), len(images.test)) == (6, 4)
    assert images.test.labels.tolist() == [0, 1, 2, 0]
    assert torch.isfinite(images.train.normalized([0, 5])).all()


def test_own_arrays_are_named_by_their_contents():
    name = Images.from_arrays(**own_arrays()).name
    assert name == Images.from_arrays(**own_arrays()).name
    assert name.startswith("mine@")
    assert len(name) == len("mine@") + 12
    for split in ("train", "test"):
        for array in (0, 1):
            arguments = own_arrays()
            arguments[split][array].flat[0] += 1
            assert Images.from_arrays(**arguments).name != name


def test_own_arrays_of_another_shape_are_not_taken_for_the_same():
    arguments, wide = own_arrays(), own_arrays()
    wide["train"] = (wide["train"][0].reshape(6, 2, 2, 8), wide["train"][1])
    wide["test"] = (wide["test"][0].reshape(4, 2, 2, 8), wide["test"][1])
    assert Images.from_arrays(**wide).name != Images.from_arrays(**arguments).name


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (np.zeros((4, 2, 4, 4)), r"float64 \(4, 2, 4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 \(4, 4, 4\)"),
    ],
)
def test_own_images_must_be_bytes_of_four_axes(split, pixels, kind):
    arguments = own_arrays()
    arguments[split] = (pixels, arguments[split][1][:4])
    with pytest.raises(
        InputError, match=rf"mine: {split} images are {kind}: give a uint8 array of shape \(n, c, h, w\)"
    ):
        Images.from_arrays(**arguments)


def test_own_labels_must_be_those_of_the_classes():
    arguments = own_arrays()
    arguments["class_names"] = ["a", "b"]
    with pytest.raises(InputError, match=r"labels run from 0 to 2, but there are 2 class names"):
        Images.from_arrays(**arguments)


def test_a_split_has_a_name():
    images = Images.from_arrays(**own_arrays())
    assert images.split("train") is images.train
    assert images.split("test") is images.test
    with pytest.raises(InputError, match=r"^unknown split 'val': choose train or test$"):
        images.split("val")


def test_the_repr_of_a_dataset_is_one_line():
    pixels, labels = np.zeros((3, 1, 2, 2), np.uint8), np.array([0, 1, 0])
    images = Images.from_arrays((pixels, labels), (pixels[:1], labels[:1]), name="tiny", class_names=["a", "b"])
    assert repr(images) == f"Images({images.name}: 3 training and 1 test images of (1, 2, 2), 2 classes)"
