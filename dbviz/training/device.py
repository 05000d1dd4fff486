"""The device to compute on, its precision, and the settings that make its results deterministic."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Literal

import torch

from dbviz.core.device_names import check_device_name
from dbviz.core.errors import InputError
from dbviz.spec import Precision

__all__ = [
    "choose_device",
    "default_precision",
    "deterministic_algorithms",
    "evaluation_batch",
    "fp32_precision",
    "full_precision",
]

_filling: Any = torch.utils.deterministic
_backends: Any = torch.backends


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`; `auto` is the first CUDA device where there is one, else the CPU.

    Raises:
        InputError: the name is unknown, or this machine or this torch build has no such device.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    check_device_name(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device {name!r} requested, but torch {torch.__version__} finds no CUDA device: use --device cpu"
        )
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise InputError(f"device {name!r} requested, but there are {torch.cuda.device_count()}: count from cuda:0")
    return torch.device(name)


def default_precision(device: torch.device) -> Precision:
    """bf16 if the device has instructions for it, else fp32.

    Example:
        >>> default_precision(choose_device("cpu")) in ("bf16", "fp32")
        True
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"


def evaluation_batch(device: torch.device) -> int:
    """The number of images to evaluate at once: enough to fill a GPU, few enough for a CPU's cache.

    On one core of an AMD EPYC, 256 instead of 128 halved the images per second of resnet18 (width 16) and densenet121.
    """
    return 4096 if device.type == "cuda" else 128


@contextlib.contextmanager
def deterministic_algorithms(enabled: bool = True) -> Iterator[None]:
    """Within the block torch uses deterministic algorithms only or, if not `enabled`, the fastest ones.

    See the note "Reproducibility" of PyTorch's documentation for what this covers. The settings are restored
    afterwards.

    Raises:
        InputError: CUDA was initialised without CUBLAS_WORKSPACE_CONFIG, so matrix products may not be deterministic.

    Example:
        >>> with deterministic_algorithms():
        ...     torch.are_deterministic_algorithms_enabled()
        True
    """
    if enabled:
        _check_cublas_workspace()
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        _filling.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
    )
    _use_deterministic_algorithms(enabled)
    _filling.fill_uninitialized_memory = False  # no uninitialised memory is read here
    torch.backends.cudnn.benchmark = not enabled
    try:
        yield
    finally:
        _use_deterministic_algorithms(before[0], warn_only=before[1])
        _filling.fill_uninitialized_memory = before[2]
        torch.backends.cudnn.benchmark = before[3]


def _check_cublas_workspace() -> None:
    """Sets cuBLAS's variable, as importing dbviz does; refuses a process in which cuBLAS may not have read it."""
    if torch.cuda.is_initialized() and "CUBLAS_WORKSPACE_CONFIG" not in os.environ:
        raise InputError(
            "CUDA was initialised without CUBLAS_WORKSPACE_CONFIG, which deterministic matrix products need: set "
            "CUBLAS_WORKSPACE_CONFIG=:4096:8 before Python starts, or import dbviz before the first use of CUDA"
        )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def _use_deterministic_algorithms(enabled: bool, *, warn_only: bool = False) -> None:
    """`torch.use_deterministic_algorithms`, which imports torch's compiler, in seconds, to set a flag of it as well.

    Where the compiler is not loaded, it is not imported: the flag's environment variable is set, which the compiler
    reads if it is imported later.
    """
    if "torch._inductor.config" in sys.modules:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    else:
        os.environ["TORCHINDUCTOR_DETERMINISTIC"] = str(int(enabled))
        torch._C._set_deterministic_algorithms(enabled, warn_only=warn_only)


@contextlib.contextmanager
def full_precision(enabled: bool = True) -> Iterator[None]:
    """Within the block fp32 tensors on CUDA are computed in fp32, not TF32; if not `enabled`, as the user set it.

    Example:
        >>> with full_precision():
        ...     torch.backends.cuda.matmul.fp32_precision
        'ieee'
    """
    with fp32_precision("ieee") if enabled else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def fp32_precision(precision: Literal["ieee", "tf32"]) -> Iterator[None]:
    """Within the block fp32 convolutions, recurrent layers and matrix products on CUDA are computed in `precision`.

    The settings are restored exactly: an operation that inherited its precision inherits it again. Within the block
    `torch.backends.cuda.matmul.allow_tf32`, which torch's compiler reads, is what `precision` means;
    `torch.backends.cudnn.allow_tf32` raises, since setting it would end the inheritance for good. On the CPU nothing
    changes.

    Example:
        >>> with fp32_precision("tf32"):
        ...     torch.backends.cuda.matmul.allow_tf32
        True
    """
    cudnn = _backends.cudnn  # its precision is the parent of all operations on CUDA
    operations = [cudnn.conv, cudnn.rnn, _backends.cuda.matmul]
    with _legacy_matmul_precision(precision):
        before = _own_precision(cudnn, _backends)
        cudnn.fp32_precision = precision
        explicit = [(operation, operation.fp32_precision) for operation in operations]
        explicit = [(operation, own) for operation, own in explicit if own != precision]
        try:
            for operation, _ in explicit:
                operation.fp32_precision = precision
            yield
        finally:
            for operation, own in explicit:
                operation.fp32_precision = own
            cudnn.fp32_precision = before


@contextlib.contextmanager
def _legacy_matmul_precision(precision: Literal["ieee", "tf32"]) -> Iterator[None]:
    """Within the block `torch.set_float32_matmul_precision` agrees with `precision`, where it can be read at all.

    It sets the precision on the CPU too, which is set back at once.
    """
    matmul, mkldnn = _backends.cuda.matmul, _backends.mkldnn
    try:
        before = torch.get_float32_matmul_precision()
        agrees = matmul.allow_tf32 == (precision == "tf32")
    except RuntimeError:  # the user has mixed the two interfaces
        agrees = True
    if agrees:
        yield
        return
    on_cuda = _own_precision(matmul, _backends, _backends.cudnn)
    on_cpu = _own_precision(mkldnn.matmul, _backends, mkldnn)
    try:
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        mkldnn.matmul.fp32_precision = on_cpu
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        matmul.fp32_precision, mkldnn.matmul.fp32_precision = on_cuda, on_cpu


def _own_precision(operation: Any, *parents: Any) -> str:
    """The precision of an operation without what it inherits from its parents, given from the outermost."""
    inherited = []
    for parent in parents:
        inherited.append(parent.fp32_precision)
        parent.fp32_precision = "none"
    own = operation.fp32_precision
    for parent, precision in zip(parents, inherited, strict=True):
        parent.fp32_precision = precision
    return own
