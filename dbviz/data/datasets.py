"""Published datasets through torchvision, and the built-in `shapes`, all as arrays."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from dbviz.core.errors import InputError, unknown_name
from dbviz.data.arrays import Images, ImageSet
from dbviz.data.shapes import shapes

__all__ = ["DATASETS", "data_directory", "load_images"]


def load_images(name: str, data_dir: str | os.PathLike[str] | None = None) -> Images:
    """The dataset called `name`: `cifar10`, `cifar100`, `svhn` or `shapes`.

    Args:
        data_dir: where torchvision's files lie or are downloaded to; see `data_directory`.

    Raises:
        InputError: the name is unknown; a file is damaged; it is absent and cannot be downloaded.
    """
    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    return DATASETS[name](data_directory(data_dir))


def data_directory(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """`data_dir` if given, else `$DBVIZ_DATA`, else the user's cache directory."""
    return Path(data_dir or os.environ.get("DBVIZ_DATA") or platformdirs.user_cache_path("dbviz")).expanduser()


def _cifar10(root: Path) -> Images:
    return _cifar("cifar10", "CIFAR10", root, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


def _cifar100(root: Path) -> Images:
    return _cifar("cifar100", "CIFAR100", root, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))


def _cifar(name: str, class_name: str, root: Path, mean: tuple[float, ...], std: tuple[float, ...]) -> Images:
    source = getattr(_torchvision_datasets(), class_name)
    listed = [*source.train_list, *source.test_list, (source.meta["filename"], source.meta["md5"])]
    files = [(Path(source.base_folder) / file, md5) for file, md5 in listed]
    _fetch(name, root, files, lambda: source(root, download=True))
    splits = {}
    for split in ("train", "test"):
        data = source(root, train=split == "train")
        splits[split] = ImageSet(
            name=name,
            split=split,
            pixels=np.ascontiguousarray(data.data.transpose(0, 3, 1, 2)),
            labels=np.asarray(data.targets, np.int64),
            class_names=tuple(data.classes),
            mean=mean,
            std=std,
        )
    return Images(**splits)


def _svhn(root: Path) -> Images:
    source = _torchvision_datasets().SVHN
    listed = {split: source.split_list[split] for split in ("train", "test")}

    def download() -> None:
        for split in listed:
            source(root, split=split, download=True)

    _fetch("svhn", root, [(Path(file), md5) for _, file, md5 in listed.values()], download)
    splits = {}
    for split in listed:
        data = source(root, split=split)
        splits[split] = ImageSet(
            name="svhn",
            split=split,
            pixels=np.ascontiguousarray(data.data),
            labels=np.asarray(data.labels, np.int64),
            class_names=tuple("0123456789"),
            mean=(0.4377, 0.4438, 0.4728),
            std=(0.1980, 0.2010, 0.1970),
        )
    return Images(**splits)


def _shapes(_: Path) -> Images:
    return Images(train=shapes(20_000, split="train"), test=shapes(4_000, split="test"))


DATASETS: dict[str, Callable[[Path], Images]] = {
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "svhn": _svhn,
    "shapes": _shapes,
}
"""Every dataset by name: a function of the data directory."""


def _fetch(name: str, root: Path, files: list[tuple[Path, str]], download: Callable[[], Any]) -> None:
    """Makes sure that every official file is below `root`, whole.

    torchvision unpickles CIFAR's batches, so nothing is read whose MD5 sum is not the published one.
    """
    from torchvision.datasets.utils import check_integrity

    present = [(root / file, md5) for file, md5 in files if (root / file).exists()]
    for path, md5 in present:
        if not check_integrity(path, md5):
            raise InputError(f"{path} is damaged (not the official MD5 sum): delete it, and it is downloaded again")
    if len(present) == len(files):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        download()
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{name} is not in {root} and could not be downloaded ({_reason(error)}): "
            "give the folder that has it with --data-dir (or $DBVIZ_DATA), or use the built-in --dataset shapes"
        ) from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _torchvision_datasets() -> Any:
    try:
        from torchvision import datasets
    except RuntimeError as error:
        raise InputError(
            f"torchvision cannot be imported ({_reason(error)}): it was built for another torch; install both from the "
            "same index (README, 'Installing'), or use the built-in --dataset shapes"
        ) from error
    return datasets
