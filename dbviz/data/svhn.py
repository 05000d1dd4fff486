"""SVHN (Netzer et al. 2011) through torchvision; the published files have no class 0 but 10, which is the digit 0."""

from pathlib import Path
from typing import Any

import numpy as np

from dbviz.data.arrays import Images, ImageSet
from dbviz.data.official_files import ensure_files, torchvision_datasets

__all__ = ["load_svhn"]


def load_svhn(root: Path) -> Images:
    """All images, from the files in `root`, where they are downloaded to if they are absent.

    Raises:
        InputError: a file is damaged, or absent and cannot be downloaded.
    """
    source = torchvision_datasets().SVHN
    splits = ("train", "test")

    def download() -> None:
        for split in splits:
            source(root, split=split, download=True)

    ensure_files("svhn", root, {source.split_list[split][1]: source.split_list[split][2] for split in splits}, download)
    return Images(**{split: _image_set(split, source(root, split=split)) for split in splits})


def _image_set(split: str, dataset: Any) -> ImageSet:
    return ImageSet(
        name="svhn",
        split=split,
        pixels=np.ascontiguousarray(dataset.data),
        labels=np.asarray(dataset.labels, np.int64),
        class_names=tuple("0123456789"),
        mean=(0.4377, 0.4438, 0.4728),
        std=(0.1980, 0.2010, 0.1970),
    )
