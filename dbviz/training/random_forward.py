"""Is a network's forward itself random in evaluation mode? Then it has no labels to speak of.

Such is `F.dropout(x)` without `training=self.training`, or a layer that draws noise whatever its mode.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dbviz.core.digests import digest_of_all
from dbviz.core.errors import InputError
from dbviz.training.evaluation import eval_mode

__all__ = ["check_forward_repeats", "random_part"]

Seen = tuple[str, bytes, bytes]
"""A module's name, and digests of what went in and of what came out."""


def check_forward_repeats(model: Callable[[Tensor], Any], images: Tensor, name: str) -> None:
    """Costs two forward passes of `images` (n, c, h, w); nothing is changed.

    Raises:
        InputError: in evaluation mode they differ in a bit.
    """
    if (part := random_part(model, images)) is not None:
        raise InputError(
            f"{name} is random in evaluation mode: the same images give other outputs in {part}; "
            "let it be random in training mode only, such as F.dropout(x, training=self.training)"
        )


def random_part(model: Callable[[Tensor], Any], images: Tensor) -> str | None:
    """The first module whose output differs, though its input does not, when the same images are shown twice.

    Returns:
        Such as `layers.3 (Dropout)`; None if every bit repeats.
    """
    with eval_mode(model):
        first, again = (digest_of_all(model(images)) for _ in range(2))
        if first == again:
            return None
        if not isinstance(model, nn.Module):
            return "the function"
        passes = [_seen(model, images) for _ in range(2)]
    for (name, shown, gave), (_, shown_again, gave_again) in zip(*passes, strict=False):
        if shown == shown_again and gave != gave_again:
            return described(model, name)
    return described(model, "")


def described(model: nn.Module, name: str) -> str:
    """A module as a reader finds it: `layers.3 (Dropout)`; the network itself by its class alone."""
    kind = type(model.get_submodule(name)).__name__
    return f"{name} ({kind})" if name else f"{kind} itself"


def _seen(model: nn.Module, images: Tensor) -> list[Seen]:
    """What went into and came out of every module, in the order in which they ended."""
    found: list[Seen] = []
    inputs: list[bytes] = []
    handles: list[RemovableHandle] = []
    for name, module in model.named_modules():

        def begin(_: nn.Module, args: Any, kwargs: Any) -> None:
            inputs.append(digest_of_all((args, kwargs)))

        def end(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
            found.append((name, inputs.pop(), digest_of_all(output)))

        handles += [module.register_forward_pre_hook(begin, with_kwargs=True), module.register_forward_hook(end)]
    try:
        model(images)
    finally:
        for handle in handles:
            handle.remove()
    return found
