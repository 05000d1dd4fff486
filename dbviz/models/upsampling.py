"""Nearest upsampling whose gradient is a plain sum, so that it has the same bits every time on every device.

`torch.nn.functional.interpolate` says that its gradients may be nondeterministic on CUDA, and has no setting for mode
`nearest`. Repeating pixels by `expand` and `reshape` is the same function.
"""

from itertools import chain

from torch import Tensor, nn

from dbviz.core.errors import InputError

__all__ = ["NearestUpsample", "replace_nearest_upsampling"]


class NearestUpsample(nn.Module):
    """Each pixel of (n, c, ...) repeated `scale` times along every spatial axis: `nn.Upsample(scale_factor=scale)`."""

    def __init__(self, scale: int | tuple[int, ...]) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        n, c, *sides = x.shape
        scales = (self.scale,) * len(sides) if isinstance(self.scale, int) else self.scale
        pairs = list(zip(sides, scales, strict=True))
        apart = x.reshape(n, c, *chain.from_iterable((side, 1) for side in sides))
        repeated = apart.expand(n, c, *chain.from_iterable(pairs))
        return repeated.reshape(n, c, *(side * scale for side, scale in pairs))

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


def replace_nearest_upsampling(module: nn.Module) -> list[str]:
    """Puts `NearestUpsample` in the place of every `nn.Upsample(mode="nearest")` in `module`; their names.

    Raises:
        InputError: one of them has no whole scale factor, or is `module` itself.
    """
    found = {name: part for name, part in module.named_modules() if isinstance(part, nn.Upsample)}
    nearest = {name: part for name, part in found.items() if part.mode == "nearest"}
    scales = {name: _whole_scale(name, part) for name, part in nearest.items()}
    for name, scale in scales.items():
        module.set_submodule(name, NearestUpsample(scale))
    return list(scales)


def _whole_scale(name: str, part: nn.Upsample) -> int | tuple[int, ...]:
    given = part.scale_factor if isinstance(part.scale_factor, tuple) else (part.scale_factor,)
    if not name or part.size is not None or any(scale is None or scale != int(scale) or scale < 1 for scale in given):
        raise InputError(
            f"{name or 'the module'} is {part} and cannot be replaced: it must be part of a module and have a whole "
            "scale_factor"
        )
    whole = tuple(int(scale or 1) for scale in given)
    return whole[0] if len(whole) == 1 else whole
