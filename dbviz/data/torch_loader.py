"""Batches from a torch DataLoader, for a user's own dataset with its own transforms.

Every sample is made with Python's, NumPy's and torch's global generators seeded for its epoch and index. So batches
are equal for any number of workers, and no two workers repeat each other's augmentation.
"""

from collections.abc import Iterator, Sized
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from dbviz.core.errors import InputError
from dbviz.core.seeding import globally_seeded, seed_worker, worker_generator
from dbviz.data.device_batches import Batch, epoch_order
from dbviz.spec import Seeds

__all__ = ["LoaderBatches", "SeededSampler", "SeededSamples", "seeded_loader"]

SampleKey = tuple[int, int]
"""An epoch, counted from 0, and the index of a sample."""


def seeded_loader(
    dataset: Dataset[Any],
    *,
    seed: int,
    batch_size: int = 1,
    shuffle: bool = True,
    num_workers: int = 0,
    **options: Any,
) -> DataLoader[Any]:
    """A DataLoader whose batches depend on the seed and the epoch alone, and not on the number of workers.

    Every pass over it is a new epoch with another order and other augmentation, also with `persistent_workers`;
    `loader.sampler.set_epoch(n)` sets the epoch of the next pass. Random numbers drawn in a `collate_fn` are not
    seeded.

    Args:
        dataset: a map-style dataset; its transforms may draw from any of the three global generators, but not from one
            that the dataset holds itself, which cannot be seeded from outside.
        seed: of order and augmentation; the batches are those of `LoaderBatches` with `Seeds.all(seed)`.
        options: of `torch.utils.data.DataLoader`.

    Raises:
        InputError: the dataset has no length.

    Example:
        >>> import random
        >>> class Noise(Dataset):
        ...     def __len__(self):
        ...         return 4
        ...     def __getitem__(self, index):
        ...         return random.random()
        >>> first, second = (torch.cat(list(seeded_loader(Noise(), seed=3))) for _ in range(2))
        >>> torch.equal(first, second)
        True
    """
    sampler = SeededSampler(_length(dataset), seed=seed, shuffle=shuffle)
    options = {"generator": worker_generator(seed), "worker_init_fn": seed_worker} | options
    return DataLoader(
        SeededSamples(dataset, seed), batch_size=batch_size, sampler=sampler, num_workers=num_workers, **options
    )


class LoaderBatches:
    """Batches of a map-style dataset of (image tensor, label); the same for any number of workers.

    Args:
        dataset: a map-style dataset; its transforms may draw from any of the three global generators.
        workers: processes that make samples; 0 makes them in this one.

    Raises:
        InputError: the dataset has no length.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> dataset = TensorDataset(torch.zeros(6, 3, 8, 8), torch.arange(6))
        >>> batches = LoaderBatches(dataset, batch_size=4, seeds=Seeds.all(3))
        >>> [tuple(images.shape) for images, labels in batches.epoch(0)]
        [(4, 3, 8, 8), (2, 3, 8, 8)]
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
        self.dataset, self.count = dataset, _length(dataset)
        self.batch_size, self.seeds, self.device, self.workers = (
            batch_size,
            seeds,
            torch.device(device),
            workers,
        )

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch `number`, counted from 0; the same at every call."""
        for images, labels in self.loader(number):
            images = images.to(self.device, non_blocking=True, memory_format=torch.channels_last)
            yield images, labels.to(self.device, non_blocking=True)

    def loader(self, number: int) -> DataLoader[Any]:
        """The DataLoader of epoch `number`, its batches on the CPU."""
        sampler = SeededSampler(self.count, seed=self.seeds.order)
        sampler.set_epoch(number)
        return DataLoader(
            SeededSamples(self.dataset, self.seeds.augment),
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self.workers,
            generator=worker_generator(self.seeds.augment, number),
            worker_init_fn=seed_worker,
            pin_memory=self.device.type == "cuda",
        )


class SeededSampler(Sampler[SampleKey]):
    """Yields (epoch, index) of every sample, in the order of the epoch; each pass is the next epoch.

    Example:
        >>> list(SeededSampler(2, seed=3, shuffle=False))
        [(0, 0), (0, 1)]
    """

    def __init__(self, count: int, *, seed: int, shuffle: bool = True) -> None:
        self.count, self.seed, self.shuffle, self.next_epoch = count, seed, shuffle, 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[SampleKey]:
        number = self.next_epoch
        self.next_epoch += 1
        order = epoch_order(self.seed, number, self.count).tolist() if self.shuffle else range(self.count)
        return ((number, index) for index in order)

    def set_epoch(self, number: int) -> None:
        """The next pass is epoch `number`, counted from 0."""
        self.next_epoch = number


class SeededSamples(Dataset[Any]):
    """A dataset indexed by (epoch, index) that makes each sample with the global generators seeded for both."""

    def __init__(self, dataset: Dataset[Any], seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def __len__(self) -> int:
        return _length(self.dataset)

    def __getitem__(self, key: SampleKey) -> Any:
        epoch, index = key
        with globally_seeded(self.seed, "sample", epoch, index):
            return self.dataset[index]


def _length(dataset: Dataset[Any]) -> int:
    if not isinstance(dataset, Sized):
        raise InputError(f"{type(dataset).__name__} has no length: give a map-style dataset")
    return len(dataset)
