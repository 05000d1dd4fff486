"""Pre-activation ResNets (He et al. 2016b): Wide ResNet-28-k and the width-k ResNet-18 of deep double descent."""

import torch.nn.functional as F
from torch import Tensor, nn

from dbviz.models.registry import register

__all__ = ["PreActivationBlock", "resnet18k", "wideresnet28_10", "wideresnet28_20", "wideresnet28_30"]


class PreActivationBlock(nn.Module):
    """conv(relu(bn(.))) twice, plus the input or, where the shape changes, a 1 x 1 convolution of its relu(bn(.))."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        shortcut = x if self.shortcut is None else self.shortcut(active)
        return self.conv2(F.relu(self.bn2(self.conv1(active)))) + shortcut


@register(width=64)
def resnet18k(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """Stages of k, 2k, 4k and 8k channels for `width` k (Nakkiran et al. 2019); no normalisation before the pooling.

    11,171,146 parameters at 64.
    """
    stem = nn.Conv2d(image_shape[0], width, 3, padding=1, bias=False)
    stages = _stages(width, [width, 2 * width, 4 * width, 8 * width], blocks=2)
    return nn.Sequential(stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, num_classes))


@register(width=10)
def wideresnet28_10(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """Depth 28, widening factor `width`, no dropout (Zagoruyko & Komodakis 2016); 36,479,194 parameters at 10."""
    return _wideresnet28(num_classes, width, image_shape)


@register(width=20)
def wideresnet28_20(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """The same at widening factor 20: 145,815,514 parameters."""
    return _wideresnet28(num_classes, width, image_shape)


@register(width=30)
def wideresnet28_30(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """The same at widening factor 30: 328,009,434 parameters."""
    return _wideresnet28(num_classes, width, image_shape)


def _wideresnet28(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    stem = nn.Conv2d(image_shape[0], 16, 3, padding=1, bias=False)
    stages = _stages(16, [16 * width, 32 * width, 64 * width], blocks=4)
    norm = [nn.BatchNorm2d(64 * width), nn.ReLU(inplace=True)]
    return nn.Sequential(
        stem, *stages, *norm, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64 * width, num_classes)
    )


def _stages(inputs: int, channels: list[int], blocks: int) -> list[nn.Module]:
    """`blocks` blocks for each entry of `channels`; every stage but the first halves the side."""
    layers: list[nn.Module] = []
    for stage, outputs in enumerate(channels):
        for block in range(blocks):
            layers.append(PreActivationBlock(inputs, outputs, stride=2 if stage and not block else 1))
            inputs = outputs
    return layers
