"""A network evaluated in batches that fit in memory, padded to few sizes.

Libraries of kernels choose one by the shape of a batch, and two kernels differ in rounding. Where logits are to be
bitwise identical whatever images are evaluated together, every batch has one size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dbviz.core.errors import InputError

__all__ = ["BatchSizes", "Forward", "evaluated", "fast_sizes", "plain_sizes"]

Forward = Callable[[Tensor], Any]
"""From images (n, c, h, w) to logits (n, k)."""

_MIN_MODULE_BATCH = 32
"""Images in the smallest batch that a module is given. From 16 on, every architecture here computed bitwise identical
logits of an image, whatever the rest and the size of its batch (torch 2.15, AMD EPYC); a single image takes other
kernels."""
_CPU_BATCH = 64
"""Images in an fp32 batch on a CPU: 5 to 18 % faster than 128 for resnet18, vgg19 and densenet121 of small widths on
one core of an AMD EPYC, with bitwise identical logits."""
_CUDA_BATCH = 256
"""Images in every fp32 batch on CUDA, where cuDNN chooses kernels by the shape of a batch: few enough that padding the
few points of a chunk that are re-evaluated costs little. Batches of other forms are padded to multiples of it."""


@dataclass(eq=False)
class BatchSizes:
    """How many images are evaluated at once; `most` is halved when memory is exhausted."""

    most: int
    least: int = 1
    """Smaller batches are padded with blank images."""
    multiple: int = 1
    """Larger ones are padded to a multiple of this."""

    def padded(self, count: int) -> int:
        """The size of the batch in which `count` images are evaluated."""
        return max(self.least, -(-count // self.multiple) * self.multiple)

    def halve(self) -> bool:
        """Whether batches can be smaller; if so, they are from now on."""
        if self.most <= min(_MIN_MODULE_BATCH, self.least):
            return False
        self.most = max(1, self.most // 2)
        self.least, self.multiple = min(self.least, self.most), min(self.multiple, self.most)
        return True


def plain_sizes(model: Forward, device: torch.device, batch: int, *, one_size: bool = False) -> BatchSizes:
    """The batches of plain fp32 evaluation.

    Args:
        one_size: a module's batches have one size, whatever `batch` is, so that every bit of the logits is that of any
            other call. On CUDA they always have.

    Example:
        >>> plain_sizes(nn.Flatten(), torch.device("cuda"), 4096)
        BatchSizes(most=256, least=256, multiple=1)
    """
    if not isinstance(model, nn.Module):
        return BatchSizes(batch)
    if device.type == "cuda":
        return BatchSizes(_CUDA_BATCH, least=_CUDA_BATCH)
    if one_size:
        return BatchSizes(_CPU_BATCH, least=_CPU_BATCH)
    return BatchSizes(min(batch, _CPU_BATCH), least=_MIN_MODULE_BATCH)


def fast_sizes(device: torch.device, batch: int) -> BatchSizes:
    """The batches of a fast form that is not compiled. Its rounding may depend on them: its error has a bound."""
    if device.type == "cuda":
        return BatchSizes(batch, least=min(_CUDA_BATCH, batch), multiple=min(_CUDA_BATCH, batch))
    return BatchSizes(batch, least=min(_MIN_MODULE_BATCH, batch))


def evaluated(forward: Forward, images: Tensor, sizes: BatchSizes, name: str) -> Iterator[tuple[Any, int]]:
    """The outputs of each batch, and for how many images they are.

    A batch that does not fit in memory is halved, and so are those after it.

    Raises:
        InputError: the smallest batch does not fit in memory.
    """
    start = 0
    while start < len(images):
        part = images[start : start + sizes.most]
        outputs = _if_it_fits(forward, part, sizes.padded(len(part)))
        if isinstance(outputs, MemoryError):
            _halve(sizes, name, images.device)
            continue
        yield outputs, len(part)
        start += len(part)


def _if_it_fits(forward: Forward, images: Tensor, size: int) -> Any:
    """The outputs for the images; a MemoryError is returned, not raised, so that nothing refers to the tensors."""
    try:
        return _padded(forward, images, size)
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
            return MemoryError()
        raise


def _padded(forward: Forward, images: Tensor, size: int) -> Any:
    """The outputs for the images, evaluated among blank ones if they are fewer than `size`."""
    missing = size - len(images)
    if missing <= 0:
        return forward(images)
    outputs = forward(F.pad(images, (0, 0) * 3 + (0, missing)).contiguous(memory_format=torch.channels_last))
    return outputs[: len(images)] if isinstance(outputs, Tensor) and len(outputs) == size else outputs


def _halve(sizes: BatchSizes, name: str, device: torch.device) -> None:
    count = sizes.most
    if not sizes.halve():
        raise InputError(
            f"{name} does not fit in the memory of {device} with {count} images at once{_free(device)}: "
            "end other processes that use it, sample fewer networks at once, or use another --device"
        )
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _free(device: torch.device) -> str:
    if device.type != "cuda":
        return ""
    free, total = torch.cuda.mem_get_info(device)
    return f" ({free / 2**30:.1f} of {total / 2**30:.1f} GiB are free)"
