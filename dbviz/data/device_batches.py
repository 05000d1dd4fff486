"""Training batches made on the device: the whole dataset is kept there as uint8, and no worker process is needed.

Order and augmentation come from separate streams, keyed by epoch. Augmentation is drawn per image of the dataset, not
per position in the batch: with another order seed an image is still cropped and flipped the same.

Images to evaluate are kept there as uint8 too, and normalised batch by batch.

Axes: n images of the set, b images of a batch, c channels, h rows, w columns.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor

from dbviz.core.streams import numpy_stream
from dbviz.data.arrays import ImageSet
from dbviz.spec import Recipe, Seeds

__all__ = ["Batches", "DeviceBatches", "DeviceImages", "crop_and_flip", "epoch_order"]

Batch = tuple[Tensor, Tensor]


@runtime_checkable
class Batches(Protocol):
    """Input of the training loop: epochs of (images (b, c, h, w), labels (b,)) on the device.

    Example:
        >>> from dbviz.data import LoaderBatches
        >>> issubclass(DeviceBatches, Batches), issubclass(LoaderBatches, Batches)
        (True, True)
    """

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        ...

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch `number`, counted from 0; the same at every call."""
        ...


def epoch_order(seed: int, number: int, count: int) -> Int64[np.ndarray, " n"]:
    """The order of `count` images in epoch `number`, a permutation.

    Example:
        >>> sorted(epoch_order(seed=3, number=0, count=4).tolist())
        [0, 1, 2, 3]
    """
    return numpy_stream(seed, "order", number).permutation(count)


@dataclass(frozen=True)
class DeviceBatches:
    """A set of images on the device, shuffled, augmented and normalised there; made by `DeviceBatches.of`.

    Example:
        >>> from dbviz.data import shapes
        >>> recipe = Recipe(epochs=1, learning_rate=0.1, batch_size=64)
        >>> batches = DeviceBatches.of(shapes(100), recipe, Seeds(order=3), torch.device("cpu"))
        >>> [tuple(images.shape) for images, labels in batches.epoch(0)]
        [(64, 3, 32, 32), (36, 3, 32, 32)]
    """

    pixels: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    scale: Float32[Tensor, "1 c 1 1"]
    shift: Float32[Tensor, "1 c 1 1"]
    recipe: Recipe
    seeds: Seeds

    @classmethod
    def of(cls, images: ImageSet, recipe: Recipe, seeds: Seeds, device: torch.device) -> "DeviceBatches":
        """Copies the images to the device."""
        mean, std = (torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (images.mean, images.std))
        return cls(
            pixels=torch.from_numpy(images.pixels).to(device),
            labels=torch.from_numpy(images.labels).to(device),
            scale=1 / (255 * std),
            shift=-mean / std,
            recipe=recipe,
            seeds=seeds,
        )

    def __len__(self) -> int:
        return -(-len(self.pixels) // self.recipe.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch `number`, counted from 0; the same at every call."""
        count, device = len(self.pixels), self.pixels.device
        order = torch.from_numpy(epoch_order(self.seeds.order, number, count)).to(device)
        augment = self._augmentation(number)
        for indices in order.split(self.recipe.batch_size):
            images = torch.addcmul(self.shift, augment(indices).float(), self.scale)
            yield images.contiguous(memory_format=torch.channels_last), self.labels[indices]

    def _augmentation(self, number: int) -> Callable[[Tensor], Tensor]:
        """A function from indices to their augmented pixels in epoch `number`."""
        if self.recipe.augmentation == "none":
            return lambda indices: self.pixels[indices]
        count, _, side, _ = self.pixels.shape
        padding, device = side // 8, self.pixels.device
        rng = numpy_stream(self.seeds.augment, "crop and flip", number)
        shifts = torch.from_numpy(rng.integers(0, 2 * padding + 1, (count, 2))).to(device)
        flips = torch.from_numpy(rng.random(count) < 0.5).to(device)
        return lambda indices: crop_and_flip(self.pixels[indices], shifts[indices], flips[indices], padding)


@dataclass(frozen=True)
class DeviceImages:
    """A set of images on the device, normalised there as `ImageSet.normalized` does; made by `DeviceImages.of`.

    Example:
        >>> from dbviz.data import shapes
        >>> images = shapes(100)
        >>> on_device = DeviceImages.of(images, torch.device("cpu"))
        >>> [len(batch) for batch in on_device.normalized(64)]
        [64, 36]
        >>> torch.equal(torch.cat([*on_device.normalized(64)]), images.normalized([*range(100)]))
        True
    """

    pixels: UInt8[Tensor, "n c h w"]
    mean: Float32[Tensor, "1 c 1 1"]
    std: Float32[Tensor, "1 c 1 1"]

    @classmethod
    def of(cls, images: ImageSet, device: torch.device) -> "DeviceImages":
        """Copies the images to the device."""
        mean, std = (torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (images.mean, images.std))
        pixels = np.require(images.pixels, requirements=["C", "W"])  # read-only and strided arrays are copied
        return cls(pixels=torch.from_numpy(pixels).to(device), mean=mean, std=std)

    def __len__(self) -> int:
        return len(self.pixels)

    def normalized(self, batch_size: int) -> Iterator[Float32[Tensor, "b c h w"]]:
        """The images in their order: (pixel / 255 - mean) / std, never augmented.

        The operations and their order are those of `ImageSet.normalized`, so that the values are bitwise the same.
        """
        largest = torch.tensor(255.0, device=self.pixels.device)  # CUDA divides by a number as a product, which rounds
        for pixels in self.pixels.split(batch_size):
            yield (pixels.float() / largest - self.mean) / self.std


def crop_and_flip(
    pixels: UInt8[Tensor, "b c h w"], shifts: Int64[Tensor, "b 2"], flips: Bool[Tensor, " b"], padding: int
) -> UInt8[Tensor, "b c h w"]:
    """Each image padded with black, cropped at its own (row, column) shift, and flipped horizontally or not.

    Args:
        shifts: in [0, 2 padding]; a shift of (padding, padding) leaves the image where it was.
        padding: pixels added on every side.

    Example:
        >>> pixels = torch.arange(4, dtype=torch.uint8).view(1, 1, 2, 2)
        >>> crop_and_flip(pixels, torch.tensor([[1, 1]]), torch.tensor([True]), padding=1).flatten().tolist()
        [1, 0, 3, 2]
    """
    b, c, h, w = pixels.shape
    padded = F.pad(pixels, [padding] * 4)
    rows = shifts[:, 0, None] + torch.arange(h, device=pixels.device)
    columns = torch.arange(w, device=pixels.device).expand(b, w)
    columns = shifts[:, 1, None] + torch.where(flips[:, None], w - 1 - columns, columns)
    indices = rows[:, :, None] * (w + 2 * padding) + columns[:, None, :]
    return padded.flatten(2).gather(2, indices.view(b, 1, h * w).expand(b, c, h * w)).view(b, c, h, w)
