"""The geometry of a plane through three images.

Axes: c channels, h image rows, w image columns; grid row i lies at b[i], grid column j at a[j].
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from dbviz.core.deprecation import renamed_parameter
from dbviz.core.errors import InputError
from dbviz.spec.grid import check_grid

__all__ = ["Plane", "check_grid"]

_LEAST_ANGLE = 1e-6
"""Images closer to collinear than this (sine of the angle between the two sides) span no plane."""


@dataclass(frozen=True, eq=False)
class Plane:
    """The points origin + a u + b v, with u and v orthonormal, in normalised pixel space; nothing is clipped."""

    origin: Float32[Tensor, "c h w"]
    u: Float32[Tensor, "c h w"]
    v: Float32[Tensor, "c h w"]
    anchors: Float64[np.ndarray, "3 2"]
    """(a, b) of the three images: (0, 0), (|x2 - x1|, 0) and (c1, c2)."""

    @classmethod
    def through(
        cls, x1: Float32[Tensor, "c h w"], x2: Float32[Tensor, "c h w"], x3: Float32[Tensor, "c h w"]
    ) -> "Plane":
        """The plane through three normalised images (Somepalli et al. 2022, as their code computes it).

        u points from x1 to x2; v is what of x3 - x1 is orthogonal to u, normalised. Computed in float64.

        Raises:
            InputError: the shapes differ, a value is not finite, or the images are equal or collinear.
        """
        if not x1.shape == x2.shape == x3.shape:
            shapes = ", ".join(str(tuple(x.shape)) for x in (x1, x2, x3))
            raise InputError(f"the three images have shapes {shapes}: they must be equal")
        origin, second, third = (x.detach().cpu().double().flatten() for x in (x1, x2, x3))
        if not torch.isfinite(torch.stack([origin, second, third])).all():
            raise InputError("an image of the triplet has a value that is not finite: no plane goes through it")
        side, other = second - origin, third - origin
        length = side.norm()
        if length == 0 or other.norm() == 0:
            raise InputError(
                "two images of the triplet are identical: no plane goes through them; choose different ones"
            )
        u = side / length
        along = u @ other
        across = other - along * u
        if across.norm() <= _LEAST_ANGLE * other.norm():
            raise InputError("the three images lie on one line: no plane goes through them; choose another triplet")
        v = across / across.norm()
        return cls(
            origin=x1.detach().cpu().float(),
            u=u.float().view(x1.shape),
            v=v.float().view(x1.shape),
            anchors=np.array([[0, 0], [length, 0], [along, v @ other]], np.float64),
        )

    @renamed_parameter("margin", "padding")
    def axes(
        self, resolution: int, padding: float
    ) -> tuple[Float64[np.ndarray, " column"], Float64[np.ndarray, " row"]]:
        """(a, b): `resolution` even steps each over the images' bounding box, padded by `padding` times its side.

        Raises:
            InputError: resolution below 2 or absurd, or padding negative.
        """
        check_grid(resolution, padding)
        low, high = self.anchors.min(axis=0), self.anchors.max(axis=0)
        pad = padding * (high - low)
        a, b = (np.linspace(low[i] - pad[i], high[i] + pad[i], resolution) for i in (0, 1))
        return a, b

    def points(
        self, a: Float64[np.ndarray, " column"], b: Float64[np.ndarray, " row"]
    ) -> Float32[Tensor, "row column c h w"]:
        """Every point of the grid, all in memory: `dbviz.sample` is for large ones."""
        coordinates = torch.from_numpy(np.stack(np.meshgrid(a, b), axis=-1)).float().reshape(-1, 2)
        flat = torch.addmm(self.origin.view(1, -1), coordinates, torch.stack([self.u.flatten(), self.v.flatten()]))
        return flat.view(len(b), len(a), *self.origin.shape)
