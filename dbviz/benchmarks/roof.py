"""The roof: what the bare network does with data already on the device, in the fastest form known for it."""

import torch
from torch import nn

from dbviz.benchmarks.measuring import Measured, steady_seconds
from dbviz.regions.calibration import compiled, forms
from dbviz.training.device import evaluation_batch
from dbviz.training.evaluation import evaluating

__all__ = ["bare_forward"]


def bare_forward(
    model: nn.Module, image_shape: tuple[int, int, int], device: torch.device, *, compile: bool
) -> Measured:
    """The fastest of the network's forms on one batch, without anything done to its logits."""
    batch = torch.randn(evaluation_batch(device), *image_shape, device=device)
    batch = batch.contiguous(memory_format=torch.channels_last)
    with evaluating(model):
        ways = {"plain": model, **dict(forms(model, device, bf16=True))}
        seconds = {how: steady_seconds(lambda f=f: f(batch), device) for how, f in ways.items()}
        best = min(seconds, key=lambda how: seconds[how])
        if compile and best != "plain":
            forward = compiled(ways[best], device)
            seconds[f"{best}, compiled"] = steady_seconds(lambda: forward(batch), device)
    best = min(seconds, key=lambda how: seconds[how])
    return Measured(way=f"bare forward pass ({best})", amount=len(batch), seconds=seconds[best])
