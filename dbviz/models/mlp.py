"""A network with one hidden layer."""

import math

from torch import nn

from dbviz.models.registry import register

__all__ = ["mlp"]


@register(width=512)
def mlp(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """`width` hidden ReLUs; both layers are trained (Belkin et al. 2019, section 3); 1,578,506 parameters at 512."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(math.prod(image_shape), width), nn.ReLU(inplace=True), nn.Linear(width, num_classes)
    )
