"""The smallest change to an initialisation: one initial weight is multiplied by 1.001.

Two trainings that differ in nothing else end almost as far apart as two with different seeds (Summers & Dinneen 2021;
Jordan 2023 reports 5.14 % of predictions changed against 5.19 %). Their difference is a floor: a smaller difference
between two runs is not evidence of a difference between their networks.
"""

import torch
from torch import nn

from dbviz.core.streams import numpy_stream

__all__ = ["NUDGE", "nudge"]

NUDGE = 1.001
"""The factor."""


def nudge(module: nn.Module, seed: int) -> tuple[str, int]:
    """Multiplies one weight of `module` by 1.001, in place.

    The weight is drawn from a stream of `seed`, uniformly among those that are not zero, which no factor would change.

    Returns:
        The name of its parameter and its index in the flattened parameter.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> _ = nn.init.ones_(layer.weight)
        >>> name, index = nudge(layer, seed=3)
        >>> name, round(layer.weight.flatten()[index].item(), 6)
        ('weight', 1.001)
    """
    nonzero = {name: parameter.detach().flatten().nonzero().flatten() for name, parameter in module.named_parameters()}
    drawn = int(numpy_stream(seed, "nudge").integers(sum(map(len, nonzero.values()))))
    for name, parameter in module.named_parameters():
        if drawn < len(nonzero[name]):
            index = int(nonzero[name][drawn])
            with torch.no_grad():
                parameter.view(-1)[index] *= NUDGE
            return name, index
        drawn -= len(nonzero[name])
    raise AssertionError("the drawn number is below that of the weights")
