"""Seeding for your own training loop: Python's, NumPy's and torch's global generators, here and in worker processes.

dbviz itself draws from streams keyed by name and needs none of this. `dbviz.seeded_loader` makes a DataLoader whose
batches are the same for any number of workers; `seed_worker` alone cannot do that.
"""

import contextlib
import os
import random
import sys
from collections.abc import Iterator

import numpy as np
import torch

from dbviz.core.errors import InputError
from dbviz.core.streams import stream_key, torch_seeded, torch_stream

__all__ = ["globally_seeded", "seed_everything", "seed_worker", "worker_generator"]

_SEEDS = 2**32
"""NumPy's global generator takes seeds below this."""


def seed_everything(seed: int) -> str | None:
    """Seeds Python's, NumPy's and torch's global generators; torch's on the CPU and on every CUDA device.

    It does not reach generators that an object holds (`numpy.random.default_rng()` in a dataset, say: the loader audit
    detects those), other processes, and the hash seed, which is fixed when Python starts.

    Returns:
        None if PYTHONHASHSEED was set when Python started. Otherwise a sentence that says that the hash seed, which
        determines the order of sets of strings, cannot be changed in this process any more, and how to start one.

    Raises:
        InputError: the seed is not in [0, 2**32).

    Example:
        >>> hint = seed_everything(3)
        >>> first = random.random(), np.random.rand(), torch.rand(1).item()
        >>> hint = seed_everything(3)
        >>> first == (random.random(), np.random.rand(), torch.rand(1).item())
        True
    """
    if not 0 <= seed < _SEEDS:
        raise InputError(f"seed is {seed}: it must be a whole number in [0, 2**32), which is what NumPy takes")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)  # every device, also those that are not in use yet
    if os.environ.get("PYTHONHASHSEED", "random") != "random":
        return None
    return (
        "the hash seed is drawn when Python starts, so the order of sets of strings differs from process to process: "
        f"start it as PYTHONHASHSEED=0 {sys.executable or 'python'}"
    )


def seed_worker(worker: int) -> None:
    """A `worker_init_fn` of a DataLoader: seeds the worker's Python and NumPy generators from torch's.

    torch's generator of a worker is seeded by the loader. Together with `generator=worker_generator(seed)` every worker
    draws different numbers, and the same ones whenever it is started again; torch 2.15 does as much by itself. The
    draws of a sample still depend on the worker that makes it: for batches that are the same for any number of workers
    use `dbviz.seeded_loader`.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> samples = list(range(8))
        >>> options = {"shuffle": True, "worker_init_fn": seed_worker, "batch_size": 8}
        >>> first, second = (DataLoader(samples, generator=worker_generator(3), **options) for _ in range(2))
        >>> torch.equal(next(iter(first)), next(iter(second)))
        True
    """
    key = stream_key(torch.initial_seed(), "worker", worker)
    random.seed(key)
    np.random.seed(key % _SEEDS)  # noqa: NPY002


def worker_generator(seed: int, epoch: int = 0) -> torch.Generator:
    """The `generator` of a DataLoader: the source of its workers' seeds and of its shuffling.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> loader = DataLoader(list(range(4)), shuffle=True, generator=worker_generator(3))
        >>> sorted(batch.item() for batch in loader)
        [0, 1, 2, 3]
    """
    return torch_stream(seed, "workers", epoch)


@contextlib.contextmanager
def globally_seeded(seed: int, *path: str | int) -> Iterator[None]:
    """Within the block Python's, NumPy's and torch's global generators are seeded by a stream; then they are restored.

    Example:
        >>> before = random.getstate()
        >>> with globally_seeded(3, "sample", 7):
        ...     number = random.random()
        >>> random.getstate() == before
        True
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    key = stream_key(seed, *path)
    random.seed(key)
    np.random.seed(key % _SEEDS)  # noqa: NPY002
    try:
        with torch_seeded(seed, *path):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
