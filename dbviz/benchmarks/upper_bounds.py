"""Upper bounds of a machine, measured: how fast it copies memory and convolves in each precision."""

import contextlib
import functools
from collections.abc import Iterator

import torch
from torch import nn

from dbviz.benchmarks.measuring import steady_seconds
from dbviz.training.device import default_precision, deterministic_algorithms, fp32_precision

__all__ = ["best_convolution_rate", "convolution_precisions", "convolution_rate", "copy_rate", "operations_per_image"]

_CHANNELS, _SIDE = 256, 16
_IMAGES = {"cpu": 16, "cuda": 1024}
"""Of the convolution that is timed: 5 GFLOP on a CPU, 309 on a GPU."""
_COPIED_BYTES = {"cpu": 2**27, "cuda": 2**30}
_TYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def copy_rate(device: torch.device) -> float:
    """GB/s read and written by copying a large tensor within the device's memory."""
    source = torch.ones(_COPIED_BYTES[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2e-9 * len(source) / steady_seconds(lambda: target.copy_(source), device)


def convolution_precisions(device: torch.device) -> tuple[str, ...]:
    """The precisions in which the device convolves with instructions of its own, fp32 first.

    Example:
        >>> convolution_precisions(torch.device("cpu"))[0]
        'fp32'
    """
    bf16 = ("bf16",) if default_precision(device) == "bf16" else ()
    return ("fp32", "tf32", *bf16, "fp16") if device.type == "cuda" else ("fp32", *bf16)


@functools.cache
def convolution_rate(device: torch.device, precision: str) -> float:
    """TFLOP/s of a 3 x 3 convolution of 256 channels, by the fastest algorithm; measured once in a process.

    Args:
        precision: fp32 (IEEE), tf32, bf16 or fp16.
    """
    dtype, shape = _TYPES[precision], (_IMAGES[device.type], _CHANNELS, _SIDE, _SIDE)
    images = torch.randn(shape, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
    layer = nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1, bias=False).to(device, dtype)
    layer = layer.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    with torch.inference_mode(), _fastest(precision):
        seconds = steady_seconds(lambda: layer(images), device, repeats=10)
    return 1e-12 * 2 * 9 * _CHANNELS**2 * _SIDE**2 * len(images) / seconds


def best_convolution_rate(device: torch.device) -> float:
    """TFLOP/s in the device's fastest precision."""
    return max(convolution_rate(device, precision) for precision in convolution_precisions(device))


def operations_per_image(model: nn.Module, image_shape: tuple[int, int, int], device: torch.device) -> float:
    """Floating-point operations of a forward pass of one image, a multiplication and an addition counting as two.

    Example:
        >>> operations_per_image(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2), torch.device("cpu"))
        120.0
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.zeros(2, *image_shape, device=device))
    return counter.get_total_flops() / 2


@contextlib.contextmanager
def _fastest(precision: str) -> Iterator[None]:
    """Within the block cuDNN tries all algorithms, and fp32 is IEEE fp32 unless it is to be TF32."""
    with deterministic_algorithms(False), fp32_precision("tf32" if precision == "tf32" else "ieee"):
        yield
