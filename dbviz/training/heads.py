"""A new linear head on a network that stays as it is: its features are computed once, the head is trained on them.

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
from dbviz.training.device import deterministic_algorithms, evaluation_batch
from dbviz.training.evaluation import eval_mode, logits

__all__ = ["FeatureBatches", "features", "head_logits", "head_of"]


def head_of(model: nn.Module, image_shape: tuple[int, int, int]) -> str:
    """The qualified name of the head: the linear layer whose outputs are those of the network.

    Raises:
        InputError: the network ends in something else.
    """
    said: dict[str, Tensor] = {}
    linear = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    handles = [layer.register_forward_hook(partial(_note, said, name)) for name, layer in linear.items()]
    try:
        with eval_mode(model):
            output = model(torch.zeros(2, *image_shape, device=next(model.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
    found = [name for name, out in said.items() if out.shape == output.shape and out.data_ptr() == output.data_ptr()]
    if not found:
        raise InputError(
            f"the last layer of this {type(model).__name__} is no nn.Linear, so it has no head to be trained alone: "
            "leave --pretrained out, or choose a network that ends in one"
        )
    return found[-1]


def features(model: nn.Module, head: nn.Module, images: ImageSet, device: torch.device) -> Float[Tensor, "n w"]:
    """What the head of `model`, which lies on `device`, is given for every image: in evaluation mode, not augmented."""
    found: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
    try:
        with deterministic_algorithms():
            logits(model, images, device)
    finally:
        handle.remove()
    return torch.cat(found)


def head_logits(
    head: nn.Module, features: Float[Tensor, "n w"], *, precision: Precision = "fp32"
) -> Float32[Tensor, "n k"]:
    """The head's outputs, on the CPU; in batches as those of `dbviz.training.logits`, hence to the same bits."""
    kind = features.device.type
    with eval_mode(head), torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16"):
        found = [head(batch).float() for batch in features.split(evaluation_batch(features.device))]
    return torch.cat(found).cpu()


@dataclass(frozen=True)
class FeatureBatches:
    """Features with their labels, in the order in which `DeviceBatches` of the same seeds gives the images."""

    features: Float[Tensor, "n w"]
    labels: Int64[Tensor, " n"]
    recipe: Recipe
    seeds: Seeds

    def __len__(self) -> int:
        return -(-len(self.labels) // self.recipe.batch_size)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.from_numpy(epoch_order(self.seeds.order, number, len(self.labels))).to(self.labels.device)
        for chosen in order.split(self.recipe.batch_size):
            yield self.features[chosen], self.labels[chosen]


def _note(said: dict[str, Tensor], name: str, module: nn.Module, inputs: object, output: Tensor) -> None:  # noqa: ARG001
    said[name] = output
