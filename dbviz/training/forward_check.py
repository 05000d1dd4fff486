"""Detects networks whose forward pass is random in evaluation mode: they have no well-defined labels.

Examples are `F.dropout(x)` without `training=self.training`, and a layer that adds noise in every mode.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dbviz.core.digests import digest_of_all
from dbviz.core.errors import InputError
from dbviz.training.evaluation import eval_mode

__all__ = ["check_deterministic_forward", "module_label", "random_module"]

ModuleCall = tuple[str, bytes, bytes]
"""A module's name, and the digests of its inputs and of its output."""


def check_deterministic_forward(model: Callable[[Tensor], Any], images: Tensor, name: str) -> None:
    """Compares two forward passes of `images` (n, c, h, w) in evaluation mode; the model is not changed.

    Args:
        name: of the model, for the message.

    Raises:
        InputError: their outputs are not bitwise identical.

    Example:
        >>> import torch
        >>> class Noisy(nn.Module):
        ...     def forward(self, x):
        ...         return x.flatten(1) + torch.rand(1)
        >>> try:
        ...     check_deterministic_forward(Noisy(), torch.zeros(2, 3, 4, 4), "mine")
        ... except InputError as error:
        ...     print(str(error).partition(":")[0])
        mine is random in evaluation mode
    """
    if (part := random_module(model, images)) is not None:
        raise InputError(
            f"{name} is random in evaluation mode: the same images have different outputs in {part}; "
            "make it random in training mode only, such as F.dropout(x, training=self.training)"
        )


def random_module(model: Callable[[Tensor], Any], images: Tensor) -> str | None:
    """The first module whose output differs between two forward passes of the same images though its input does not.

    Returns:
        A label such as `layers.3 (Dropout)`; None if the outputs of the model are bitwise identical.

    Example:
        >>> import torch
        >>> random_module(nn.Sequential(nn.Flatten(), nn.Dropout()), torch.ones(2, 3, 4, 4)) is None
        True
    """
    with eval_mode(model):
        first, second = (digest_of_all(model(images)) for _ in range(2))
        if first == second:
            return None
        if not isinstance(model, nn.Module):
            return "the function"
        first_calls, second_calls = (_module_calls(model, images) for _ in range(2))
    for (name, inputs, output), (_, inputs_2, output_2) in zip(first_calls, second_calls, strict=False):
        if inputs == inputs_2 and output != output_2:
            return module_label(model, name)
    return module_label(model, "")


def module_label(model: nn.Module, name: str) -> str:
    """A module's qualified name and class, `layers.3 (Dropout)`; for the network itself, its class.

    Example:
        >>> network = nn.Sequential(nn.Flatten())
        >>> module_label(network, "0"), module_label(network, "")
        ('0 (Flatten)', 'Sequential itself')
    """
    kind = type(model.get_submodule(name)).__name__
    return f"{name} ({kind})" if name else f"{kind} itself"


def _module_calls(model: nn.Module, images: Tensor) -> list[ModuleCall]:
    """The calls of all modules in one forward pass, in the order in which they returned."""
    calls: list[ModuleCall] = []
    inputs: list[bytes] = []
    handles: list[RemovableHandle] = []
    for name, module in model.named_modules():

        def before(_: nn.Module, args: Any, kwargs: Any) -> None:
            inputs.append(digest_of_all((args, kwargs)))

        def after(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
            calls.append((name, inputs.pop(), digest_of_all(output)))

        handles += [module.register_forward_pre_hook(before, with_kwargs=True), module.register_forward_hook(after)]
    try:
        model(images)
    finally:
        for handle in handles:
            handle.remove()
    return calls
