"""Nearest upsampling whose gradient is a plain sum, and therefore deterministic on every device.

The gradients of `torch.nn.functional.interpolate` may be nondeterministic on CUDA, according to its documentation, and
there is no setting for mode `nearest`. Repeating pixels by `expand` and `reshape` is the same function.
"""

from itertools import chain

from torch import Tensor, nn

from dbviz.core.errors import InputError

__all__ = ["NearestUpsample", "replace_nearest_upsampling"]


class NearestUpsample(nn.Module):
    """Each pixel of (n, c, ...) repeated `scale` times along every spatial axis: `nn.Upsample(scale_factor=scale)`.

    Example:
        >>> import torch
        >>> NearestUpsample(2)(torch.arange(2.0).view(1, 1, 1, 2)).tolist()
        [[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]]
    """

    def __init__(self, scale: int | tuple[int, ...]) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        n, c, *sides = x.shape
        scales = (self.scale,) * len(sides) if isinstance(self.scale, int) else self.scale
        pairs = list(zip(sides, scales, strict=True))
        separated = x.reshape(n, c, *chain.from_iterable((side, 1) for side in sides))
        repeated = separated.expand(n, c, *chain.from_iterable(pairs))
        return repeated.reshape(n, c, *(side * scale for side, scale in pairs))

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


def replace_nearest_upsampling(module: nn.Module) -> list[str]:
    """Replaces every `nn.Upsample(mode="nearest")` in `module` by a `NearestUpsample`, in place.

    Returns:
        The qualified names of the replaced parts.

    Raises:
        InputError: one of them has no integer scale factor, or is `module` itself.

    Example:
        >>> replace_nearest_upsampling(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Upsample(scale_factor=2)))
        ['1']
    """
    upsampling = {name: part for name, part in module.named_modules() if isinstance(part, nn.Upsample)}
    nearest = {name: part for name, part in upsampling.items() if part.mode == "nearest"}
    scales = {name: _whole_scale(name, part) for name, part in nearest.items()}
    for name, scale in scales.items():
        module.set_submodule(name, NearestUpsample(scale))
    return list(scales)


def _whole_scale(name: str, part: nn.Upsample) -> int | tuple[int, ...]:
    scales = part.scale_factor if isinstance(part.scale_factor, tuple) else (part.scale_factor,)
    if not name or part.size is not None or any(scale is None or scale != int(scale) or scale < 1 for scale in scales):
        raise InputError(
            f"{name or 'the module'} is {part} and cannot be replaced: it must be part of a module and have a whole "
            "scale_factor"
        )
    whole = tuple(int(scale or 1) for scale in scales)
    return whole[0] if len(whole) == 1 else whole
