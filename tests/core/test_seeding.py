"""Seeding a loop of your own: every global generator, workers, and batches that do not depend on the workers."""

import random
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

import dbviz
from dbviz.core.errors import InputError
from dbviz.core.seeding import globally_seeded, seed_everything, seed_worker, worker_generator
from dbviz.data import LoaderBatches
from dbviz.spec import Seeds


def drawn() -> list[float]:
    """One draw from each global generator."""
    return [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002


class Draws(Dataset):
    """Sample i is i and a draw from each global generator."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([index, *drawn()])


class Labelled(Draws):
    """The same as (image, label)."""

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return super().__getitem__(index).reshape(1, 2, 2), index


class Private(Dataset):
    """Draws from a generator of its own, which every worker gets a copy of."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> float:
        return self.rng.random()


class Endless(IterableDataset):
    """Has no samples to be indexed."""

    def __iter__(self):
        return iter([1])


@pytest.fixture(autouse=True)
def _generators_as_they_were():
    with globally_seeded(0, "test"):
        yield


def test_every_global_generator_is_seeded():
    seed_everything(3)
    first = drawn()
    assert first == [random.Random(3).random(), np.random.RandomState(3).rand(), first[2]]
    assert first[2] == torch.rand(1, generator=torch.Generator().manual_seed(3)).item()
    drawn()
    seed_everything(3)
    assert drawn() == first
    seed_everything(4)
    assert all(a != b for a, b in zip(drawn(), first, strict=True))


def test_every_cuda_device_is_seeded(monkeypatch):
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    seed_everything(7)
    assert seeded == [7]


def test_what_a_running_process_cannot_change_is_returned_as_a_hint(monkeypatch):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    hint = seed_everything(0)
    assert hint is not None
    assert hint.startswith("the hash seed is drawn when Python starts")
    assert "PYTHONHASHSEED=0" in hint
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    assert seed_everything(0) is None


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_cannot_take_is_refused(seed):
    with pytest.raises(InputError, match=rf"^seed is {seed}: it must be a whole number in \[0, 2\*\*32\)"):
        seed_everything(seed)


def test_workers_differ_and_repeat_when_they_are_started_again():
    def passed() -> torch.Tensor:
        loader = DataLoader(
            Draws(),
            batch_size=4,
            num_workers=2,
            worker_init_fn=seed_worker,
            generator=worker_generator(5),
        )
        return torch.cat(list(loader))

    first = passed()
    assert torch.equal(passed(), first)
    for column in first.T[1:]:
        assert len(column.unique()) == 8


def test_a_workers_generators_follow_torchs_and_its_number():
    torch.manual_seed(1)
    seed_worker(0)
    first = drawn()[:2]
    drawn()
    torch.manual_seed(1)
    seed_worker(0)
    assert drawn()[:2] == first
    torch.manual_seed(1)
    seed_worker(1)
    assert all(a != b for a, b in zip(drawn()[:2], first, strict=True))


def passes(workers: int, count: int = 2, **options) -> list[torch.Tensor]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores
        loader = dbviz.seeded_loader(Draws(), seed=3, batch_size=3, num_workers=workers, **options)
        return [torch.cat(list(loader)) for _ in range(count)]


@pytest.mark.parametrize(("workers", "options"), [(2, {}), (4, {}), (2, {"persistent_workers": True})])
def test_batches_are_equal_for_any_number_of_workers_in_every_epoch(workers, options):
    alone = passes(0)
    assert all(torch.equal(a, b) for a, b in zip(alone, passes(workers, **options), strict=True))
    augmented = torch.cat(alone)[:, 1:]
    assert all(len(column.unique()) == 16 for column in augmented.T)


def test_a_pass_can_be_started_at_any_epoch():
    _, second = passes(0)
    loader = dbviz.seeded_loader(Draws(), seed=3, batch_size=3)
    loader.sampler.set_epoch(1)  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.equal(torch.cat(list(loader)), second)
    assert not torch.equal(torch.cat(list(loader)), second)


def test_without_shuffling_the_order_is_the_datasets():
    loader = dbviz.seeded_loader(Draws(), seed=3, batch_size=3, shuffle=False)
    assert [torch.cat(list(loader))[:, 0].tolist() for _ in range(2)] == [list(range(8))] * 2


def test_batches_are_those_of_loader_batches():
    mine = dbviz.seeded_loader(Labelled(), seed=3, batch_size=3)
    theirs = LoaderBatches(Labelled(), batch_size=3, seeds=Seeds.all(3))
    for number in (0, 1):
        for (images, labels), (others, other_labels) in zip(mine, theirs.epoch(number), strict=True):
            assert torch.equal(images, others)
            assert torch.equal(labels, other_labels)


def test_neither_making_nor_reading_a_loader_advances_the_global_generators():
    before = drawn()
    with globally_seeded(0, "test"):
        passes(0)
        passes(2)
        assert drawn() == before


def test_a_private_generator_repeats_itself_in_every_worker():
    """What docs/guide/randomness.md warns of, and the audit of loaders detects."""
    loader = DataLoader(Private(), batch_size=1, num_workers=2, worker_init_fn=seed_worker)
    first, second, *_ = (float(batch) for batch in loader)
    assert first == second


def test_documented_loaders_return_equal_batches_and_the_warning_beside_them_is_true():
    page = (Path(__file__).parents[2] / "docs/guide/randomness.md").read_text()
    (block,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "seeded_loader" in code)
    names: dict = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")
        exec(block, names)

    class Naive(names["Crops"]):
        rng = np.random.default_rng(0)

        def __getitem__(self, i: int) -> tuple[int, int]:
            row, column = self.rng.integers(0, 5, 2)
            return int(row), int(column)

    first, second, *_ = (
        torch.stack(batch).T.tolist() for batch in DataLoader(Naive(names["crops"].images), 8, num_workers=2)
    )
    assert first == second


def test_a_dataset_without_length_is_refused():
    with pytest.raises(InputError, match=r"^Endless has no length: give a map-style dataset$"):
        dbviz.seeded_loader(Endless(), seed=0)
