"""Each fault of a loader is found and called by its name, and a loader without any is not accused."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

import dbviz
from dbviz.audits import audit_loader
from dbviz.core.errors import InputError
from dbviz.data import LoaderBatches
from dbviz.spec import Seeds

PRIVATE, WORKERS, UNSEEDED = "workers repeat each other", "depends on the number of workers", "unseeded augmentation"


class Plain(Dataset):
    """Sample i is (i, 0 ... 2), never augmented."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        return torch.full((1, 2, 2), float(index)), index % 3


class Global(Plain):
    """With noise from NumPy's global generator."""

    def __getitem__(self, index: int) -> Any:
        image, label = super().__getitem__(index)
        return image + float(np.random.rand()), label  # noqa: NPY002


class Held(Plain):
    """With noise from a generator of its own."""

    def __init__(self, seed: int | None = None) -> None:
        self.rng = np.random.default_rng(seed)

    def __getitem__(self, index: int) -> Any:
        image, label = super().__getitem__(index)
        return image + self.rng.random(), label


class Stream(IterableDataset):
    """Samples that cannot be asked for."""

    def __iter__(self):
        return iter(range(4))


def loader(dataset: Dataset, workers: int = 0, **options: Any) -> DataLoader:
    return DataLoader(dataset, batch_size=2, shuffle=True, num_workers=workers, **options)


def reseed(worker: int) -> None:
    """What a user writes who knows of the fault."""
    info = get_worker_info()
    assert info is not None
    info.dataset.rng = np.random.default_rng([info.seed % 2**32, worker])  # pyright: ignore[reportAttributeAccessIssue]


def faults(given: Any) -> list[str]:
    return [fault.fault for fault in audit_loader(given).faults]


@pytest.mark.parametrize(
    "given",
    [
        loader(Plain()),
        loader(Plain(), generator=torch.Generator().manual_seed(3)),
        dbviz.seeded_loader(Global(), seed=0, batch_size=2),
        lambda workers: dbviz.seeded_loader(Global(), seed=0, batch_size=2, num_workers=workers),
        LoaderBatches(Global(), batch_size=2, seeds=Seeds()),
        lambda workers: LoaderBatches(Global(), batch_size=2, seeds=Seeds(), workers=workers),
    ],
    ids=["plain", "plain with a generator", "seeded", "seeded, made anew", "batches", "batches, made anew"],
)
def test_a_loader_without_faults_is_not_accused(given):
    found = audit_loader(given)
    assert found.faults == ()
    assert (found.workers, found.batches) == ((0, 2), 4)


def test_draws_from_global_generators_depend_on_the_number_of_workers():
    assert faults(loader(Global())) == [WORKERS]
    assert faults(lambda workers: loader(Global(), workers)) == [WORKERS]


def test_an_unseeded_augmentation_is_found_though_every_dataset_is_new():
    assert faults(lambda workers: loader(Held(), workers)) == [PRIVATE, UNSEEDED]


def test_a_generator_that_a_dataset_keeps_between_passes_is_unseeded():
    assert faults(loader(Held(0))) == [PRIVATE, UNSEEDED]


def test_a_forgotten_worker_seed_is_found_though_every_pass_repeats():
    assert faults(lambda workers: loader(Held(0), workers)) == [PRIVATE, WORKERS]


def test_a_worker_seed_that_was_not_forgotten_is_acknowledged():
    assert faults(lambda workers: loader(Held(0), workers, worker_init_fn=reseed)) == [WORKERS]


@pytest.mark.parametrize("make", [dbviz.seeded_loader, None], ids=["seeded", "batches"])
def test_a_private_generator_is_found_behind_seeded_samples_too(make):
    given = make(Held(0), seed=0) if make else LoaderBatches(Held(0), batch_size=2, seeds=Seeds())
    assert PRIVATE in faults(given)


def test_faults_are_said_in_plain_words():
    first, second = audit_loader(lambda workers: loader(Held(0), workers)).faults
    assert str(first).startswith("workers repeat each other: the first draws for a sample are equal in two workers")
    assert str(second).startswith("depends on the number of workers: batch 2 is another one with 2 workers than with")


def test_the_loaders_own_generator_ends_where_it_began():
    generator = torch.Generator().manual_seed(3)
    first = [y.tolist() for _, y in loader(Plain(), generator=torch.Generator().manual_seed(3))]
    given = loader(Plain(), generator=generator)
    audit_loader(given)
    assert [y.tolist() for _, y in given] == first


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "a list cannot be audited: give a DataLoader or a function that makes one"),
        (lambda _: [1, 2], "a list cannot be audited: give a DataLoader or a function that makes one"),
        (DataLoader(Stream()), "Stream has no samples to ask for: give a map-style dataset"),
    ],
    ids=["list", "function", "stream"],
)
def test_what_cannot_be_audited_is_refused(given, message):
    with pytest.raises(InputError) as caught:
        audit_loader(given)
    assert str(caught.value) == message
