"""Label maps of networks whose first layer is linear: on a plane that layer is needed at the origin and two steps only.

At the point o + a u + b v a linear layer gives W o + bias + a W u + b W v. Three products with W take the place of one
for every point, which for random features on 50 x 50 points is a thousandth of the work. The three are computed in
float64, so labels differ from those of plain fp32 evaluation only where that is undecided within its rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from dbviz.models.random_features import RandomFeaturesNet
from dbviz.planes.plane import Plane
from dbviz.training.device import deterministic_algorithms, evaluation_batch
from dbviz.training.evaluation import eval_mode

__all__ = ["LinearFirst", "label_planes", "linear_first"]


@dataclass(frozen=True)
class LinearFirst:
    """A network as a linear layer and what follows."""

    weight: Float[Tensor, "width d"]
    bias: Float[Tensor, " width"]
    rest: Callable[[Tensor], Tensor]
    """From the layer's outputs (n, width) in fp32 to logits (n, k)."""


def linear_first(model: nn.Module) -> LinearFirst | None:
    """The parts of a network that begins with a linear layer on all pixels; None for any other."""
    if isinstance(model, RandomFeaturesNet):
        weight = model.features.weight
        return LinearFirst(weight, weight.new_zeros(len(weight)), lambda z: model.head(z.relu().double()))
    layers: Any = list(model) if isinstance(model, nn.Sequential) else []
    if len(layers) > 1 and isinstance(layers[0], nn.Flatten) and isinstance(layers[1], nn.Linear):
        weight, bias = layers[1].weight, layers[1].bias
        return LinearFirst(weight, weight.new_zeros(len(weight)) if bias is None else bias, nn.Sequential(*layers[2:]))
    return None


def label_planes(
    model: nn.Module, planes: Sequence[Plane], *, resolution: int = 50, padding: float = 0.1
) -> UInt8[np.ndarray, "plane row column"] | None:
    """The label maps of one network on planes; None if its first layer is not linear."""
    with eval_mode(model), deterministic_algorithms():
        parts = linear_first(model)
        return None if parts is None else np.stack([_labels(parts, plane, resolution, padding) for plane in planes])


def _labels(parts: LinearFirst, plane: Plane, resolution: int, padding: float) -> UInt8[np.ndarray, "row column"]:
    device = parts.weight.device
    basis = torch.stack([plane.origin, plane.u, plane.v]).flatten(1).to(device, torch.float64)
    origin, u, v = (basis @ parts.weight.T.double()).unbind()
    a, b = plane.axes(resolution, padding)
    places = torch.from_numpy(np.stack(np.meshgrid(a, b), axis=-1).reshape(-1, 2)).to(device)
    found = []
    for some in places.split(evaluation_batch(device)):
        outputs = torch.addmm(origin + parts.bias, some, torch.stack([u, v])).float()
        found.append(parts.rest(outputs).argmax(1).to(torch.uint8))
    return torch.cat(found).cpu().numpy().reshape(len(b), len(a))
