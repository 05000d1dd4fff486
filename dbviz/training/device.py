"""Which device to use, what it can do, and which kernels it may choose."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch

from dbviz.core.errors import InputError, unknown_name
from dbviz.spec import Precision

__all__ = ["choose_device", "default_precision", "deterministic_algorithms", "evaluation_batch", "full_precision"]

_filling: Any = torch.utils.deterministic


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`; `auto` is the first CUDA device where there is one, else the CPU.

    Raises:
        InputError: the name is unknown, or this machine or this torch build has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or not (index.isdecimal() or ":" not in name):
        raise unknown_name("device", name, ["auto", "cpu", "cuda", "cuda:N"])
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device {name!r} asked for, but torch {torch.__version__} finds no CUDA device: use --device cpu"
        )
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise InputError(f"device {name!r} asked for, but there are {torch.cuda.device_count()}: count from cuda:0")
    return torch.device(name)


def default_precision(device: torch.device) -> Precision:
    """bf16 where the device computes in it natively, else fp32."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    able = torch.cpu.get_capabilities()
    return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "fp32"


def evaluation_batch(device: torch.device) -> int:
    """How many images to evaluate at once: enough to fill a GPU, few enough for a CPU's cache.

    On one core of an AMD EPYC 256 instead of 128 halved the images per second of resnet18 (width 16) and densenet121.
    """
    return 4096 if device.type == "cuda" else 128


@contextlib.contextmanager
def deterministic_algorithms(enabled: bool = True) -> Iterator[None]:
    """Within the block torch uses only kernels that give the same bits every time, or any that is fast.

    The PyTorch note "Reproducibility" lists what this covers. The settings are put back afterwards.
    """
    if enabled:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        _filling.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
    )
    torch.use_deterministic_algorithms(enabled)
    _filling.fill_uninitialized_memory = False  # nothing here reads what it has not written
    torch.backends.cudnn.benchmark = not enabled
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        _filling.fill_uninitialized_memory = before[2]
        torch.backends.cudnn.benchmark = before[3]


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Within the block fp32 on CUDA means fp32: convolutions and products are not computed in TF32."""
    cudnn: Any = torch.backends.cudnn
    kinds: list[Any] = [cudnn.conv, torch.backends.cuda.matmul]
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "ieee"
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision
