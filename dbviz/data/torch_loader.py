"""The ordinary DataLoader path, for a user's own torch dataset with its own transforms.

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

Place = tuple[int, int]
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
    """A DataLoader whose batches depend on the seed and the epoch alone, whatever the number of workers.

    Every pass over it is a new epoch with another order and other augmentation, also with `persistent_workers`;
    `loader.sampler.set_epoch(n)` says which epoch the next pass is. What a `collate_fn` draws is not seeded.

    Args:
        dataset: a map-style dataset; its transforms may draw from any of the three global generators, but not from one
            that the dataset holds itself, which nothing can seed from outside.
        seed: of order and augmentation; those of `LoaderBatches` with `Seeds.all(seed)`.
        options: of `torch.utils.data.DataLoader`.

    Raises:
        InputError: the dataset has no length.
    """
    sampler = SeededSampler(_length(dataset), seed=seed, shuffle=shuffle)
    options = {"generator": worker_generator(seed), "worker_init_fn": seed_worker} | options
    return DataLoader(
        SeededSamples(dataset, seed), batch_size=batch_size, sampler=sampler, num_workers=num_workers, **options
    )


class LoaderBatches:
    """Batches of a map-style dataset that gives (image tensor, label); the same for any number of workers.

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


class SeededSampler(Sampler[Place]):
    """(epoch, index) of every sample, in the order of its epoch; each pass is the next epoch."""

    def __init__(self, count: int, *, seed: int, shuffle: bool = True) -> None:
        self.count, self.seed, self.shuffle, self.next_epoch = count, seed, shuffle, 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Place]:
        number = self.next_epoch
        self.next_epoch += 1
        order = epoch_order(self.seed, number, self.count).tolist() if self.shuffle else range(self.count)
        return ((number, index) for index in order)

    def set_epoch(self, number: int) -> None:
        """The next pass is epoch `number`, counted from 0."""
        self.next_epoch = number


class SeededSamples(Dataset[Any]):
    """A dataset asked for by (epoch, index), which makes each sample with the global generators seeded for that."""

    def __init__(self, dataset: Dataset[Any], seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def __len__(self) -> int:
        return _length(self.dataset)

    def __getitem__(self, place: Place) -> Any:
        epoch, index = place
        with globally_seeded(self.seed, "sample", epoch, index):
            return self.dataset[index]


def _length(dataset: Dataset[Any]) -> int:
    if not isinstance(dataset, Sized):
        raise InputError(f"{type(dataset).__name__} has no length: give a map-style dataset")
    return len(dataset)
