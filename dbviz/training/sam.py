"""Sharpness-aware minimisation (Foret et al. 2021): the step is made with the gradient at the top of a small ascent."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

__all__ = ["ascended"]


@contextlib.contextmanager
def ascended(model: nn.Module, radius: float) -> Iterator[None]:
    """Within the block the weights stand at w + radius g / |g|, g their gradient; then they are w again, exactly.

    |g| is the norm over all parameters together. Batch norm's running statistics do not move within the block: they are
    those of the weights that are kept. A gradient of zero moves nothing.
    """
    climbing = [(p, p.grad) for p in model.parameters() if p.grad is not None]
    before = [p.detach().clone() for p, _ in climbing]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
    momenta = [norm.momentum for norm in norms]
    counted = [norm.num_batches_tracked for norm in norms]
    with torch.no_grad():
        scale = radius / (nn.utils.get_total_norm([g for _, g in climbing]) + 1e-12)
        for parameter, gradient in climbing:
            parameter.add_(gradient * scale)
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counted, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
        with torch.no_grad():
            for (parameter, _), kept in zip(climbing, before, strict=True):
                parameter.copy_(kept)
