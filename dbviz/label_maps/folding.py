"""Batch norm folded into the convolution or linear layer before it.

In evaluation mode batch norm is a fixed scale and shift of each channel, which can be merged into the layer's weights.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

__all__ = ["folded", "has_hooks", "with_exact_head"]

_FOLDS: dict[type[nn.Module], tuple[type[nn.Module], Callable[..., nn.Module]]] = {
    nn.Conv1d: (nn.BatchNorm1d, fuse_conv_bn_eval),
    nn.Conv2d: (nn.BatchNorm2d, fuse_conv_bn_eval),
    nn.Linear: (nn.BatchNorm1d, fuse_linear_bn_eval),
}


def folded(module: nn.Module) -> nn.Module:
    """A copy of `module` in evaluation mode, its batch norms folded into the layers before them where possible.

    For a module that torch.fx cannot trace, such as one whose control flow depends on its input, a plain copy.
    """
    plain = copy.deepcopy(module).eval()
    if not any(isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) for part in plain.modules()):
        return plain
    try:
        traced = fx.symbolic_trace(plain)
    except Exception:  # tracing a user's forward may fail in any way
        return plain
    for node in list(traced.graph.nodes):
        _fold(traced, node)
    traced.recompile()
    return traced.eval()


def _fold(traced: fx.GraphModule, norm: fx.Node) -> None:
    """Folds the batch norm called at `norm`, if it is the only user of a layer that is called once."""
    before = norm.args[0] if norm.op == "call_module" and norm.args else None
    if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
        return
    layer, batch_norm = (traced.get_submodule(str(node.target)) for node in (before, norm))
    kind, fuse = _FOLDS.get(type(layer), (None, None))
    if kind is not type(batch_norm) or fuse is None or _calls(traced, before) > 1 or _calls(traced, norm) > 1:
        return
    if batch_norm.running_mean is None or has_hooks(layer) or has_hooks(batch_norm):
        return
    parent, _, name = str(before.target).rpartition(".")
    setattr(traced.get_submodule(parent), name, fuse(layer, batch_norm))
    norm.replace_all_uses_with(before)
    traced.graph.erase_node(norm)


def _calls(traced: fx.GraphModule, node: fx.Node) -> int:
    return sum((other.op, other.target) == (node.op, node.target) for other in traced.graph.nodes)


def has_hooks(module: nn.Module) -> bool:
    """Whether a forward hook may change what the module computes."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


class _InFloat32(nn.Module):
    """A layer that casts its input to fp32."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.float())


def with_exact_head(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """`module` cast in place to `dtype`, except for its last linear layer, which stays in fp32.

    Logits near 8 have steps of 1/32 in bf16, as large as the error of all other layers.
    """
    linear = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    head = copy.deepcopy(module.get_submodule(linear[-1])) if linear and linear[-1] else None
    module.to(dtype)
    if head is not None:
        parent, _, name = linear[-1].rpartition(".")
        setattr(module.get_submodule(parent), name, _InFloat32(head))
    return module
