"""A fast form of networks whose first layer is linear: on a plane that layer is evaluated three times, not per point.

At the point o + a u + b v a linear layer with weight W returns (W o + bias) + a W u + b W v. Three products with W for
each plane replace one for each point, which for random features on 50 x 50 points is a thousandth of the work. The
products are computed in float64; adding them up in fp32 is off from plain fp32 by rounding alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from dbviz.label_maps.folding import has_hooks
from dbviz.label_maps.grid import Grid, GridPoints
from dbviz.models.random_features import RandomFeaturesNet

__all__ = ["LinearFirst", "LinearFirstForm", "linear_first"]

_CACHED_VALUES = 2**22
"""Values of the first layer on a block of planes that are computed and kept together: 16 MiB."""
_ROWS_AT_ONCE = 1024
"""Rows of W that are cast to float64 at once."""


@dataclass(frozen=True)
class LinearFirst:
    """A network as a linear layer and the rest."""

    weight: Float32[Tensor, "width d"]
    bias: Float32[Tensor, " width"]
    rest: Callable[[Tensor], Tensor]
    """From the layer's outputs (n, width) to logits (n, k); may overwrite its input."""


def linear_first(model: Any) -> LinearFirst | None:
    """The parts of a network that begins with a linear layer on all pixels, in fp32; None for any other.

    Such are random features, and any `nn.Sequential` of a flattening, a linear layer and whatever follows, unless
    hooks or a forward of its own may do something else.

    Example:
        >>> from dbviz.models import build
        >>> linear_first(build("mlp", width=8)).weight.shape
        torch.Size([8, 3072])
        >>> linear_first(build("resnet18k", width=1)) is None
        True
    """
    layers: list[Any]
    if type(model) is RandomFeaturesNet:
        layers = [model, model.features]
        bias = None
        rest: Callable[[Tensor], Tensor] = lambda z: model.head(z.relu_().double())  # noqa: E731
    elif type(model) is nn.Sequential and len(model) > 1 and _flattens_and_multiplies(model[0], model[1]):
        layers = [model, model[0], model[1]]
        bias = layers[-1].bias
        rest = nn.Sequential(*list(model)[2:])
    else:
        return None
    weight: Tensor = layers[-1].weight
    if weight.dtype != torch.float32 or any(has_hooks(layer) for layer in layers):
        return None
    return LinearFirst(weight, weight.new_zeros(len(weight)) if bias is None else bias, rest)


@dataclass(eq=False)
class LinearFirstForm:
    """The network evaluated on coordinates of planes instead of images; see `FastForm.evaluate`."""

    parts: LinearFirst
    batch: int
    _cached: tuple[Grid, int, Tensor] | None = field(default=None, init=False, repr=False)

    def __call__(self, points: GridPoints) -> Tensor:
        coordinates = torch.stack(points.coordinates(), 1).to(self.parts.weight.device).split(self.batch)
        batches = zip(points.split(self.batch), coordinates, strict=True)
        return torch.cat([self.parts.rest(self._first_layer(*batch)).float() for batch in batches])

    def _first_layer(self, points: GridPoints, coordinates: Float32[Tensor, "n 2"]) -> Float32[Tensor, "n width"]:
        outputs = coordinates.new_empty(len(points), len(self.parts.weight))
        for plane, run in points.runs():
            products = self._products(points.grid, plane)
            torch.addmm(products[0], coordinates[run], products[1:], out=outputs[run])
        return outputs

    def _products(self, grid: Grid, plane: int) -> Float32[Tensor, "3 width"]:
        """W origin + bias, W u and W v of a plane; computed for a block of planes at a time, of which one is kept."""
        size = max(1, _CACHED_VALUES // (3 * len(self.parts.weight)))
        first = plane // size * size
        if self._cached is None or self._cached[0] is not grid or self._cached[1] != first:
            self._cached = grid, first, _block_products(self.parts, grid, slice(first, first + size))
        return self._cached[2][plane - first]


def _block_products(parts: LinearFirst, grid: Grid, planes: slice) -> Float32[Tensor, "plane 3 width"]:
    vectors = grid.vectors(planes).flatten(2).to(parts.weight.device, torch.float64)
    products = torch.cat([vectors @ rows.T.double() for rows in parts.weight.split(_ROWS_AT_ONCE)], 2)
    products[:, 0] += parts.bias
    return products.float()


def _flattens_and_multiplies(first: Any, second: Any) -> bool:
    flattens = type(first) is nn.Flatten and (first.start_dim, first.end_dim) == (1, -1)
    return flattens and type(second) is nn.Linear
