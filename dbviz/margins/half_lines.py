"""Half-lines from images, and the points on them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from dbviz.label_maps.points import Points

__all__ = ["HalfLinePoints", "HalfLines"]


@dataclass(frozen=True, eq=False)
class HalfLines:
    """The half-lines starts[i] + t steps[i, j], t >= 0, numbered image by image."""

    starts: Float32[Tensor, "image c h w"]
    steps: Float32[Tensor, "image direction c h w"]

    def __len__(self) -> int:
        return len(self.starts) * self.directions

    @property
    def directions(self) -> int:
        return self.steps.shape[1]

    def at(self, lines: Int64[np.ndarray, " n"], distances: Float64[np.ndarray, " n"]) -> "HalfLinePoints":
        """The points at a distance each along the numbered half-lines."""
        return HalfLinePoints(self, lines, distances)


@dataclass(frozen=True, eq=False)
class HalfLinePoints(Points):
    """Some points of half-lines."""

    half_lines: HalfLines
    lines: Int64[np.ndarray, " n"]
    distances: Float64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.lines)

    def images_of(self, places: Int64[Tensor, " m"] | None) -> Float32[Tensor, "m c h w"]:
        which = slice(None) if places is None else places.cpu().numpy()
        starts, steps = self.half_lines.starts, self.half_lines.steps
        numbers = np.divmod(self.lines[which], self.half_lines.directions)
        image, direction = (torch.from_numpy(part).to(starts.device) for part in numbers)
        distance = torch.from_numpy(self.distances[which]).float().to(starts.device).view(-1, 1, 1, 1)
        points = torch.addcmul(starts[image], steps[image, direction], distance)
        return points.contiguous(memory_format=torch.channels_last)

    def split(self, size: int) -> Iterator["HalfLinePoints"]:
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield HalfLinePoints(self.half_lines, self.lines[part], self.distances[part])
