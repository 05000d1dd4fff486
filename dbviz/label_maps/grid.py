"""The points of an evenly stepped grid on every plane of a set, made on the device when they are asked for.

Axes: c channels, h image rows, w image columns, d = h w c (channels last); grid row i lies at b[i], column j at a[j].
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from dbviz.planes.plane import Plane

__all__ = ["Axes", "Grid"]

Axes = tuple[Float64[np.ndarray, " column"], Float64[np.ndarray, " row"]]


@dataclass(frozen=True, eq=False)
class Grid:
    """origin + a u + b v at every (plane, row, column), numbered in this order over all planes."""

    origin: Float32[Tensor, "plane d"]
    u: Float32[Tensor, "plane d"]
    v: Float32[Tensor, "plane d"]
    a: Float32[Tensor, "plane column"]
    b: Float32[Tensor, "plane row"]
    image_shape: tuple[int, int, int]

    @classmethod
    def of(cls, planes: Sequence[Plane], axes: Sequence[Axes], device: torch.device) -> "Grid":
        """The grids of `planes` at their `axes`; what is kept of them grows with the planes, not with the points."""
        parts = [torch.stack([_flat(getattr(plane, part)) for plane in planes]) for part in ("origin", "u", "v")]
        steps = [torch.from_numpy(np.stack(each)).float() for each in zip(*axes, strict=True)]
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

    def images(self, points: Int64[np.ndarray, " n"]) -> Float32[Tensor, "n c h w"]:
        """The images at the numbered points, fastest where those of a plane stand together, in channels-last layout.

        A point is the same bits whichever others it is made with.
        """
        flat = self.origin.new_empty(len(points), self.origin.shape[1])
        for plane, run in _runs(points // self.points):
            within = torch.from_numpy(points[run] % self.points).to(flat.device)
            a, b = self.a[plane, within % self.resolution], self.b[plane, within // self.resolution]
            torch.addcmul(self.origin[plane], a[:, None], self.u[plane], out=flat[run])
            torch.addcmul(flat[run], b[:, None], self.v[plane], out=flat[run])
        channels, height, width = self.image_shape
        return flat.view(-1, height, width, channels).permute(0, 3, 1, 2)


def _flat(image: Float32[Tensor, "c h w"]) -> Float32[Tensor, " d"]:
    return image.permute(1, 2, 0).flatten()


def _runs(values: Int64[np.ndarray, " n"]) -> Iterator[tuple[int, slice]]:
    """Each stretch of equal values, with the value."""
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(values)], strict=True):
        yield int(values[start]), slice(int(start), int(stop))
