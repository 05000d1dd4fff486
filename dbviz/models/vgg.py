"""VGG with batch norm (Simonyan & Zisserman 2015), for 32 x 32 images: one linear layer after the last pooling."""

from torch import nn

from dbviz.models.registry import register

__all__ = ["vgg19"]

_VGG19 = ((1, 2), (2, 2), (4, 4), (8, 4), (8, 4))
"""(channels in units of the width, convolutions) of each stage; a 2 x 2 max pooling closes it."""


@register(width=64)
def vgg19(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """Sixteen 3 x 3 convolutions of `width` to 8 width channels; 20,040,522 parameters at 64."""
    layers: list[nn.Module] = []
    channels = image_shape[0]
    for factor, convolutions in _VGG19:
        for _ in range(convolutions):
            layers += [
                nn.Conv2d(channels, factor * width, 3, padding=1),
                nn.BatchNorm2d(factor * width),
                nn.ReLU(inplace=True),
            ]
            channels = factor * width
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
