"""MLP-Mixer for small images (Tolstikhin et al. 2021; sizes of Somepalli et al. 2022)."""

from torch import Tensor, nn

from dbviz.models.patches import PATCH, Patches, patch_count
from dbviz.models.registry import register

__all__ = ["MixerBlock", "mlp_mixer"]


class MixerBlock(nn.Module):
    """Two residual layers on (b, tokens, dim): one mixes the tokens of each channel, one the channels of each token."""

    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.token_norm = nn.LayerNorm(dim)
        self.mix_tokens = _two_layers(tokens, dim // 2)
        self.channel_norm = nn.LayerNorm(dim)
        self.mix_channels = _two_layers(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix_tokens(self.token_norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mix_channels(self.channel_norm(x))


class MeanOverTokens(nn.Module):
    """(b, tokens, dim) to (b, dim)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


@register(width=512, multiple_of=2)
def mlp_mixer(num_classes: int, width: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """Patch 4, twelve blocks of dimension `width`, hidden width/2 and 4 width; 25,649,418 parameters at 512."""
    tokens = patch_count(image_shape)
    return nn.Sequential(
        Patches(),
        nn.Linear(PATCH * PATCH * image_shape[0], width),
        *(MixerBlock(tokens, width) for _ in range(12)),
        nn.LayerNorm(width),
        MeanOverTokens(),
        nn.Linear(width, num_classes),
    )


def _two_layers(size: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, size))
