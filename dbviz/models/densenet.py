"""DenseNet-BC for small images (Huang et al. 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dbviz.models.registry import register

__all__ = ["Bottleneck", "densenet121"]


class Bottleneck(nn.Module):
    """Concatenates `growth` new channels, computed by a 1 x 1 and a 3 x 3 convolution, and its input."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(F.relu(self.bn2(self.conv1(F.relu(self.bn1(x))))))
        return torch.cat([out, x], 1)


@register(width=32)
def densenet121(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """Blocks of 6, 12, 24 and 16 bottlenecks, growth rate `width`, reduction 0.5; 6,956,298 parameters at 32."""
    channels = 2 * width
    layers: list[nn.Module] = [nn.Conv2d(image_shape[0], channels, 3, padding=1, bias=False)]
    for stage, bottlenecks in enumerate((6, 12, 24, 16)):
        if stage:
            layers += _transition(channels, channels // 2)
            channels //= 2
        for _ in range(bottlenecks):
            layers.append(Bottleneck(channels, width))
            channels += width
    return nn.Sequential(
        *layers,
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, num_classes),
    )


def _transition(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.AvgPool2d(2),
    ]
