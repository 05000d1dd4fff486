"""How many processes share a GPU, and which GPUs there are."""

import os

import torch

from dbviz.models.build import construct
from dbviz.spec import RunSpec

__all__ = ["gpu_memory", "parameter_count", "processes_per_gpu", "visible_gpus"]

_SMALL = 1_000_000
"""Parameters below which a network leaves most of a GPU idle: it waits for the launches of its kernels."""
_MOST = 8
"""Processes on one GPU, at most: each has a CUDA context and the training images of its own."""
_MEMORY = 2 * 2**30
"""Bytes of a GPU's memory for each process of a small network."""


def processes_per_gpu(parameters: int, *, memory: int, cores: int, gpus: int) -> int:
    """The number of processes that share each GPU: one for large networks, several for small ones.

    Args:
        parameters: of the largest network.
        memory: bytes of each GPU.
        cores: of the machine; one is left to the command itself.
        gpus: over which the processes are spread.

    Example:
        >>> processes_per_gpu(11_000_000, memory=80 * 2**30, cores=16, gpus=1)
        1
        >>> processes_per_gpu(200_000, memory=80 * 2**30, cores=16, gpus=1)
        8
        >>> processes_per_gpu(200_000, memory=80 * 2**30, cores=16, gpus=4)
        3
    """
    if parameters >= _SMALL:
        return 1
    return max(1, min((cores - 1) // gpus, memory // _MEMORY, _MOST))


def parameter_count(spec: RunSpec) -> int:
    """About how many parameters the network of `spec` has; a million for a user's own, which is not made for this.

    Example:
        >>> from dbviz.spec import Recipe
        >>> parameter_count(RunSpec(dataset="shapes", arch="mlp", width=8, recipe=Recipe(epochs=1, learning_rate=0.1)))
        24674
    """
    if ":" in spec.arch:
        return _SMALL
    with torch.device("meta"):
        module = construct(spec.arch, 10, spec.width, (3, 32, 32))
    return sum(parameter.numel() for parameter in module.parameters())


def visible_gpus(device: torch.device) -> tuple[str, ...]:
    """The GPUs that processes can be spread over, as `CUDA_VISIBLE_DEVICES` names them.

    Returns:
        All that this process sees for the device `cuda`; none for `cuda:N`, which was chosen alone, and for a CPU.

    Example:
        >>> visible_gpus(torch.device("cpu"))
        ()
    """
    if device.type != "cuda" or device.index is not None:
        return ()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    count = torch.cuda.device_count()
    return tuple(named[:count]) if named else tuple(map(str, range(count)))


def gpu_memory(device: torch.device) -> int:
    """Bytes of the memory of a GPU."""
    return torch.cuda.get_device_properties(device).total_memory
