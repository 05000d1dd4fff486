"""The points of an evenly spaced grid on every plane of a set, and their images, made on the device on demand.

Axes: c channels, h image rows, w image columns, d = h w c (channels last); grid row i is at b[i], column j at a[j].
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from dbviz.label_maps.points import Points
from dbviz.planes.plane import Plane

__all__ = ["Axes", "Grid", "GridPoints"]

Axes = tuple[Float64[np.ndarray, " column"], Float64[np.ndarray, " row"]]


@dataclass(frozen=True, eq=False)
class Grid:
    """origin + a u + b v at every (plane, row, column); points are numbered in this order over all planes."""

    origin: Float32[Tensor, "plane d"]
    u: Float32[Tensor, "plane d"]
    v: Float32[Tensor, "plane d"]
    a: Float32[Tensor, "plane column"]
    b: Float32[Tensor, "plane row"]
    image_shape: tuple[int, int, int]

    @classmethod
    def of(cls, planes: Sequence[Plane], axes: Sequence[Axes], device: torch.device) -> "Grid":
        """The grids of `planes` at their `axes`; memory grows with the planes, not with the points."""
        parts = [torch.stack([_flat(getattr(plane, part)) for plane in planes]) for part in ("origin", "u", "v")]
        steps = [torch.from_numpy(np.stack(values)).float() for values in zip(*axes, strict=True)]
        channels, height, width = planes[0].origin.shape
        return cls(*(part.to(device) for part in (*parts, *steps)), image_shape=(channels, height, width))

    @property
    def planes(self) -> int:
        return len(self.origin)

    @property
    def resolution(self) -> int:
        return self.a.shape[1]

    @property
    def points(self) -> int:
        """Points of one plane."""
        return self.resolution**2

    def at(self, numbers: Int64[np.ndarray, " n"]) -> "GridPoints":
        """The numbered points."""
        return GridPoints(self, numbers)

    def vectors(self, planes: slice) -> Float32[Tensor, "plane 3 c h w"]:
        """origin, u and v of some planes as images."""
        channels, height, width = self.image_shape
        stacked = torch.stack([part[planes] for part in (self.origin, self.u, self.v)], 1)
        return stacked.view(-1, 3, height, width, channels).permute(0, 1, 4, 2, 3)

    def images(self, numbers: Int64[np.ndarray, " n"]) -> Float32[Tensor, "n c h w"]:
        """The images at the numbered points, in channels-last layout; fastest where points of a plane are adjacent.

        A point's image is bitwise identical whichever other points it is made with.
        """
        flat = self.origin.new_empty(len(numbers), self.origin.shape[1])
        points = self.at(numbers)
        a, b = points.coordinates()
        for plane, run in points.runs():
            torch.addcmul(self.origin[plane], a[run, None], self.u[plane], out=flat[run])
            torch.addcmul(flat[run], b[run, None], self.v[plane], out=flat[run])
        channels, height, width = self.image_shape
        return flat.view(-1, height, width, channels).permute(0, 3, 1, 2)


@dataclass(frozen=True, eq=False)
class GridPoints(Points):
    """Some points of a grid."""

    grid: Grid
    numbers: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.numbers)

    def images_of(self, places: Int64[Tensor, " m"] | None) -> Float32[Tensor, "m c h w"]:
        return self.grid.images(self.numbers if places is None else self.numbers[places.cpu().numpy()])

    def split(self, size: int) -> Iterator["GridPoints"]:
        """Parts of up to `size` points, in order."""
        for start in range(0, len(self), size):
            yield GridPoints(self.grid, self.numbers[start : start + size])

    def coordinates(self) -> tuple[Float32[Tensor, " n"], Float32[Tensor, " n"]]:
        """a and b of every point."""
        grid = self.grid
        numbers = torch.from_numpy(self.numbers).to(grid.a.device)
        plane, within = numbers // grid.points, numbers % grid.points
        return grid.a[plane, within % grid.resolution], grid.b[plane, within // grid.resolution]

    def runs(self) -> Iterator[tuple[int, slice]]:
        """The plane and the place of each run of points of one plane."""
        planes = self.numbers // self.grid.points
        edges = [0, *(np.flatnonzero(planes[1:] != planes[:-1]) + 1).tolist(), len(planes)]
        for start, stop in pairwise(edges):
            yield int(planes[start]), slice(start, stop)


def _flat(image: Float32[Tensor, "c h w"]) -> Float32[Tensor, " d"]:
    return image.permute(1, 2, 0).flatten()
