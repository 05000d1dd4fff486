"""Planes with where they come from."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from jaxtyping import Bool, Int64

from dbviz.data import ImageSet
from dbviz.planes.plane import Plane
from dbviz.planes.triplets import check_triplets, draw_triplets

__all__ = ["PlaneSet", "draw_planes"]


@dataclass(frozen=True, eq=False)
class PlaneSet(Sequence[Plane]):
    """Planes through triplets of one image set."""

    planes: tuple[Plane, ...]
    triplets: Int64[np.ndarray, "plane 3"]
    """Indices of the three images in the split."""
    labels: Int64[np.ndarray, "plane 3"]
    dataset: str
    split: str
    class_names: tuple[str, ...]

    @classmethod
    def of(cls, images: ImageSet, triplets: Sequence[Sequence[int]] | np.ndarray) -> "PlaneSet":
        """The planes through the given triplets of `images`.

        Raises:
            InputError: an index is out of range or repeated, or three images lie on one line.
        """
        checked = check_triplets(images, triplets)
        return cls(
            planes=tuple(Plane.through(*images.normalized(triplet)) for triplet in checked),
            triplets=checked,
            labels=images.labels[checked],
            dataset=images.name,
            split=images.split,
            class_names=images.class_names,
        )

    def __len__(self) -> int:
        return len(self.planes)

    @overload
    def __getitem__(self, index: int) -> Plane: ...
    @overload
    def __getitem__(self, index: slice) -> "PlaneSet": ...
    def __getitem__(self, index: int | slice) -> "Plane | PlaneSet":
        """One plane, or a set of some of them."""
        if isinstance(index, int):
            return self.planes[index]
        chosen = {"planes": self.planes[index], "triplets": self.triplets[index], "labels": self.labels[index]}
        return replace(self, **chosen)

    def __iter__(self) -> Iterator[Plane]:
        return iter(self.planes)

    @property
    def identity(self) -> str:
        """Hash of the planes' contents, 64 hexadecimal digits: equal exactly where the planes are."""
        digest = hashlib.sha256(f"{self.dataset} {self.split}".encode())
        digest.update(self.triplets.tobytes())
        for plane in self.planes:
            for part in (plane.origin, plane.u, plane.v):
                digest.update(part.numpy().tobytes())
        return digest.hexdigest()


def draw_planes(
    images: ImageSet,
    triplets: int = 500,
    *,
    seed: int = 0,
    one_class: bool = False,
    among: Bool[np.ndarray, " n"] | None = None,
) -> PlaneSet:
    """Planes through `triplets` triplets of `images`, drawn with three distinct labels each.

    Args:
        one_class: through three images of one class instead.
        among: through these images only, such as those that are labelled wrong.

    Raises:
        InputError: fewer than one triplet asked for, or too few classes or images to draw from.
    """
    drawn = draw_triplets(images, triplets, seed=seed, one_class=one_class, among=among)
    return PlaneSet.of(images, drawn)
