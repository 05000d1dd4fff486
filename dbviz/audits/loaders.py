"""Do a loader's batches depend on its seed alone? Augmentation that no seed reaches, and workers that matter."""

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
    """What is wrong with a loader."""

    fault: Fault
    said: str
    """In a sentence, with the remedy."""

    def __str__(self) -> str:
        return f"{self.fault}: {self.said}"


@dataclass(frozen=True, kw_only=True)
class LoaderAudit:
    """What an audit of a loader found."""

    workers: tuple[int, ...]
    """The numbers of workers that were compared."""
    batches: int
    """How many batches of each were compared."""
    faults: tuple[LoaderFault, ...]


def audit_loader(loader: Any, *, workers: int = 2, batches: int = 4) -> LoaderAudit:
    """Compares the first batches of fresh passes under the same seeding, without and with workers.

    The global generators and the loader's own stand at the same place before each pass, and its sampler, if it has a
    `set_epoch`, at epoch 0.

    Args:
        loader: a DataLoader over a map-style dataset, `LoaderBatches`, or a function that makes one from a number of
            workers; a function shows also what making the dataset anew changes.
        workers: processes to compare with none.

    Raises:
        InputError: it is none of these, or gives no batch.
    """
    make = _factory(loader)
    alone, again, shared, shared_again = (_digests(make(n), batches) for n in (0, 0, workers, workers))
    if not alone:
        raise InputError("the loader gives no batch: give it images")
    faults: list[LoaderFault] = []
    if _repeat_each_other(make(0)):
        faults.append(
            LoaderFault(
                fault="workers repeat each other",
                said="the first draws for a sample are equal in two workers, though two draws in one process differ: "
                "every worker has a copy of one generator; draw from the global generators instead, which "
                "dbviz.seeded_loader seeds for each sample, or seed the copies in a worker_init_fn",
            )
        )
    if alone != again or shared != shared_again:
        faults.append(
            LoaderFault(
                fault="unseeded augmentation",
                said="two passes under the same seeding differ"
                f"{'' if alone != again else ' once there are workers'}: something draws from a generator that no "
                "seed reaches, such as numpy.random.default_rng() in the dataset; draw from the global generators",
            )
        )
    elif alone != shared:
        faults.append(
            LoaderFault(
                fault="depends on the number of workers",
                said=f"batch {_first_unlike(alone, shared)} is another one with {workers} workers than with none: what "
                "a sample draws depends on the process that makes it; dbviz.seeded_loader gives each its own stream",
            )
        )
    return LoaderAudit(workers=(0, workers), batches=len(alone), faults=tuple(faults))


def _factory(loader: Any) -> Callable[[int], DataLoader[Any]]:
    if isinstance(loader, DataLoader | LoaderBatches):
        plain, first = _plain(loader), _state(_plain(loader).generator)
        return lambda workers: _with_workers(plain, workers, first)
    if not callable(loader):
        raise InputError(f"a {type(loader).__name__} cannot be audited: give a DataLoader or a function that makes one")
    return lambda workers: _plain(loader(workers))


def _plain(loader: Any) -> DataLoader[Any]:
    found = loader.loader(0) if isinstance(loader, LoaderBatches) else loader
    if not isinstance(found, DataLoader):
        raise InputError(f"a {type(found).__name__} cannot be audited: give a DataLoader or a function that makes one")
    if isinstance(found.dataset, IterableDataset):
        raise InputError(f"{type(found.dataset).__name__} has no samples to ask for: give a map-style dataset")
    return found


def _with_workers(loader: DataLoader[Any], workers: int, state: torch.Tensor | None) -> DataLoader[Any]:
    """The same loader with so many workers, its generator put back to where it was first."""
    if loader.generator is not None and state is not None:
        loader.generator.set_state(state)
    batched = loader.batch_sampler is not None
    how = {"batch_sampler": loader.batch_sampler} if batched else {"sampler": loader.sampler, "batch_size": None}
    return DataLoader(
        loader.dataset,
        **how,  # pyright: ignore[reportArgumentType]
        num_workers=workers,
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
        generator=loader.generator,
        multiprocessing_context=loader.multiprocessing_context if workers else None,
    )


def _state(generator: torch.Generator | None) -> torch.Tensor | None:
    return None if generator is None else generator.get_state()


def _digests(loader: DataLoader[Any], batches: int) -> list[bytes]:
    """Digests of the first batches of a fresh pass."""
    for sampler in (loader.sampler, getattr(loader.batch_sampler, "sampler", None)):
        if callable(set_epoch := getattr(sampler, "set_epoch", None)):
            set_epoch(0)
    with globally_seeded(0, "audit", "loader"):
        return [digest_of_all(batch) for batch in islice(loader, batches)]


def _repeat_each_other(loader: DataLoader[Any]) -> bool:
    """Whether sample 0, made first by two fresh workers, is the same, though one process draws anew each time."""
    place: Any = (0, 0) if isinstance(loader.dataset, SeededSamples) else 0
    with globally_seeded(0, "audit", "workers"):
        one, other = (digest_of_all(loader.dataset[place]) for _ in range(2))
        if one == other:
            return False
        probing = DataLoader(
            loader.dataset,
            sampler=[place, place],  # each a batch of its own, hence made by a worker of its own
            batch_size=None,
            collate_fn=_unchanged,
            num_workers=2,
            worker_init_fn=loader.worker_init_fn,
        )
        first, second = (digest_of_all(sample) for sample in probing)
    return first == second


def _unchanged(sample: Any) -> Any:
    return sample


def _first_unlike(one: Iterable[bytes], other: Iterable[bytes]) -> int:
    """The number of the first batch that differs, counted from 1."""
    pairs: Iterator[tuple[bytes, bytes]] = zip(one, other, strict=False)
    return next((number for number, (a, b) in enumerate(pairs, 1) if a != b), 0)
