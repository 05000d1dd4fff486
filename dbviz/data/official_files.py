"""Published files of datasets: downloaded where they are absent, and compared with the published MD5 sums."""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dbviz.core.errors import InputError

__all__ = ["ensure_files", "torchvision_datasets"]


def ensure_files(name: str, root: Path, files: Mapping[str, str], download: Callable[[], Any]) -> None:
    """Downloads the files of a dataset unless all of them are below `root`, and verifies them.

    The files of CIFAR are pickles, so nothing may be opened before its MD5 sum was found to be the published one.

    Args:
        name: of the dataset, for messages.
        files: the MD5 sum of each file, by its path below `root`.
        download: puts all files below `root`.

    Raises:
        InputError: a file is damaged, or one is absent and the download fails.
    """
    paths = {root / file: md5 for file, md5 in files.items()}
    if not all(path.is_file() for path in paths):
        try:
            root.mkdir(parents=True, exist_ok=True)
            download()
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"{name} is not in {root} and could not be downloaded ({_one_line(error)}): "
                "give the folder that has it with --data-dir (or $DBVIZ_DATA), or use the built-in --dataset shapes"
            ) from error
    with ThreadPoolExecutor() as pool:  # hashing releases the interpreter's lock
        sums = list(pool.map(_md5, paths))
    for (path, expected), md5 in zip(paths.items(), sums, strict=True):
        if md5 != expected:
            raise InputError(f"{path} is damaged (not the official MD5 sum): delete it, and it is downloaded again")


def torchvision_datasets() -> Any:
    """`torchvision.datasets`, imported where it is needed: it imports torch's compiler, which takes seconds.

    Raises:
        InputError: torchvision was built for another torch.
    """
    try:
        from torchvision import datasets
    except RuntimeError as error:
        raise InputError(
            f"torchvision cannot be imported ({_one_line(error)}): it was built for another torch; install both from "
            "the same index (docs/installation.md), or use the built-in --dataset shapes"
        ) from error
    return datasets


def _md5(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
