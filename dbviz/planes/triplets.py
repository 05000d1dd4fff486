"""Triplets of images, the three corners of a plane."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64

from dbviz.core.errors import InputError
from dbviz.core.streams import numpy_stream
from dbviz.data.arrays import ImageSet

__all__ = ["check_triplets", "draw_triplets"]


def draw_triplets(
    images: ImageSet,
    count: int,
    *,
    seed: int = 0,
    one_class: bool = False,
    among: Bool[np.ndarray, " n"] | None = None,
) -> Int64[np.ndarray, "count 3"]:
    """`count` triplets of images with three distinct labels, or of one, uniformly drawn.

    The first n of a larger draw are the draw of n.

    Args:
        one_class: three images of one class, instead of three classes.
        among: draw from these images only, such as those that are labelled wrong.

    Raises:
        InputError: fewer than one triplet, or too few classes, or images of one class, to draw from.
    """
    if count < 1:
        raise InputError(f"{count} triplets asked for: ask for at least 1")
    pool = np.arange(len(images)) if among is None else np.flatnonzero(among)
    sizes = np.unique(images.labels[pool], return_counts=True)[1]
    if one_class and (not len(sizes) or sizes.max() < 3):
        raise InputError(f"{images.name} {images.split} has no class of three images to draw a triplet from")
    if not one_class and len(sizes) < 3:
        raise InputError(
            f"{images.name} {images.split} has fewer than three classes: triplets need three distinct labels"
        )
    rng = numpy_stream(seed, "triplets of one class" if one_class else "triplets")
    draw = _of_one_class if one_class else _of_three_classes
    triplets: list[list[int]] = []
    while len(triplets) < count:
        if (candidate := draw(rng, pool, images.labels)) is not None:
            triplets.append(candidate.tolist())
    return np.array(triplets, np.int64)


def _of_three_classes(rng: np.random.Generator, pool: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Three images of the pool, or None where two have one label."""
    candidate = pool[rng.integers(len(pool), size=3)]
    return candidate if len(set(labels[candidate])) == 3 else None


def _of_one_class(rng: np.random.Generator, pool: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Three different images of the class of one drawn from the pool, or None where it has fewer."""
    label = labels[pool[rng.integers(len(pool))]]
    alike = pool[labels[pool] == label]
    return rng.choice(alike, 3, replace=False) if len(alike) >= 3 else None


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
