"""Do a loader's batches depend on its seed alone, or also on unseeded generators and the number of workers?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader, IterableDataset

from dbviz.core.digests import digest_of_all
from dbviz.core.errors import InputError
from dbviz.core.seeding import globally_seeded
from dbviz.data import LoaderBatches
from dbviz.data.torch_loader import SeededSamples

__all__ = ["LoaderAudit", "LoaderFault", "audit_loader"]

Fault = Literal["unseeded augmentation", "depends on the number of workers", "workers repeat each other"]


@dataclass(frozen=True, kw_only=True)
class LoaderFault:
    """A fault of a loader.

    Example:
        >>> print(LoaderFault(fault="unseeded augmentation", message="two passes under the same seeding differ"))
        unseeded augmentation: two passes under the same seeding differ
    """

    fault: Fault
    message: str
    """A sentence that says what is wrong and what helps."""

    def __str__(self) -> str:
        return f"{self.fault}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class LoaderAudit:
    """The result of `audit_loader`.

    Example:
        >>> LoaderAudit(workers=(0, 2), batches=4, faults=()).faults
        ()
    """

    workers: tuple[int, ...]
    """The numbers of workers that were compared."""
    batches: int
    """The number of batches that were compared."""
    faults: tuple[LoaderFault, ...]


def audit_loader(loader: Any, *, workers: int = 2, batches: int = 4) -> LoaderAudit:
    """Compares the first batches of passes that start from equal random states, with and without workers.

    Before each pass the global generators and the loader's own generator are set to the same state, and its sampler, if
    it has a `set_epoch`, to epoch 0.

    Args:
        loader: a DataLoader over a map-style dataset, `LoaderBatches`, or a function that maps a number of workers to
            one; with a function every pass has a newly made dataset.
        workers: the number of worker processes that is compared with none.
        batches: the number of batches that are compared.

    Raises:
        InputError: `loader` is none of these, or has no batches.

    Example:
        >>> import dbviz
        >>> from torch.utils.data import TensorDataset
        >>> dataset = TensorDataset(torch.randn(8, 3, 4, 4), torch.arange(8))
        >>> audit_loader(dbviz.seeded_loader(dataset, seed=0, batch_size=2)).faults
        ()
    """
    make = _factory(loader)
    alone, alone_repeated, shared, shared_repeated = (_digests(make(n), batches) for n in (0, 0, workers, workers))
    if not alone:
        raise InputError("the loader has no batches: give it a dataset of at least one batch")
    faults: list[LoaderFault] = []
    if _workers_repeat_each_other(make(0)):
        faults.append(_repeating_workers())
    if alone != alone_repeated or shared != shared_repeated:
        faults.append(_unseeded(only_with_workers=alone == alone_repeated))
    elif alone != shared:
        faults.append(_depends_on_workers(_first_difference(alone, shared), workers))
    return LoaderAudit(workers=(0, workers), batches=len(alone), faults=tuple(faults))


def _repeating_workers() -> LoaderFault:
    return LoaderFault(
        fault="workers repeat each other",
        message="the first draws for a sample are equal in two workers, though two draws in one process differ: "
        "every worker has a copy of one generator; draw from the global generators instead, which "
        "dbviz.seeded_loader seeds for each sample, or seed the copies in a worker_init_fn",
    )


def _unseeded(*, only_with_workers: bool) -> LoaderFault:
    return LoaderFault(
        fault="unseeded augmentation",
        message=f"two passes under the same seeding differ{' with workers' if only_with_workers else ''}: something "
        "draws from a generator that no seed reaches, such as numpy.random.default_rng() in the dataset; draw from "
        "the global generators",
    )


def _depends_on_workers(batch: int, workers: int) -> LoaderFault:
    return LoaderFault(
        fault="depends on the number of workers",
        message=f"batch {batch} differs between {workers} workers and none: the random draws for a sample depend on "
        "the process that makes it; dbviz.seeded_loader gives each sample a stream of its own",
    )


def _factory(loader: Any) -> Callable[[int], DataLoader[Any]]:
    if isinstance(loader, DataLoader | LoaderBatches):
        plain = _plain(loader)
        state = _state(plain.generator)
        return lambda workers: _with_workers(plain, workers, state)
    if not callable(loader):
        raise InputError(f"a {type(loader).__name__} cannot be audited: give a DataLoader or a function that makes one")
    return lambda workers: _plain(loader(workers))


def _plain(loader: Any) -> DataLoader[Any]:
    plain = loader.loader(0) if isinstance(loader, LoaderBatches) else loader
    if not isinstance(plain, DataLoader):
        raise InputError(f"a {type(plain).__name__} cannot be audited: give a DataLoader or a function that makes one")
    if isinstance(plain.dataset, IterableDataset):
        raise InputError(f"{type(plain.dataset).__name__} cannot be indexed: give a map-style dataset")
    return plain


def _with_workers(loader: DataLoader[Any], workers: int, state: torch.Tensor | None) -> DataLoader[Any]:
    """The same loader with another number of workers, its generator reset to `state`."""
    if loader.generator is not None and state is not None:
        loader.generator.set_state(state)
    batched = loader.batch_sampler is not None
    sampling = {"batch_sampler": loader.batch_sampler} if batched else {"sampler": loader.sampler, "batch_size": None}
    return DataLoader(
        loader.dataset,
        **sampling,  # pyright: ignore[reportArgumentType]
        num_workers=workers,
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
        generator=loader.generator,
        multiprocessing_context=loader.multiprocessing_context if workers else None,
    )


def _state(generator: torch.Generator | None) -> torch.Tensor | None:
    return None if generator is None else generator.get_state()


def _digests(loader: DataLoader[Any], batches: int) -> list[bytes]:
    """Digests of the first batches of a new pass."""
    for sampler in (loader.sampler, getattr(loader.batch_sampler, "sampler", None)):
        if callable(set_epoch := getattr(sampler, "set_epoch", None)):
            set_epoch(0)
    with globally_seeded(0, "audit", "loader"):
        return [digest_of_all(batch) for batch in islice(loader, batches)]


def _workers_repeat_each_other(loader: DataLoader[Any]) -> bool:
    """Whether sample 0 is equal as the first sample of two workers, though one process draws it differently twice."""
    index: Any = (0, 0) if isinstance(loader.dataset, SeededSamples) else 0
    with globally_seeded(0, "audit", "workers"):
        first, second = (digest_of_all(loader.dataset[index]) for _ in range(2))
        if first == second:
            return False
        probing = DataLoader(
            loader.dataset,
            sampler=[index, index],  # each a batch of its own, hence made by a worker of its own
            batch_size=None,
            collate_fn=_unchanged,
            num_workers=2,
            worker_init_fn=loader.worker_init_fn,
        )
        first, second = (digest_of_all(sample) for sample in probing)
    return first == second


def _unchanged(sample: Any) -> Any:
    return sample


def _first_difference(first: Iterable[bytes], second: Iterable[bytes]) -> int:
    """The number of the first batch that differs, counted from 1."""
    pairs: Iterator[tuple[bytes, bytes]] = zip(first, second, strict=False)
    return next((number for number, (a, b) in enumerate(pairs, 1) if a != b), 0)
