"""Fully connected network (Somepalli et al. 2022)."""

import math
from itertools import pairwise

from torch import nn

from dbviz.models.registry import register

__all__ = ["fcnet"]


@register(width=1024, multiple_of=16)
def fcnet(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """Four hidden layers of `width`, width/2, width/4 and width/16 ReLUs; 3,819,978 parameters at 1024."""
    sizes = [math.prod(image_shape), width, width // 2, width // 4, width // 16]
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], num_classes))
