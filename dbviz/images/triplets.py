"""Triplets of images, the three corners of a plane."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from dbviz.errors import InputError
from dbviz.images.arrays import ImageSet
from dbviz.streams import numpy_stream

__all__ = ["check_triplets", "draw_triplets"]


def draw_triplets(images: ImageSet, count: int, *, seed: int = 0) -> Int64[np.ndarray, "count 3"]:
    """`count` triplets of images with three distinct labels, uniformly drawn.

    The first n of a larger draw are the draw of n.

    Raises:
        InputError: fewer than one triplet, or fewer than three classes among the images.
    """
    if count < 1:
        raise InputError(f"{count} triplets asked for: ask for at least 1")
    if len(np.unique(images.labels)) < 3:
        raise InputError(
            f"{images.name} {images.split} has fewer than three classes: triplets need three distinct labels"
        )
    rng = numpy_stream(seed, "triplets")
    triplets: list[list[int]] = []
    while len(triplets) < count:
        candidate = rng.integers(len(images), size=3)
        if len(set(images.labels[candidate])) == 3:
            triplets.append(candidate.tolist())
    return np.array(triplets, np.int64)


def check_triplets(images: ImageSet, triplets: Sequence[Sequence[int]] | np.ndarray) -> Int64[np.ndarray, "count 3"]:
    """The triplets as an array.

    Raises:
        InputError: not three indices, one out of range, or one repeated (a plane needs three different images).
    """
    if len(triplets) == 0:
        raise InputError("no triplet given: give at least one, of three images")
    for triplet in triplets:
        indices = [int(i) for i in triplet]
        if len(indices) != 3:
            raise InputError(f"triplet {_shown(indices)} has {len(indices)} images: give three")
        for index in indices:
            if not 0 <= index < len(images):
                raise InputError(
                    f"triplet {_shown(indices)}: image {index} is out of range: "
                    f"{images.name} {images.split} has images 0 ... {len(images) - 1}"
                )
        if len(set(indices)) < 3:
            raise InputError(f"triplet {_shown(indices)} repeats an image: give three different ones")
    return np.asarray(triplets, np.int64)


def _shown(indices: list[int]) -> str:
    return " ".join(map(str, indices))
