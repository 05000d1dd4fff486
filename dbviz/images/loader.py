"""The ordinary DataLoader path, for a user's own torch dataset with its own transforms."""

import contextlib
import random
from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from dbviz.errors import InputError
from dbviz.images.batches import Batch, epoch_order
from dbviz.spec import Seeds
from dbviz.streams import stream_key, torch_seeded, torch_stream

__all__ = ["LoaderBatches"]


class LoaderBatches:
    """Batches of a map-style dataset that gives (image tensor, label).

    Every sample is made with Python's, NumPy's and torch's generators seeded for this augment seed, epoch and
    index. So batches are equal for any number of workers, and no two workers repeat each other's augmentation.

    Args:
        dataset: a map-style dataset; its transforms may draw from any of the three global generators.
        workers: processes that make samples; 0 makes them in this one.

    Raises:
        InputError: the dataset has no length.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        batch_size: int,
        seeds: Seeds,
        device: torch.device | str = "cpu",
        workers: int = 0,
    ) -> None:
        if not isinstance(dataset, Sized):
            raise InputError(f"{type(dataset).__name__} has no length: give a map-style dataset")
        self.dataset, self.count = dataset, len(dataset)
        self.batch_size, self.seeds, self.device, self.workers = (
            batch_size,
            seeds,
            torch.device(device),
            workers,
        )

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        loader = DataLoader(
            _SeededSamples(self.dataset, self.seeds.augment, number),
            batch_size=self.batch_size,
            sampler=epoch_order(self.seeds.order, number, self.count).tolist(),
            num_workers=self.workers,
            generator=torch_stream(self.seeds.augment, "workers", number),
            pin_memory=self.device.type == "cuda",
        )
        for images, labels in loader:
            images = images.to(self.device, non_blocking=True, memory_format=torch.channels_last)
            yield images, labels.to(self.device, non_blocking=True)


class _SeededSamples(Dataset[Any]):
    def __init__(self, dataset: Dataset[Any], seed: int, epoch: int) -> None:
        self.dataset, self.seed, self.epoch = dataset, seed, epoch

    def __getitem__(self, index: int) -> Any:
        with _global_generators(self.seed, "sample", self.epoch, index):
            return self.dataset[index]


@contextlib.contextmanager
def _global_generators(seed: int, *path: str | int) -> Iterator[None]:
    """Within the block Python's, NumPy's and torch's global generators stand at a stream; then they are put back."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    key = stream_key(seed, *path)
    random.seed(key)
    np.random.seed(key % 2**32)  # noqa: NPY002
    try:
        with torch_seeded(seed, *path):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
