"""Evaluation of a network on a set of images."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from dbviz.data.arrays import ImageSet
from dbviz.data.device_batches import DeviceImages
from dbviz.spec import Precision
from dbviz.training.device import evaluation_batch, full_precision

__all__ = ["accuracy", "eval_mode", "logits"]


@contextlib.contextmanager
def eval_mode(model: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within the block a module is in evaluation mode, without gradients; then the mode of each part is restored.

    Example:
        >>> network = nn.Dropout()
        >>> with eval_mode(network):
        ...     network(torch.ones(2))
        tensor([1., 1.])
        >>> network.training
        True
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    if isinstance(model, nn.Module):
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def logits(
    model: Callable[[Tensor], Tensor],
    images: ImageSet | DeviceImages,
    device: torch.device,
    *,
    precision: Precision = "fp32",
) -> Float32[Tensor, "n k"]:
    """The model's outputs for every image, on the CPU.

    Args:
        images: copied to the device; those that are evaluated more than once can be kept there as `DeviceImages`.
        precision: bf16 evaluates under autocast; fp32 without TF32.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.models import build
        >>> logits(build("fcnet", width=16), shapes(20), torch.device("cpu")).shape
        torch.Size([20, 10])
    """
    batches, on_device = [], DeviceImages.of(images, device) if isinstance(images, ImageSet) else images
    with (
        eval_mode(model),
        full_precision(precision == "fp32"),
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"),
    ):
        for batch in on_device.normalized(evaluation_batch(device)):
            batches.append(model(batch.contiguous(memory_format=torch.channels_last)).float())
    return torch.cat(batches).cpu()


def accuracy(logits: Float32[Tensor, "n k"], images: ImageSet) -> float:
    """Fraction of the images whose largest logit is that of their label.

    Example:
        >>> from dbviz.data import shapes
        >>> accuracy(torch.eye(10)[:5].repeat(2, 1), shapes(10))  # predictions 0 ... 4, 0 ... 4; labels 0 ... 9
        0.5
    """
    return float((logits.argmax(1).numpy() == images.labels).mean())
