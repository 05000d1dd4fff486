"""ResNet for small images (He et al. 2016): 3 x 3 stem, no pooling before the first stage."""

import torch.nn.functional as F
from torch import Tensor, nn

from dbviz.models.registry import register

__all__ = ["BasicBlock", "resnet18"]


class BasicBlock(nn.Module):
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)); the shortcut is a 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


@register(width=64)
def resnet18(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """Four stages of two basic blocks, `width` to 8 width channels; 11,173,962 parameters at 64."""
    layers: list[nn.Module] = [
        nn.Conv2d(image_shape[0], width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]
    channels = width
    for factor, stride in ((1, 1), (2, 2), (4, 2), (8, 2)):
        layers += [
            BasicBlock(channels, factor * width, stride),
            BasicBlock(factor * width, factor * width, 1),
        ]
        channels = factor * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
