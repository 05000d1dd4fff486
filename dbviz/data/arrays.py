"""Labelled sets of images, held in memory as uint8.

Axes: n images, c channels, h rows, w columns.
"""

import dataclasses
import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from dbviz.core.errors import InputError

__all__ = ["ImageSet", "Images"]


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """One split of a dataset.

    Raises:
        InputError: numbers of images and labels differ, or a label is no class.

    Example:
        >>> from dbviz.data import shapes
        >>> shapes(100)
        ImageSet(shapes train: 100 images of (3, 32, 32), 10 classes)
    """

    name: str
    """The dataset's name, e.g. `cifar10`."""
    split: str
    """`train` or `test`."""
    pixels: UInt8[np.ndarray, "n c h w"]
    labels: Int64[np.ndarray, " n"]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    """Per channel, of pixel values scaled to [0, 1]."""
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.pixels) != len(self.labels):
            raise InputError(
                f"{self.name}: {len(self.pixels)} images but {len(self.labels)} labels: give one label per image"
            )
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise InputError(
                f"{self.name}: labels run from {self.labels.min()} to {self.labels.max()}, "
                f"but there are {len(self.class_names)} class names: labels must be 0 ... {len(self.class_names) - 1}"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        return f"ImageSet({self.name} {self.split}: {len(self):,} images of {_shape_and_classes(self)})"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        _, c, h, w = self.pixels.shape
        return c, h, w

    def first(self, count: int | None) -> "ImageSet":
        """The first `count` images; all of them for None.

        Raises:
            InputError: there are fewer, or `count` is below 1.
        """
        if count is None:
            return self
        if count < 1:
            raise InputError(f"{count} images requested: request at least 1")
        if count > len(self):
            raise InputError(
                f"{count:,} images requested, but {self.name} {self.split} has {len(self):,}: request at most that many"
            )
        return dataclasses.replace(self, pixels=self.pixels[:count], labels=self.labels[:count])

    def normalized(self, indices: np.ndarray | list[int]) -> Float32[Tensor, "n c h w"]:
        """The images at `indices` as inputs of a network: (pixel / 255 - mean) / std, never augmented.

        Example:
            >>> from dbviz.data import shapes
            >>> shapes(100).normalized([0, 7]).shape
            torch.Size([2, 3, 32, 32])
        """
        pixels = torch.from_numpy(self.pixels[np.asarray(indices)]).float() / 255
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean) / std


@dataclass(frozen=True, kw_only=True)
class Images:
    """A dataset: its training and its test images.

    Example:
        >>> from dbviz.data import shapes
        >>> Images(train=shapes(100), test=shapes(20, split="test"))
        Images(shapes: 100 training and 20 test images of (3, 32, 32), 10 classes)
    """

    train: ImageSet
    test: ImageSet

    def __repr__(self) -> str:
        counts = f"{len(self.train):,} training and {len(self.test):,} test images"
        return f"Images({self.name}: {counts} of {_shape_and_classes(self.train)})"

    @classmethod
    def from_arrays(
        cls,
        train: tuple[np.ndarray, np.ndarray],
        test: tuple[np.ndarray, np.ndarray],
        *,
        name: str,
        class_names: tuple[str, ...] | list[str],
    ) -> "Images":
        """Your own dataset, from the images, uint8 (n, c, h, w), and labels (n,) of each split.

        Mean and standard deviation are those of the training images. A fingerprint of all arrays is appended to the
        name, so that runs trained on other contents are never mistaken for runs on these.

        Raises:
            InputError: images are not uint8 of shape (n, c, h, w), or labels do not fit.

        Example:
            >>> rng = np.random.default_rng(0)
            >>> pixels, labels = rng.integers(0, 256, (60, 3, 8, 8), dtype=np.uint8), np.arange(60) % 2
            >>> classes = ["cat", "dog"]
            >>> images = Images.from_arrays((pixels[:50], labels[:50]), (pixels[50:], labels[50:]), name="pets",
            ...                             class_names=classes)
            >>> images.name.startswith("pets@"), len(images.test)
            (True, 10)
        """
        for split, (pixels, _) in (("train", train), ("test", test)):
            if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 4:
                kind = f"{getattr(pixels, 'dtype', type(pixels).__name__)} {getattr(pixels, 'shape', '')}"
                raise InputError(f"{name}: {split} images are {kind}: give a uint8 array of shape (n, c, h, w)")
        scaled = train[0].astype(np.float64) / 255
        digest = hashlib.sha256()
        for array in (*train, *test):
            digest.update(f"{np.shape(array)}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        common = {
            "name": f"{name}@{digest.hexdigest()[:12]}",
            "class_names": tuple(class_names),
            "mean": tuple(scaled.mean(axis=(0, 2, 3)).tolist()),
            "std": tuple(np.maximum(scaled.std(axis=(0, 2, 3)), 1e-6).tolist()),
        }
        return cls(
            train=ImageSet(split="train", pixels=train[0], labels=np.asarray(train[1], np.int64), **common),
            test=ImageSet(split="test", pixels=test[0], labels=np.asarray(test[1], np.int64), **common),
        )

    @property
    def name(self) -> str:
        return self.train.name

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.train.class_names

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        return self.train.image_shape

    def split(self, name: str) -> ImageSet:
        """The split called `train` or `test`.

        Raises:
            InputError: it has another name.
        """
        if name not in ("train", "test"):
            raise InputError(f"unknown split {name!r}: choose train or test")
        return self.train if name == "train" else self.test


def _shape_and_classes(images: ImageSet) -> str:
    return f"{images.image_shape}, {len(images.class_names)} classes"
