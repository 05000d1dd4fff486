"""The registry: an architecture is a decorated function whose name is the architecture's name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import nn

from dbviz.core.errors import InputError

__all__ = ["ARCHITECTURES", "Architecture", "register"]


@runtime_checkable
class Builder(Protocol):
    """Makes the network; `image_shape` is (channels, height, width)."""

    __name__: str

    def __call__(self, num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module: ...


@dataclass(frozen=True)
class Architecture:
    """A registered architecture.

    Example:
        >>> from dbviz.models import ARCHITECTURES
        >>> ARCHITECTURES["vit"].width, ARCHITECTURES["vit"].multiple_of
        (512, 8)
    """

    name: str
    builder: Builder
    width: int
    """The published width; the builder's docstring describes what it counts."""
    multiple_of: int
    """Widths must be a multiple of this."""

    def build(self, num_classes: int, width: int | None, image_shape: tuple[int, int, int]) -> nn.Module:
        """The network, with weights drawn from torch's global generator.

        Raises:
            InputError: the width is not a positive multiple of `multiple_of`.
        """
        width = self.width if width is None else width
        if width < 1 or width % self.multiple_of:
            raise InputError(f"width {width} is not available for {self.name}: choose a multiple of {self.multiple_of}")
        return self.builder(num_classes, width, image_shape)


ARCHITECTURES: dict[str, Architecture] = {}
"""Every registered architecture by name."""


def register(*, width: int, multiple_of: int = 1) -> Callable[[Builder], Builder]:
    """A decorator that registers a builder under its own name, with its published width.

    Example:
        >>> @register(width=64, multiple_of=2)
        ... def linear(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
        ...     return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))
        >>> ARCHITECTURES.pop("linear").width
        64
    """

    def decorate(builder: Builder) -> Builder:
        ARCHITECTURES[builder.__name__] = Architecture(builder.__name__, builder, width, multiple_of)
        return builder

    return decorate
