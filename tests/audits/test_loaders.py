"""Each fault of a loader is detected by name, and none is reported of a loader without faults."""

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


class OwnGenerator(Plain):
    """With noise from a generator of its own."""

    def __init__(self, seed: int | None = None) -> None:
        self.rng = np.random.default_rng(seed)

    def __getitem__(self, index: int) -> Any:
        image, label = super().__getitem__(index)
        return image + self.rng.random(), label


class Stream(IterableDataset):
    """Samples that cannot be indexed."""

    def __iter__(self):
        return iter(range(4))


def loader(dataset: Dataset, workers: int = 0, **options: Any) -> DataLoader:
    return DataLoader(dataset, batch_size=2, shuffle=True, num_workers=workers, **options)


def reseed(worker: int) -> None:
    """The remedy for copied generators in a user's code."""
    info = get_worker_info()
    assert info is not None
    info.dataset.rng = np.random.default_rng([info.seed % 2**32, worker])  # pyright: ignore[reportAttributeAccessIssue]


def faults(audited: Any) -> list[str]:
    return [fault.fault for fault in audit_loader(audited).faults]


@pytest.mark.parametrize(
    "audited",
    [
        loader(Plain()),
        loader(Plain(), generator=torch.Generator().manual_seed(3)),
        dbviz.seeded_loader(Global(), seed=0, batch_size=2),
        lambda workers: dbviz.seeded_loader(Global(), seed=0, batch_size=2, num_workers=workers),
        LoaderBatches(Global(), batch_size=2, seeds=Seeds()),
        lambda workers: LoaderBatches(Global(), batch_size=2, seeds=Seeds(), workers=workers),
    ],
    ids=["plain", "plain with a generator", "seeded", "seeded, by a function", "batches", "batches, by a function"],
)
def test_a_loader_without_faults_has_none(audited):
    audit = audit_loader(audited)
    assert audit.faults == ()
    assert (audit.workers, audit.batches) == ((0, 2), 4)


def test_draws_from_global_generators_depend_on_the_number_of_workers():
    assert faults(loader(Global())) == [WORKERS]
    assert faults(lambda workers: loader(Global(), workers)) == [WORKERS]


def test_an_unseeded_augmentation_is_detected_though_every_dataset_is_new():
    assert faults(lambda workers: loader(OwnGenerator(), workers)) == [PRIVATE, UNSEEDED]


def test_a_generator_that_a_dataset_keeps_between_passes_is_unseeded():
    assert faults(loader(OwnGenerator(0))) == [PRIVATE, UNSEEDED]


def test_a_missing_worker_seed_is_detected_though_every_pass_repeats():
    assert faults(lambda workers: loader(OwnGenerator(0), workers)) == [PRIVATE, WORKERS]


def test_a_worker_seed_is_recognised():
    assert faults(lambda workers: loader(OwnGenerator(0), workers, worker_init_fn=reseed)) == [WORKERS]


@pytest.mark.parametrize("make", [dbviz.seeded_loader, None], ids=["seeded", "batches"])
def test_a_datasets_own_generator_is_detected_in_seeded_samples_too(make):
    audited = make(OwnGenerator(0), seed=0) if make else LoaderBatches(OwnGenerator(0), batch_size=2, seeds=Seeds())
    assert PRIVATE in faults(audited)


def test_faults_are_described_in_a_sentence():
    first, second = audit_loader(lambda workers: loader(OwnGenerator(0), workers)).faults
    assert str(first).startswith("workers repeat each other: the first draws for a sample are equal in two workers")
    assert str(second).startswith("depends on the number of workers: batch 2 differs between 2 workers and none: ")


def test_the_loaders_own_generator_is_reset():
    generator = torch.Generator().manual_seed(3)
    first = [y.tolist() for _, y in loader(Plain(), generator=torch.Generator().manual_seed(3))]
    audited = loader(Plain(), generator=generator)
    audit_loader(audited)
    assert [y.tolist() for _, y in audited] == first


@pytest.mark.parametrize(
    ("audited", "message"),
    [
        ([1, 2], "a list cannot be audited: give a DataLoader or a function that makes one"),
        (lambda _: [1, 2], "a list cannot be audited: give a DataLoader or a function that makes one"),
        (DataLoader(Stream()), "Stream cannot be indexed: give a map-style dataset"),
    ],
    ids=["list", "function", "stream"],
)
def test_other_objects_are_refused(audited, message):
    with pytest.raises(InputError) as caught:
        audit_loader(audited)
    assert str(caught.value) == message
