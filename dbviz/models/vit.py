"""Vision transformer for small images (Dosovitskiy et al. 2021; sizes of Somepalli et al. 2022)."""

import torch
from torch import Tensor, nn

from dbviz.models.patches import PATCH, Patches, patch_count
from dbviz.models.registry import register

__all__ = ["Attention", "VisionTransformer", "vit"]

_HEADS = 8
_DROPOUT = 0.1


class Attention(nn.Module):
    """x + multi-head self-attention of layer-normed x, eight heads of dim / 8."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        b, tokens, dim = x.shape
        qkv = self.to_qkv(self.norm(x)).reshape(b, tokens, 3, _HEADS, dim // _HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        # Not torch's fused attention: for 65 tokens that is slower on a CPU (3 x in a bf16 training step), and its
        # backward pass on a GPU is not deterministic in every backend.
        mixed = (q @ k.transpose(-2, -1) * (dim // _HEADS) ** -0.5).softmax(-1).type_as(v) @ v
        return x + self.dropout(self.to_out(mixed.transpose(1, 2).reshape(b, tokens, dim)))


class FeedForward(nn.Sequential):
    """x + two linear layers of layer-normed x, with GELU and dropout."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(
            nn.LayerNorm(dim),
            nn.Linear(dim, hidden),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(hidden, dim),
            nn.Dropout(_DROPOUT),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class VisionTransformer(nn.Module):
    """Patch embedding, class token, learned positions, `depth` layers, and a linear head on the class token."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, dim: int, depth: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(Patches(), nn.Linear(PATCH * PATCH * image_shape[0], dim))
        self.class_token = nn.Parameter(torch.empty(1, 1, dim))
        self.positions = nn.Parameter(torch.empty(1, patch_count(image_shape) + 1, dim))
        self.dropout = nn.Dropout(_DROPOUT)
        self.layers = nn.Sequential(*(layer for _ in range(depth) for layer in (Attention(dim), FeedForward(dim, dim))))
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, num_classes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the class token and the positions, N(0, 1); the layers below reset themselves."""
        nn.init.normal_(self.class_token)
        nn.init.normal_(self.positions)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(x)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), patches], 1) + self.positions
        return self.head(self.layers(self.dropout(tokens))[:, 0])


@register(width=512, multiple_of=8)
def vit(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """Patch 4, six layers of dimension `width`, hidden layers as wide; 9,523,722 parameters at 512."""
    return VisionTransformer(image_shape, num_classes, dim=width, depth=6)
