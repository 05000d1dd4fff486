"""Points whose images are made when first used: of a grid, or of half-lines."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Self

from jaxtyping import Float32, Int64
from torch import Tensor

__all__ = ["Points"]


class Points(ABC):
    """Some points of the images' space, at least one."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def split(self, size: int) -> Iterator[Self]:
        """Parts of up to `size` points, in order."""

    @abstractmethod
    def images_of(self, places: Int64[Tensor, " m"] | None) -> Float32[Tensor, "m c h w"]:
        """The images of the points at some places among these, or of all, made anew."""

    @cached_property
    def images(self) -> Float32[Tensor, "n c h w"]:
        """The images of all points, made once for all networks."""
        return self.images_of(None)

    def images_at(self, places: Int64[Tensor, " m"]) -> Float32[Tensor, "m c h w"]:
        """The images of the points at some places among these; if none are made yet, these alone are."""
        if "images" in vars(self):
            return self.images[places.to(self.images.device)]
        return self.images_of(places)
