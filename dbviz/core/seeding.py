"""Seeding for a loop of one's own: Python's, NumPy's and torch's global generators, here and in worker processes.

dbviz itself draws from streams keyed by name and needs none of this. `dbviz.seeded_loader` gives a DataLoader whose
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

__all__ = ["generators_at", "seed_everything", "seed_worker", "worker_generator"]

_SEEDS = 2**32
"""NumPy's global generator takes seeds below this."""


def seed_everything(seed: int) -> str | None:
    """Seeds Python's, NumPy's and torch's global generators; torch's on the CPU and on every CUDA device.

    Not reached are generators that someone holds (`numpy.random.default_rng()` in a dataset, say: the loader audit
    finds those), other processes, and the hash seed, which is fixed when Python starts.

    Returns:
        What cannot be changed in this process any more, in a sentence: the hash seed, unless PYTHONHASHSEED was set
        when Python started, which is None. It orders sets of strings.

    Raises:
        InputError: the seed is not in [0, 2**32).
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
    """A `worker_init_fn`: seeds the worker's Python and NumPy generators from torch's, which the loader has seeded.

    Together with `generator=worker_generator(seed)` every worker draws other numbers, and the same ones whenever it is
    started again; torch 2.15 does as much by itself. What a sample draws still depends on which worker makes it: for
    batches that are the same for any number of workers take `dbviz.seeded_loader`.
    """
    key = stream_key(torch.initial_seed(), "worker", worker)
    random.seed(key)
    np.random.seed(key % _SEEDS)  # noqa: NPY002


def worker_generator(seed: int, epoch: int = 0) -> torch.Generator:
    """The `generator` of a DataLoader from which the seeds of its workers come, and its shuffling."""
    return torch_stream(seed, "workers", epoch)


@contextlib.contextmanager
def generators_at(seed: int, *path: str | int) -> Iterator[None]:
    """Within the block Python's, NumPy's and torch's global generators stand at a stream; then they are put back."""
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
