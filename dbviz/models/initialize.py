"""Initial weights from streams keyed by parameter name: adding a module changes no other module's weights.

Torch draws all weights from one generator in the order of construction, so that one unused layer changes every later
one. Here each layer's own `reset_parameters` runs unchanged, but every random draw into a parameter uses the generator
of that parameter's name.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dbviz.core.errors import InputError
from dbviz.core.streams import torch_seeded, torch_stream

__all__ = ["initialize"]


def initialize(module: nn.Module, seed: int, prefix: str = "") -> None:
    """Draws all parameters of `module` again, in place, each from the stream keyed by `seed` and its qualified name.

    The distributions are those of the module's definition: `reset_parameters` of each layer and, if a containing
    module defines one too, that of the outermost. Values are drawn on the CPU, hence equal on every device.
    A parameter that no `reset_parameters` covers is not changed if it is constant (a scale of ones, say).

    Args:
        prefix: the qualified name of `module` within the network that it is a part of.

    Raises:
        InputError: a parameter that no `reset_parameters` covers is not constant, so its distribution is unknown.

    Example:
        >>> network, larger = nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        >>> initialize(network, seed=3)
        >>> initialize(larger, seed=3)
        >>> torch.equal(network[0].weight, larger[0].weight)
        True
    """
    covered: set[str] = set()
    for name, layer in reversed(list(module.named_modules(prefix=prefix))):
        if reset := _reset_method(layer):
            covered |= _reset_with_keyed_draws(layer, reset, name, seed)
    for name, parameter in module.named_parameters(prefix=prefix):
        if name not in covered and not _is_constant(parameter):
            owner = dict(module.named_modules(prefix=prefix))[name.rpartition(".")[0]]
            raise InputError(
                f"parameter {name!r} of {type(owner).__name__} cannot be initialised: its distribution is unknown; "
                f"give {type(owner).__name__} a method reset_parameters() that draws it"
            )


def _is_constant(parameter: Tensor) -> bool:
    return not parameter.numel() or torch.equal(parameter, parameter.flatten()[0].expand_as(parameter))


def _reset_method(layer: nn.Module) -> Callable[[], None] | None:
    """The layer's method that draws its parameters; that of torch's MultiheadAttention has a leading underscore."""
    return getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None)


def _reset_with_keyed_draws(layer: nn.Module, reset: Callable[[], None], prefix: str, seed: int) -> set[str]:
    """Runs `reset` with keyed draws; returns the names of the parameters that it wrote to."""
    originals = {parameter: parameter.data for parameter in layer.parameters()}
    for parameter, data in originals.items():
        parameter.data = _contiguous_fp32(data)
    try:
        return _run(layer, reset, prefix, seed)
    finally:
        for parameter, data in originals.items():
            parameter.data = data.copy_(parameter.data)


def _contiguous_fp32(data: Tensor) -> Tensor:
    """A contiguous fp32 copy on the CPU: torch draws other numbers for other types and strides."""
    dtype = torch.float32 if data.is_floating_point() else data.dtype
    return data.to("cpu", dtype, copy=True).contiguous()


def _run(layer: nn.Module, reset: Callable[[], None], prefix: str, seed: int) -> set[str]:
    names = {p.untyped_storage().data_ptr(): f"{prefix}.{n}".lstrip(".") for n, p in layer.named_parameters()}
    # Draws into temporaries (orthogonal_ makes one) belong to no parameter; they use the layer's stream.
    with torch.no_grad(), torch_seeded(seed, "init", prefix), _KeyedDraws(names, seed) as draws:
        reset()
    return draws.written


class _KeyedDraws(TorchDispatchMode):
    """Passes to every in-place random operation on a named storage the generator of that name."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: torch would otherwise import its compiler, which takes seconds, to exclude this mode from it."""
        return False

    def __init__(self, names: dict[int, str], seed: int) -> None:
        super().__init__()
        self.names, self.seed = names, seed
        self.generators: dict[str, torch.Generator] = {}
        self.written: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        target = args[0] if args and isinstance(args[0], Tensor) else None
        name = self.names.get(target.untyped_storage().data_ptr()) if target is not None else None
        if target is None or name is None or not func._schema.is_mutable:
            return func(*args, **kwargs)
        self.written.add(name)
        if all(argument.name != "generator" for argument in func._schema.arguments):
            return func(*args, **kwargs)
        generator = self.generators.setdefault(name, torch_stream(self.seed, "init", name))
        return func(*args, **{**kwargs, "generator": generator})
