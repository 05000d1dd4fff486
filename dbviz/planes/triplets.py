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
    """`count` triplets of image indices, drawn uniformly from those with three distinct labels.

    The first n triplets of a larger draw are the draw of n.

    Args:
        one_class: three different images of one class instead.
        among: which images to draw from, such as those with a wrong label; by default all.

    Raises:
        InputError: fewer than one triplet is requested, or there are too few classes or images to draw from.

    Example:
        >>> from dbviz.data import shapes
        >>> images = shapes(30, split="test")
        >>> triplets = draw_triplets(images, 4, seed=0)
        >>> triplets.shape
        (4, 3)
        >>> bool((draw_triplets(images, 2, seed=0) == triplets[:2]).all())
        True
    """
    if count < 1:
        raise InputError(f"{count} triplets requested: request at least 1")
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
    """Three images of the pool, or None if two of them share a label."""
    candidate = pool[rng.integers(len(pool), size=3)]
    return candidate if len(set(labels[candidate])) == 3 else None


def _of_one_class(rng: np.random.Generator, pool: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Three different images of one class, drawn as the class of an image of the pool; None if it has fewer."""
    label = labels[pool[rng.integers(len(pool))]]
    same_class = pool[labels[pool] == label]
    return rng.choice(same_class, 3, replace=False) if len(same_class) >= 3 else None


def check_triplets(images: ImageSet, triplets: Sequence[Sequence[int]] | np.ndarray) -> Int64[np.ndarray, "count 3"]:
    """The triplets as an array, once they are known to be valid.

    Raises:
        InputError: a triplet does not have three indices, or one is out of range or repeated.

    Example:
        >>> from dbviz.data import shapes
        >>> check_triplets(shapes(30, split="test"), [[0, 1, 2]])
        array([[0, 1, 2]])
        >>> check_triplets(shapes(30, split="test"), [[0, 1, 30]])
        Traceback (most recent call last):
        dbviz.core.errors.InputError: triplet 0 1 30: image 30 is out of range: shapes test has images 0 ... 29
    """
    if len(triplets) == 0:
        raise InputError("there is no triplet: give at least one, of three images")
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
