"""Random features (Rahimi & Recht 2007): a linear head on fixed random ReLUs, the best understood double descent."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.models.registry import register

__all__ = ["RandomFeatures", "random_features"]


class RandomFeatures(nn.Module):
    """relu(W x / sqrt(d)) for images x of d values; W has `width` rows, its entries are standard normal and fixed.

    The saved state does not contain W but an eight-byte key, from which W is drawn again, and its first row, which
    detects a version of torch that draws other numbers. W and the features are fp32.

    Example:
        >>> features = RandomFeatures(inputs=48, width=5)
        >>> features.reset_parameters()
        >>> features(torch.zeros(2, 3, 4, 4)).shape
        torch.Size([2, 5])
    """

    key: Tensor
    first_row: Tensor
    weight: Tensor

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))
        self.register_buffer("first_row", torch.zeros(inputs))
        self.register_buffer("weight", torch.zeros(width, inputs), persistent=False)
        self.register_load_state_dict_post_hook(_draw_again)

    def reset_parameters(self) -> None:
        """Draws another key, and W from it."""
        self.key.random_()
        self._draw()
        self.first_row.copy_(self.weight[0])

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n width"]:
        with torch.autocast(images.device.type, enabled=False):
            return (images.flatten(1).float() @ self.weight.T).relu_()

    def _draw(self) -> None:
        generator = torch.Generator().manual_seed(int(self.key))
        drawn = torch.randn(self.weight.shape, generator=generator, device="cpu")
        self.weight.copy_(drawn / math.sqrt(self.weight.shape[1]))


class RandomFeaturesNet(nn.Module):
    """A linear head in float64, without bias, on random features."""

    def __init__(self, inputs: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.features = RandomFeatures(inputs, width)
        self.head = nn.Linear(width, num_classes, bias=False, dtype=torch.float64)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self.head(self.features(images).double())


@register(width=1000)
def random_features(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """`width` random ReLU features; 10 x width trained parameters, 10,000 at 1000.

    Its test error peaks where the width equals the number of training images (Belkin et al. 2019; Mei & Montanari
    2019).
    """
    return RandomFeaturesNet(math.prod(image_shape), width, num_classes)


def _draw_again(module: RandomFeatures, _: object) -> None:
    module._draw()
    if not torch.equal(module.weight[0], module.first_row):
        raise InputError(
            f"this torch ({torch.__version__}) draws other random features than the one that fitted this run: "
            "install that version (it is in environment.json), or delete the run's directory to fit it again"
        )
