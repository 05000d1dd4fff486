"""Errors of CUDA that the user can do something about, as one line: out of memory, and no algorithm in bf16."""

import contextlib
import re
from collections.abc import Iterator

import torch

from dbviz.core.errors import DeviceOutOfMemory, InputError
from dbviz.spec import RunSpec

__all__ = ["explained_device_errors"]

_NO_ALGORITHM = re.compile(r"unable to find (an engine|a valid cudnn algorithm)", re.IGNORECASE)
"""What torch raises where cuDNN has no algorithm for a convolution."""


@contextlib.contextmanager
def explained_device_errors(spec: RunSpec) -> Iterator[None]:
    """Within the block, in which the run of `spec` is trained, such an error names what is to be changed.

    A run in bf16 is not continued in fp32: its identity says bf16, and elsewhere the same spec would have other
    weights.

    Raises:
        DeviceOutOfMemory: the device has too little memory.
        InputError: cuDNN has no algorithm in bf16.

    Example:
        >>> from dbviz.spec import Recipe
        >>> spec = RunSpec(dataset="shapes", arch="vgg19", width=64, recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> try:
        ...     with explained_device_errors(spec):
        ...         raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        ... except DeviceOutOfMemory as error:
        ...     print(error)
        training vgg19 needs 2.00 GiB more memory on the GPU: lower --batch-size (128) or --width (64), or free the GPU
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceOutOfMemory(_out_of_memory(spec, str(error))) from error
    except RuntimeError as error:
        if spec.recipe.precision == "bf16" and _NO_ALGORITHM.search(str(error)):
            raise InputError(_no_algorithm(spec)) from error
        raise


def _out_of_memory(spec: RunSpec, message: str) -> str:
    """torch's message with its numbers and without its advice on the allocator."""
    needed = re.search(r"Tried to allocate ([\d.]+ \w+)", message)
    free = re.search(r"total capacity of ([\d.]+ \w+) of which ([\d.]+ \w+) is free", message)
    amount = f"{needed[1]} more memory" if needed else "more memory than is free"
    left = f" ({free[2]} of {free[1]} are free)" if free else ""
    width = "--width" if spec.width is None else f"--width ({spec.width})"
    return (
        f"training {spec.arch} needs {amount} on the GPU{left}: "
        f"lower --batch-size ({spec.recipe.batch_size}) or {width}, or free the GPU"
    )


def _no_algorithm(spec: RunSpec) -> str:
    width = "" if spec.width is None else f" of width {spec.width}"
    how = "deterministic algorithm" if spec.recipe.deterministic else "algorithm"
    fast = ", or --fast" if spec.recipe.deterministic else ""
    return f"cuDNN has no {how} for {spec.arch}{width} in bf16 on this GPU: give --precision fp32{fast}"
