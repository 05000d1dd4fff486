"""Batches: every image once per epoch, cropped and flipped by the augment seed, in the order of the order seed."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dbviz.data import DeviceBatches, DeviceImages, ImageSet
from dbviz.data.device_batches import crop_and_flip, epoch_order
from dbviz.spec import Recipe, Seeds

COUNT = 50


def numbered(count: int = COUNT, side: int = 16) -> ImageSet:
    """Random images, each in a class of its own, so that a label tells which image it is."""
    pixels = np.random.default_rng(0).integers(1, 256, (count, 3, side, side), dtype=np.uint8)
    names = tuple(map(str, range(count)))
    common = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3), "class_names": names}
    return ImageSet(name="numbered", split="train", pixels=pixels, labels=np.arange(count), **common)


def batches(images: ImageSet | None = None, *, init: int = 0, order: int = 0, augment: int = 0, **recipe):
    seeds = Seeds(init=init, order=order, augment=augment)
    settings = Recipe(**({"epochs": 1, "learning_rate": 0.1, "batch_size": 8} | recipe))
    return DeviceBatches.of(images or numbered(), settings, seeds, torch.device("cpu"))


def epoch_of(made: DeviceBatches, number: int = 0) -> tuple[Tensor, Tensor]:
    """All images and labels of an epoch, in its order."""
    images, labels = zip(*made.epoch(number), strict=True)
    return torch.cat(images), torch.cat(labels)


def by_image(made: DeviceBatches, number: int = 0) -> Tensor:
    """The augmented images of an epoch, image i of the set at index i."""
    images, labels = epoch_of(made, number)
    return images[labels.argsort()]


def naive_crop_and_flip(pixels: Tensor, shifts: Tensor, flips: Tensor, padding: int) -> Tensor:
    _, _, h, w = pixels.shape
    made = []
    for image, (row, column), flip in zip(F.pad(pixels, [padding] * 4), shifts.tolist(), flips.tolist(), strict=True):
        cut = image[:, row : row + h, column : column + w]
        made.append(cut.flip(-1) if flip else cut)
    return torch.stack(made)


@pytest.mark.parametrize(("h", "w", "padding"), [(8, 8, 1), (32, 32, 4), (5, 9, 2), (6, 4, 0)])
def test_crop_and_flip_is_slicing_and_flipping_image_by_image(h, w, padding):
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (40, 3, h, w), dtype=torch.uint8, generator=generator)
    shifts = torch.randint(0, 2 * padding + 1, (40, 2), generator=generator)
    flips = torch.rand(40, generator=generator) < 0.5
    expected = naive_crop_and_flip(pixels, shifts, flips, padding)
    assert torch.equal(crop_and_flip(pixels, shifts, flips, padding), expected)


def test_the_middle_crop_without_mirroring_is_the_image():
    pixels = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    middle, unflipped = torch.full((5, 2), 2), torch.zeros(5, dtype=torch.bool)
    assert torch.equal(crop_and_flip(pixels, middle, unflipped, 2), pixels)
    assert torch.equal(crop_and_flip(pixels, middle, ~unflipped, 2), pixels.flip(-1))


def test_the_corner_crop_shows_the_black_padding():
    white = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    cut = crop_and_flip(white, torch.tensor([[0, 2]]), torch.tensor([False]), 1)[0, 0]
    assert (cut[0] == 0).all()
    assert (cut[:, 7] == 0).all()
    assert (cut[1:, :7] == 255).all()


def test_the_order_of_a_seed_is_the_same_in_every_release():
    assert epoch_order(3, 0, 8).tolist() == [5, 7, 2, 0, 4, 3, 6, 1]
    assert epoch_order(3, 1, 8).tolist() != epoch_order(3, 0, 8).tolist()
    assert epoch_order(4, 0, 8).tolist() != epoch_order(3, 0, 8).tolist()


@pytest.mark.parametrize("augmentation", ["none", "crop-flip"])
@pytest.mark.parametrize("batch_size", [1, 8, 50, 64])
def test_every_image_appears_once_an_epoch(batch_size, augmentation):
    made = batches(batch_size=batch_size, augmentation=augmentation)
    sizes = [len(labels) for _, labels in made.epoch(2)]
    assert len(sizes) == len(made) == -(-COUNT // batch_size)
    assert all(size == batch_size for size in sizes[:-1])
    assert sorted(epoch_of(made, 2)[1].tolist()) == list(range(COUNT))


def test_an_epoch_is_the_same_at_every_call_and_differs_from_the_next():
    made = batches()
    images, labels = epoch_of(made, 1)
    other_images, other_labels = epoch_of(made, 2)
    assert not torch.equal(labels, other_labels)
    assert not torch.equal(by_image(made, 1), by_image(made, 2))
    assert not torch.equal(images, other_images)
    again, again_labels = epoch_of(made, 1)
    assert torch.equal(images, again)
    assert torch.equal(labels, again_labels)


@pytest.mark.parametrize(
    "changes",
    [
        {"init": 5},
        {"augment": 5},
        {"batch_size": 7},
        {"augmentation": "none"},
        {"learning_rate": 0.5, "epochs": 9, "optimizer": "adam"},
        {"images": numbered(side=8)},
    ],
    ids=str,
)
def test_the_order_depends_on_its_own_seed_alone(changes):
    expected = epoch_order(3, 4, COUNT).tolist()
    torch.manual_seed(99)
    assert epoch_of(batches(order=3, **changes), 4)[1].tolist() == expected


@pytest.mark.parametrize("changes", [{"init": 5}, {"order": 5}, {"batch_size": 7}], ids=str)
def test_an_image_is_cropped_and_mirrored_by_the_augment_seed_alone(changes):
    made = batches(augment=3)
    assert torch.equal(by_image(batches(augment=3, **changes), 4), by_image(made, 4))


def test_another_augment_seed_crops_and_mirrors_otherwise_in_the_same_order():
    first, labels = epoch_of(batches(augment=3))
    second, other_labels = epoch_of(batches(augment=4))
    assert torch.equal(labels, other_labels)
    assert not torch.equal(first, second)


def test_without_augmentation_images_are_normalised_as_they_are():
    images = numbered()
    made = by_image(batches(images, augmentation="none"))
    torch.testing.assert_close(made, images.normalized(np.arange(COUNT)), rtol=0, atol=2e-6)


def test_augmented_images_are_crops_of_the_padded_ones_every_crop_as_likely():
    images = numbered(count=600, side=8)
    plain = images.normalized(np.arange(600))
    black = (0 - torch.tensor(images.mean)) / torch.tensor(images.std)
    padded = black.view(1, 3, 1, 1).repeat(600, 1, 10, 10)
    padded[:, :, 1:9, 1:9] = plain
    made = by_image(batches(images))
    matches = torch.stack(
        [
            (padded[:, :, row : row + 8, column : column + 8] - (made.flip(-1) if flip else made)).abs().amax((1, 2, 3))
            < 1e-4
            for row in range(3)
            for column in range(3)
            for flip in (False, True)
        ]
    )
    assert (matches.sum(0) == 1).all()  # each image is exactly one crop of its own original
    counts = matches.sum(1).double()
    assert ((counts - 600 / 18) ** 2 / (600 / 18)).sum() < 40.8  # chi-squared, 99.9 % at 17 degrees of freedom


def test_images_are_channels_last_with_whole_numbers_as_labels():
    images, labels = next(iter(batches().epoch(0)))
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.dtype == torch.int64


def test_the_global_generators_are_neither_read_nor_advanced():
    torch.manual_seed(1)
    expected = torch.get_rng_state()
    first = epoch_of(batches())[0]
    assert torch.equal(torch.get_rng_state(), expected)
    torch.manual_seed(2)
    assert torch.equal(epoch_of(batches())[0], first)


def test_the_set_itself_is_left_as_it_was():
    images = numbered()
    before = images.pixels.copy()
    made = batches(dataclasses.replace(images))
    epoch_of(made)
    assert np.array_equal(made.pixels.numpy(), before)


def every_value(mean: tuple[float, ...], std: tuple[float, ...]) -> ImageSet:
    """One image of 16 x 16 pixels whose three channels have every value of a pixel."""
    pixels = np.tile(np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16), (1, 3, 1, 1))
    common = {"mean": mean, "std": std, "class_names": ("a",)}
    return ImageSet(name="values", split="test", pixels=pixels, labels=np.zeros(1, np.int64), **common)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 64])
def test_images_on_the_device_are_normalised_to_the_same_bits(batch_size):
    images = numbered()
    made = list(DeviceImages.of(images, torch.device("cpu")).normalized(batch_size))
    assert [len(batch) for batch in made[:-1]] == [batch_size] * (len(made) - 1)
    assert torch.equal(torch.cat(made), images.normalized(np.arange(COUNT)))
    for mean, std in [((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)), ((0.1, 0.5, 0.9), (1e-6, 0.3, 1.0))]:
        values = every_value(mean, std)
        (batch,) = DeviceImages.of(values, torch.device("cpu")).normalized(batch_size)
        assert torch.equal(batch, values.normalized([0]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_images_are_normalised_to_the_same_bits_on_a_gpu():
    values = every_value((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    (batch,) = DeviceImages.of(values, torch.device("cuda")).normalized(1)
    assert torch.equal(batch.cpu(), values.normalized([0]))


def test_images_to_evaluate_are_kept_on_the_device_as_bytes():
    made = DeviceImages.of(numbered(), torch.device("meta"))
    assert (made.pixels.dtype, made.pixels.device.type, len(made)) == (torch.uint8, "meta", COUNT)
    assert {batch.device.type for batch in made.normalized(8)} == {"meta"}


@pytest.mark.parametrize("view", ["read-only", "flipped"])
def test_images_of_any_array_can_be_put_on_the_device(view):
    images = numbered()
    pixels = images.pixels[..., ::-1] if view == "flipped" else images.pixels
    pixels.setflags(write=False)
    images = dataclasses.replace(images, pixels=pixels)
    assert torch.equal(
        next(DeviceImages.of(images, torch.device("cpu")).normalized(COUNT)), images.normalized([*range(COUNT)])
    )
