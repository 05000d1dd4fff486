"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019): each batch mixed with itself in another order.

Axes: b images, c channels, h rows, w columns, k classes.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from torch import Tensor

__all__ = ["cutmix", "mixup"]

Mixed = tuple[Float32[Tensor, "b c h w"], Float32[Tensor, "b k"]]


def mixup(
    images: Float32[Tensor, "b c h w"], labels: Int64[Tensor, " b"], classes: int, rng: np.random.Generator
) -> Mixed:
    """l x + (1 - l) x', and the same of the one-hot labels; one l ~ Beta(1, 1) a batch, x' the batch shuffled."""
    share, order = float(rng.beta(1.0, 1.0)), _order(len(images), rng, images.device)
    targets = F.one_hot(labels, classes).float()
    return share * images + (1 - share) * images[order], share * targets + (1 - share) * targets[order]


def cutmix(
    images: Float32[Tensor, "b c h w"], labels: Int64[Tensor, " b"], classes: int, rng: np.random.Generator
) -> Mixed:
    """A rectangle of each image replaced by that of another; labels mixed by the area that is left.

    The rectangle has the image's proportions and, before it is cut at the border, the share 1 - l of its area,
    l ~ Beta(1, 1); its centre is uniform. One rectangle a batch, as published.
    """
    share, order = float(rng.beta(1.0, 1.0)), _order(len(images), rng, images.device)
    h, w = images.shape[2:]
    side = np.sqrt(1 - share)
    row, column = int(rng.integers(h)), int(rng.integers(w))
    top, bottom = (int(np.clip(row + sign * int(h * side) // 2, 0, h)) for sign in (-1, 1))
    left, right = (int(np.clip(column + sign * int(w * side) // 2, 0, w)) for sign in (-1, 1))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[order, :, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / (h * w)
    targets = F.one_hot(labels, classes).float()
    return mixed, kept * targets + (1 - kept) * targets[order]


def _order(count: int, rng: np.random.Generator, device: torch.device) -> Int64[Tensor, " b"]:
    return torch.from_numpy(rng.permutation(count)).to(device)
