"""Datasets by name: published ones, downloaded where they are absent, and the built-in `shapes`."""

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from dbviz.core.errors import unknown_name
from dbviz.data.arrays import Images
from dbviz.data.cifar import CIFAR10, CIFAR100
from dbviz.data.shapes_cache import load_shapes
from dbviz.data.svhn import load_svhn

__all__ = ["DATASETS", "data_directory", "load_images"]

DATASETS: dict[str, Callable[[Path], Images]] = {
    "cifar10": CIFAR10.load,
    "cifar100": CIFAR100.load,
    "svhn": load_svhn,
    "shapes": load_shapes,
}
"""Every dataset by name: a function of the data directory."""


def load_images(name: str, data_dir: str | os.PathLike[str] | None = None) -> Images:
    """The dataset called `name`: `cifar10`, `cifar100`, `svhn` or `shapes`.

    Args:
        data_dir: the directory of the datasets' files, to which absent ones are downloaded; see `data_directory`.

    Raises:
        InputError: the name is unknown; a file is damaged; it is absent and cannot be downloaded.

    Example:
        >>> load_images("cifar10")  # doctest: +SKIP
        Images(cifar10: 50,000 training and 10,000 test images of (3, 32, 32), 10 classes)
    """
    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    return DATASETS[name](data_directory(data_dir))


def data_directory(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """`data_dir` if given, else `$DBVIZ_DATA`, else the user's cache directory.

    Example:
        >>> data_directory("images")
        PosixPath('images')
    """
    return Path(data_dir or os.environ.get("DBVIZ_DATA") or platformdirs.user_cache_path("dbviz")).expanduser()
