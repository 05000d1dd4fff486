"""A new linear head on a frozen network, whose features are computed once.

Axes: n images, w features (the inputs of the head), k classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.data.arrays import ImageSet
from dbviz.data.device_batches import epoch_order
from dbviz.spec import Precision, Recipe, Seeds
from dbviz.training.device import deterministic_algorithms, evaluation_batch, full_precision
from dbviz.training.evaluation import eval_mode, logits

__all__ = ["FeatureBatches", "features", "head_logits", "head_of"]


def head_of(model: nn.Module, image_shape: tuple[int, int, int]) -> str:
    """The qualified name of the head: the linear layer whose output is that of the network.

    Raises:
        InputError: the network ends in another layer.

    Example:
        >>> from dbviz.models import build
        >>> head_of(build("vit", width=8), (3, 32, 32))
        'head.1'
    """
    outputs: dict[str, Tensor] = {}
    linear = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    handles = [layer.register_forward_hook(partial(_record_output, outputs, name)) for name, layer in linear.items()]
    try:
        with eval_mode(model):
            output = model(torch.zeros(2, *image_shape, device=next(model.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
    heads = [name for name, out in outputs.items() if out.shape == output.shape and out.data_ptr() == output.data_ptr()]
    if not heads:
        raise InputError(
            f"the last layer of this {type(model).__name__} is no nn.Linear, so it has no head to be trained alone: "
            "leave --pretrained out, or choose a network that ends in one"
        )
    return heads[-1]


def features(model: nn.Module, head: nn.Module, images: ImageSet, device: torch.device) -> Float[Tensor, "n w"]:
    """The inputs of the head for every image, in evaluation mode, without augmentation.

    Args:
        model: on `device`.
        head: a part of `model`.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.models import build
        >>> network = build("vit", width=8)
        >>> features(network, network.head[1], shapes(20), torch.device("cpu")).shape
        torch.Size([20, 8])
    """
    batches: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda _, inputs: batches.append(inputs[0]))
    try:
        with deterministic_algorithms():
            logits(model, images, device)
    finally:
        handle.remove()
    return torch.cat(batches)


def head_logits(
    head: nn.Module, features: Float[Tensor, "n w"], *, precision: Precision = "fp32"
) -> Float32[Tensor, "n k"]:
    """The head's outputs, on the CPU: bitwise identical to `dbviz.training.logits`, whose batches it uses."""
    kind = features.device.type
    with (
        eval_mode(head),
        full_precision(precision == "fp32"),
        torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16"),
    ):
        batches = [head(batch).float() for batch in features.split(evaluation_batch(features.device))]
    return torch.cat(batches).cpu()


@dataclass(frozen=True)
class FeatureBatches:
    """Batches of features with their labels, in the order of the images in `DeviceBatches` with the same seeds."""

    features: Float[Tensor, "n w"]
    labels: Int64[Tensor, " n"]
    recipe: Recipe
    seeds: Seeds

    def __len__(self) -> int:
        return -(-len(self.labels) // self.recipe.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of epoch `number`, counted from 0; the same at every call."""
        order = torch.from_numpy(epoch_order(self.seeds.order, number, len(self.labels))).to(self.labels.device)
        for indices in order.split(self.recipe.batch_size):
            yield self.features[indices], self.labels[indices]


def _record_output(outputs: dict[str, Tensor], name: str, _: nn.Module, __: object, output: Tensor) -> None:
    outputs[name] = output
