"""Unit directions from images: uniform on the sphere, or towards other images.

The directions of an image are drawn from a stream keyed by the seed and the image's index, so they do not depend on the
other images, and the first n of many directions are those of a draw of n.
"""

from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from dbviz.core.errors import InputError, unknown_name
from dbviz.core.streams import numpy_stream
from dbviz.data import ImageSet

__all__ = ["Along", "check_directions", "draw_targets", "image_directions", "random_directions", "unit_directions"]

Along = Literal["random", "images"]
"""random: uniform on the sphere. images: towards other images of the set."""


def unit_directions(
    images: ImageSet, indices: Int64[np.ndarray, " image"], count: int, *, along: Along, seed: int = 0
) -> Float32[Tensor, "image count c h w"]:
    """`count` directions of length 1 in normalised pixel space from each of the images at `indices`.

    Raises:
        InputError: fewer than one direction is requested, the kind is unknown, or no other image differs.
    """
    check_directions(count, along)
    if along == "random":
        return torch.stack([random_directions(images.image_shape, int(i), count, seed=seed) for i in indices])
    targets = np.stack([draw_targets(images, int(i), count, seed=seed) for i in indices])
    return torch.stack([image_directions(images, int(i), to) for i, to in zip(indices, targets, strict=True)])


def random_directions(
    shape: tuple[int, int, int], index: int, count: int, *, seed: int = 0
) -> Float32[Tensor, "count c h w"]:
    """Directions uniform on the sphere: normal vectors, divided by their length (Muller 1959)."""
    rng = numpy_stream(seed, "random directions", index)
    return _unit(torch.from_numpy(rng.standard_normal((count, *shape), np.float32)))


def image_directions(
    images: ImageSet, index: int, targets: Int64[np.ndarray, " count"]
) -> Float32[Tensor, "count c h w"]:
    """From the image at `index` towards those at `targets`."""
    return _unit(images.normalized(targets) - images.normalized([index]))


def draw_targets(images: ImageSet, index: int, count: int, *, seed: int = 0) -> Int64[np.ndarray, " count"]:
    """Other images of the set, each drawn from all whose pixels differ from those of the image at `index`.

    Draws are independent, so an image may be repeated.

    Raises:
        InputError: no other image differs.
    """
    rng = numpy_stream(seed, "image directions", index)
    own, targets = images.pixels[index], []
    while len(targets) < count:
        candidate = int(rng.integers(len(images)))
        if (images.pixels[candidate] != own).any():
            targets.append(candidate)
        elif (images.pixels == own).all():
            raise InputError(f"no image of {images.name} {images.split} differs from image {index}: give other images")
    return np.array(targets, np.int64)


def check_directions(count: int, along: str) -> None:
    """Raises InputError for an invalid number or kind of directions, as `unit_directions` does."""
    if count < 1:
        raise InputError(f"{count} directions requested: request at least 1")
    if along not in get_args(Along):
        raise unknown_name("kind of direction", along, get_args(Along))


def _unit(directions: Float32[Tensor, "count c h w"]) -> Float32[Tensor, "count c h w"]:
    return directions / directions.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
