"""Projected gradient descent (Madry et al. 2018): images moved, within a small box, to where the loss is high."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from torch import Tensor, nn

__all__ = ["Attack"]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """An L-infinity attack in pixel units, for images normalised by `mean` and `std`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    radius: float = 8 / 255
    step: float = 2 / 255
    steps: int = 10

    def __call__(
        self,
        model: nn.Module,
        images: Float32[Tensor, "b c h w"],
        labels: Int64[Tensor, " b"],
        rng: np.random.Generator,
    ) -> Float32[Tensor, "b c h w"]:
        """The attacked images: from a uniform start in the box, `steps` steps along the sign of the gradient.

        Each step is cut back to the box and to pixel values in [0, 1]. The model is attacked in evaluation mode, and is
        in training mode again afterwards.
        """
        mean, std = (torch.tensor(v, device=images.device).view(1, -1, 1, 1) for v in (self.mean, self.std))
        low = torch.maximum(images - self.radius / std, (0 - mean) / std)
        high = torch.minimum(images + self.radius / std, (1 - mean) / std)
        start = torch.from_numpy(2 * rng.random(tuple(images.shape), dtype=np.float32) - 1).to(images.device)
        moved = torch.clamp(images + start * self.radius / std, low, high)
        model.eval()
        for _ in range(self.steps):
            moved.requires_grad_(True)
            (gradient,) = torch.autograd.grad(F.cross_entropy(model(moved).float(), labels), moved)
            moved = torch.clamp(moved.detach() + gradient.sign() * self.step / std, low, high)
        model.train()
        return moved.detach()
