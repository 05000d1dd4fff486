"""Sets of planes with their provenance."""

import hashlib
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
from jaxtyping import Bool, Int64

from dbviz.core.errors import InputError
from dbviz.data import ImageSet
from dbviz.planes.plane import Plane
from dbviz.planes.triplets import check_triplets, draw_triplets

__all__ = ["NO_IMAGE", "PlaneSet", "as_plane_set", "draw_planes"]

NO_IMAGE = -1
"""The index and the label of a corner that is not an image of the set."""
_HTML_ROWS = 5


@dataclass(frozen=True, eq=False, repr=False)
class PlaneSet(Sequence[Plane]):
    """Planes through triplets of one image set; a sequence of `Plane`.

    Example:
        >>> from dbviz.data import shapes
        >>> planes = PlaneSet.of(shapes(30, split="test"), [[0, 1, 2], [13, 24, 7]])
        >>> planes
        PlaneSet(2 planes through triplets of shapes test)
        >>> planes.labels.tolist()
        [[0, 1, 2], [3, 4, 7]]
        >>> planes[:1]
        PlaneSet(1 plane through triplets of shapes test)
    """

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
            InputError: an index is out of range or repeated, or three images are collinear.
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

    @classmethod
    def from_planes(cls, planes: Sequence[Plane]) -> "PlaneSet":
        """Planes of unknown provenance: no dataset, and -1 for every triplet and label.

        Raises:
            InputError: there is no plane, an item is not a `Plane`, or the planes' images differ in shape.

        Example:
            >>> import torch
            >>> plane = Plane.through(*torch.eye(3).view(3, 1, 1, 3))
            >>> PlaneSet.from_planes([plane, plane])
            PlaneSet(2 planes of unknown source)
        """
        _check_planes(planes)
        unknown = np.full((len(planes), 3), NO_IMAGE, np.int64)
        return cls(tuple(planes), unknown, unknown, dataset="", split="", class_names=())

    def __len__(self) -> int:
        return len(self.planes)

    @overload
    def __getitem__(self, index: int) -> Plane: ...
    @overload
    def __getitem__(self, index: slice) -> "PlaneSet": ...
    def __getitem__(self, index: int | slice) -> "Plane | PlaneSet":
        """One plane, or for a slice a set of planes."""
        if isinstance(index, int):
            return self.planes[index]
        chosen = {"planes": self.planes[index], "triplets": self.triplets[index], "labels": self.labels[index]}
        return replace(self, **chosen)

    def __iter__(self) -> Iterator[Plane]:
        return iter(self.planes)

    def __repr__(self) -> str:
        return f"PlaneSet({self._described()})"

    def _repr_html_(self) -> str:
        """A small table for notebooks: the first planes, with the indices and classes of their images."""
        rows = [
            f"<tr><th>{plane}</th>{''.join(f'<td>{html.escape(self._corner(plane, k))}</td>' for k in range(3))}</tr>"
            for plane in range(min(len(self), _HTML_ROWS))
        ]
        if len(self) > _HTML_ROWS:
            rows.append(f'<tr><td colspan="4">and {len(self) - _HTML_ROWS} more</td></tr>')
        head = "<tr><th>plane</th><th>image 1</th><th>image 2</th><th>image 3</th></tr>"
        caption = f"<caption>{html.escape(repr(self))}</caption>"
        return f"<table>{caption}<thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"

    @property
    def identity(self) -> str:
        """Hash of the planes' contents, 64 hexadecimal digits: equal exactly where the planes are."""
        digest = hashlib.sha256(f"{self.dataset} {self.split}".encode())
        digest.update(self.triplets.tobytes())
        for plane in self.planes:
            for part in (plane.origin, plane.u, plane.v):
                digest.update(part.numpy().tobytes())
        return digest.hexdigest()

    def _described(self) -> str:
        count = f"{len(self)} plane{'' if len(self) == 1 else 's'}"
        if not self.dataset:
            return f"{count} of unknown source"
        through = "of" if (self.triplets == NO_IMAGE).any() else "through triplets of"
        return f"{count} {through} {self.dataset} {self.split}"

    def _corner(self, plane: int, corner: int) -> str:
        """Such as `17 (cat)`; a dash where the corner is not an image of the set."""
        index, label = int(self.triplets[plane, corner]), int(self.labels[plane, corner])
        if index == NO_IMAGE:
            return "–"
        name = self.class_names[label] if label < len(self.class_names) else f"class {label}"
        return f"{index} ({name})"


def as_plane_set(planes: Any) -> PlaneSet:
    """A plane set as it is; one plane or several as a set of unknown provenance.

    Raises:
        InputError: it is none of these.
    """
    if isinstance(planes, PlaneSet):
        return planes
    if isinstance(planes, Plane):
        return PlaneSet.from_planes([planes])
    if isinstance(planes, Sequence) and not isinstance(planes, str | bytes):
        return PlaneSet.from_planes(planes)
    raise _not_planes(f"planes is of type {type(planes).__name__}")


def draw_planes(
    images: ImageSet,
    triplets: int = 500,
    *,
    seed: int = 0,
    one_class: bool = False,
    among: Bool[np.ndarray, " n"] | None = None,
) -> PlaneSet:
    """Planes through `triplets` random triplets of `images`, each of three distinct labels.

    Args:
        one_class: through three images of one class instead.
        among: which images to draw from, such as those with a wrong label; by default all.

    Raises:
        InputError: fewer than one triplet is requested, or there are too few classes or images to draw from.

    Example:
        >>> from dbviz.data import shapes
        >>> draw_planes(shapes(30, split="test"), 4, seed=0)
        PlaneSet(4 planes through triplets of shapes test)
    """
    drawn = draw_triplets(images, triplets, seed=seed, one_class=one_class, among=among)
    return PlaneSet.of(images, drawn)


def _check_planes(planes: Sequence[Any]) -> None:
    if len(planes) == 0:
        raise _not_planes("planes is empty")
    for position, plane in enumerate(planes):
        if not isinstance(plane, Plane):
            raise _not_planes(f"item {position} of planes is of type {type(plane).__name__}")
    shapes = sorted({tuple(plane.origin.shape) for plane in planes})
    if len(shapes) > 1:
        raise InputError(f"the planes are of images of shapes {', '.join(map(str, shapes))}: they must be equal")


def _not_planes(what: str) -> InputError:
    return InputError(
        f"{what}: give a PlaneSet (dbviz.draw_planes(images.test, 500)), a Plane (dbviz.Plane.through(x1, x2, x3)), "
        "or a list of Planes"
    )
