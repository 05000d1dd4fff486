"""The smallest change to a beginning: one initial weight multiplied by 1.001.

Two trainings that differ in nothing else end almost as far apart as two with different seeds (Summers & Dinneen 2021;
Jordan 2023 found 5.14 % of predictions changed against 5.19 %). How far they end apart is the floor below which no
difference between two runs says anything about the networks.
"""

import torch
from torch import nn

from dbviz.core.streams import numpy_stream

__all__ = ["NUDGE", "nudge"]

NUDGE = 1.001


def nudge(module: nn.Module, seed: int) -> tuple[str, int]:
    """Multiplies one weight of `module` by 1.001, in place; its parameter's name and its place there, flattened.

    The weight is drawn uniformly from those that are not zero (which no factor would change), by a stream of `seed`.
    """
    places = {name: parameter.detach().flatten().nonzero().flatten() for name, parameter in module.named_parameters()}
    drawn = int(numpy_stream(seed, "nudge").integers(sum(map(len, places.values()))))
    for name, parameter in module.named_parameters():
        if drawn < len(places[name]):
            place = int(places[name][drawn])
            with torch.no_grad():
                parameter.view(-1)[place] *= NUDGE
            return name, place
        drawn -= len(places[name])
    raise AssertionError("the draw lies within the number of weights")
