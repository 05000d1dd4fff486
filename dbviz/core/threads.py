"""The number of threads that a run is computed with, which decides its bits on a CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["cores", "default_threads", "using_threads"]

_CORES_PER_THREAD = 4
"""A run gets one thread for every so many cores: few, since runs side by side use a CPU better than threads do."""


def cores() -> int:
    """The cores of this machine that this process may use.

    Example:
        >>> cores() >= 1
        True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_threads() -> int:
    """The threads of a run: a quarter of the cores and at least one, however many runs there are.

    Example:
        >>> default_threads() == max(1, cores() // 4)
        True
    """
    return max(1, cores() // _CORES_PER_THREAD)


@contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """Within the block torch computes with `threads` threads; None changes nothing.

    Example:
        >>> import torch
        >>> with using_threads(1):
        ...     torch.get_num_threads()
        1
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before if threads is None else threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
