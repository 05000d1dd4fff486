"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), read from the published files without importing torchvision."""

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dbviz.data.arrays import Images, ImageSet
from dbviz.data.official_files import ensure_files, torchvision_datasets

__all__ = ["CIFAR10", "CIFAR100", "Cifar"]


@dataclass(frozen=True, kw_only=True)
class Cifar:
    """The files of one of the datasets, and how to read them. MD5 sums are those that torchvision lists."""

    name: str
    folder: str
    """Name of the files' directory."""
    train: dict[str, str] = field(repr=False)
    """MD5 sum of each file of training images, by its name."""
    test: dict[str, str] = field(repr=False)
    meta: dict[str, str] = field(repr=False)
    labels_key: str
    class_names_key: str
    mean: tuple[float, ...]
    """Per channel, of pixel values in [0, 1]."""
    std: tuple[float, ...]

    def load(self, root: Path) -> Images:
        """All images, from the folder below `root`, where they are downloaded to if they are absent.

        Raises:
            InputError: a file is damaged, or absent and cannot be downloaded.
        """
        files = {f"{self.folder}/{file}": md5 for file, md5 in (self.train | self.test | self.meta).items()}
        ensure_files(self.name, root, files, lambda: self._download(root))
        (meta,) = self._read(root, self.meta)
        class_names = tuple(meta[self.class_names_key])
        return Images(
            train=self._image_set("train", self._read(root, self.train), class_names),
            test=self._image_set("test", self._read(root, self.test), class_names),
        )

    def _image_set(self, split: str, batches: list[dict[str, Any]], class_names: tuple[str, ...]) -> ImageSet:
        """The images of several files, whose pixels are (n, 3 * 32 * 32), ordered as (channel, row, column)."""
        return ImageSet(
            name=self.name,
            split=split,
            pixels=np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32),
            labels=np.concatenate([np.asarray(batch[self.labels_key], np.int64) for batch in batches]),
            class_names=class_names,
            mean=self.mean,
            std=self.std,
        )

    def _read(self, root: Path, files: dict[str, str]) -> list[dict[str, Any]]:
        """The contents of files that `ensure_files` has verified: pickles of Python 2."""
        return [pickle.loads((root / self.folder / file).read_bytes(), encoding="latin1") for file in files]

    def _download(self, root: Path) -> None:
        getattr(torchvision_datasets(), self.name.upper())(root, download=True)


CIFAR10 = Cifar(
    name="cifar10",
    folder="cifar-10-batches-py",
    train={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    test={"test_batch": "40351d587109b95175f43aff81a1287e"},
    meta={"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"},
    labels_key="labels",
    class_names_key="label_names",
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2023, 0.1994, 0.2010),
)

CIFAR100 = Cifar(
    name="cifar100",
    folder="cifar-100-python",
    train={"train": "16019d7e3df5f24257cddd939b257f8d"},
    test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    meta={"meta": "7973b15100ade9c7d40fb424638fde48"},
    labels_key="fine_labels",
    class_names_key="fine_label_names",
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
)
