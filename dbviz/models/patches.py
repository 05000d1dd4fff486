"""Images as sequences of square patches, for the vision transformer and the mixer."""

from torch import Tensor, nn

from dbviz.core.errors import InputError

__all__ = ["PATCH", "Patches", "patch_count"]

PATCH = 4
"""Pixels on a side of a patch."""


class Patches(nn.Module):
    """(b, c, h, w) to (b, patches, PATCH * PATCH * c): row by row, each patch flattened as (row, column, channel).

    Example:
        >>> import torch
        >>> Patches()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 64, 48])
    """

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // PATCH, PATCH, w // PATCH, PATCH)
        return x.permute(0, 2, 4, 3, 5, 1).reshape(b, (h // PATCH) * (w // PATCH), PATCH * PATCH * c)


def patch_count(image_shape: tuple[int, int, int]) -> int:
    """The number of patches of an image.

    Raises:
        InputError: a side is no multiple of the patch's.

    Example:
        >>> patch_count((3, 32, 32))
        64
    """
    _, h, w = image_shape
    if h % PATCH or w % PATCH:
        raise InputError(
            f"images of {h} x {w} pixels cannot be cut into {PATCH} x {PATCH} patches: use a multiple of {PATCH}"
        )
    return (h // PATCH) * (w // PATCH)
