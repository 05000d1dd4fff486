"""The DataLoader path: batches are equal for any number of workers, and nothing leaks into the global generators."""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from dbviz.core.errors import InputError
from dbviz.data import LoaderBatches
from dbviz.data.device_batches import epoch_order
from dbviz.spec import Seeds

COUNT = 13


class Jittered(Dataset):
    """Image i is of class i and shows draws from Python's, NumPy's and torch's global generators."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        draws = [random.random(), np.random.rand(), torch.rand(1).item(), index]  # noqa: NPY002
        return torch.tensor(draws).reshape(1, 2, 2), index


class Broken(Jittered):
    """Draws, then fails."""

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        super().__getitem__(index)
        raise OSError("the disk is gone")


class Endless(Dataset):
    """Has no length."""

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.zeros(1, 2, 2), index


def loader(*, workers: int = 0, order: int = 1, augment: int = 2, init: int = 3, batch_size: int = 4) -> LoaderBatches:
    seeds = Seeds(init=init, order=order, augment=augment)
    return LoaderBatches(Jittered(), batch_size=batch_size, seeds=seeds, workers=workers)


def epoch_of(made: LoaderBatches, number: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*made.epoch(number), strict=True)
    return torch.cat(images), torch.cat(labels)


def draws_by_image(made: LoaderBatches, number: int = 0) -> torch.Tensor:
    """The three draws of every image, image i at index i."""
    images, labels = epoch_of(made, number)
    return images.flatten(1)[labels.argsort(), :3]


def global_states() -> list:
    _, keys, *rest = np.random.get_state()  # noqa: NPY002
    return [random.getstate(), np.asarray(keys).tolist(), rest, torch.get_rng_state().tolist()]


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_are_equal_for_any_number_of_workers(workers):
    before = global_states()
    for number in (0, 1):
        images, labels = epoch_of(loader(), number)
        other_images, other_labels = epoch_of(loader(workers=workers), number)
        assert torch.equal(other_images, images)
        assert torch.equal(other_labels, labels)
    assert global_states() == before


def test_batches_do_not_depend_on_the_global_generators():
    first = epoch_of(loader())[0]
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    assert torch.equal(epoch_of(loader())[0], first)


@pytest.mark.parametrize("workers", [0, 2])
def test_no_augmentation_is_repeated(workers):
    epochs = [draws_by_image(loader(workers=workers), number) for number in (0, 1)]
    draws = torch.cat(epochs)
    for column in draws.T:  # each generator by itself
        assert len(column.unique()) == 2 * COUNT


def test_every_image_appears_once_in_the_order_of_its_seed():
    made = loader(order=7)
    assert len(made) == 4
    assert [len(labels) for _, labels in made.epoch(0)] == [4, 4, 4, 1]
    for number in (0, 3):
        images, labels = epoch_of(made, number)
        assert labels.tolist() == epoch_order(7, number, COUNT).tolist()
        assert images[:, 0, 1, 1].tolist() == labels.tolist()


@pytest.mark.parametrize("changes", [{"order": 9}, {"init": 9}, {"batch_size": 3}], ids=str)
def test_an_image_is_augmented_by_the_augment_seed_alone(changes):
    assert torch.equal(draws_by_image(loader(**changes)), draws_by_image(loader()))


def test_another_augment_seed_augments_otherwise_in_the_same_order():
    assert epoch_of(loader(augment=9))[1].tolist() == epoch_of(loader())[1].tolist()
    assert (draws_by_image(loader(augment=9)) != draws_by_image(loader())).all()


def test_the_global_generators_are_restored_also_after_an_error():
    before = global_states()
    with pytest.raises(OSError, match="the disk is gone"):
        next(LoaderBatches(Broken(), batch_size=2, seeds=Seeds()).epoch(0))
    assert global_states() == before


def test_images_are_channels_last():
    images, labels = next(loader().epoch(0))
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.dtype == torch.int64


def test_a_dataset_without_length_is_refused():
    with pytest.raises(InputError, match=r"^Endless has no length: give a map-style dataset$"):
        LoaderBatches(Endless(), batch_size=2, seeds=Seeds())
