"""How much memory some work takes at its height."""

import resource
import sys
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["memory_growth"]


def memory_growth(work: Callable[[], Any], device: torch.device) -> float:
    """MiB that the work adds to what is in use before it: on CUDA of the device's memory, else of the process's peak.

    The peak of a process never falls, so on a CPU only what exceeds everything before is seen: ask early.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    before = _peak()
    work()
    return _peak() - before


def _peak() -> float:
    """The process's largest resident size so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
