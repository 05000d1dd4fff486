"""Labels from a file: one for each training image, in the order of the dataset.

    labels.npy                      whole numbers (n,)
    labels.npz, labels.npz:NAME     one array, or the one called NAME (CIFAR-10N: aggre_label, worse_label, ...)
    labels.csv, labels.csv:NAME     one column with or without a heading, or the one headed NAME; classes may be named

CIFAR-10N (Wei et al. 2022) comes as a pickle, which is never read: `CONVERT` turns it into an .npz once. Where a file
holds `clean_label` too, it is compared with the dataset's own labels, which shows a file in another order.
"""

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from dbviz.core.errors import InputError, unknown_name
from dbviz.data.arrays import ImageSet

__all__ = ["CONVERT", "labels_digest", "read_labels"]

CONVERT = """python -c "import numpy, torch; numpy.savez('labels.npz', **torch.load('FILE', weights_only=False))\""""
"""What turns a pickled file of labels that you trust into one that is read here."""

_ENDINGS = (".npz", ".npy", ".csv")
_CLEAN = "clean_label"


def read_labels(source: str, train: ImageSet) -> Int64[np.ndarray, " n"]:
    """The labels at `source`, a path or PATH:NAME, for every image of `train`.

    Raises:
        InputError: the file is absent, of another kind, or a pickle; it has several columns and none is named, or not
            the one named; a label is no class of the dataset; there is not one for each image; or its clean labels
            are not those of the dataset.
    """
    path, name = _split(source)
    columns = _columns(path)
    chosen = _checked(_chosen(columns, name, path), train, path)
    if _CLEAN in columns and len(columns) > 1:
        different = np.flatnonzero(_checked(columns[_CLEAN], train, path) != train.labels)
        if len(different):
            raise InputError(
                f"{path}: its {_CLEAN} differs from the labels of {train.name} at {len(different):,} images, "
                f"first at image {different[0]}: it must be in the order of the dataset"
            )
    return chosen


def labels_digest(labels: Int64[np.ndarray, " n"]) -> str:
    """SHA-256 of the labels, 64 hexadecimal digits: the same whatever file they came in."""
    return hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()


def _split(source: str) -> tuple[Path, str | None]:
    """PATH and NAME of `PATH:NAME`; a path with a colon of its own is understood where it exists."""
    before, colon, after = source.rpartition(":")
    named = colon and Path(before).suffix.lower() in _ENDINGS and not Path(source).exists()
    return (Path(before), after) if named else (Path(source), None)


def _columns(path: Path) -> Mapping[str, np.ndarray]:
    """Every array or column of the file by name; a file with a single nameless one gives it the name ''."""
    if not path.is_file():
        raise InputError(
            f"label noise {str(path)!r} is neither a rate in [0, 1), such as 0.2 or asymmetric:0.4, "
            "nor a file that exists"
        )
    if _is_pickle(path):
        raise InputError(
            f"{path} is a pickle, which can run any code when it is opened, and is not read: "
            f"convert it where you trust it: {CONVERT.replace('FILE', path.name)}"
        )
    if path.suffix.lower() not in _ENDINGS:
        raise InputError(f"{path} is no file of labels: give one of {', '.join(_ENDINGS)}")
    try:
        return _read_csv(path) if path.suffix.lower() == ".csv" else _read_numpy(path)
    except (OSError, ValueError, EOFError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({' '.join(str(error).split())}): give whole numbers") from None


def _is_pickle(path: Path) -> bool:
    """Whether it is a .pt file (a ZIP with a pickle in it, or a bare one); an .npz is a ZIP too."""
    with path.open("rb") as file:
        start = file.read(4)
    bare = start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5"
    return bare or path.suffix.lower() in (".pt", ".pth", ".pkl", ".pickle")


def _read_numpy(path: Path) -> Mapping[str, np.ndarray]:
    try:
        found: Any = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"": found}
        with found:
            return dict(found)
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise InputError(
                f"{path} holds pickled objects, which can run any code, and is not read: "
                "save its labels as whole numbers with numpy.savez"
            ) from None
        raise


def _read_csv(path: Path) -> Mapping[str, np.ndarray]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows:
        raise ValueError("it is empty")
    if len({len(row) for row in rows}) > 1:
        raise ValueError("its lines have different numbers of columns")
    headed = len(rows[0]) > 1 or "label" in rows[0][0].lower()
    names, body = (rows[0], rows[1:]) if headed else ([""], rows)
    return {name.strip(): np.array([row[i].strip() for row in body]) for i, name in enumerate(names)}


def _chosen(columns: Mapping[str, np.ndarray], name: str | None, path: Path) -> np.ndarray:
    if name is not None and name not in columns:
        raise unknown_name(f"labels in {path}", name, columns)
    if name is None and len(columns) != 1:
        raise InputError(f"{path} holds {', '.join(columns)}: name one, such as {path}:{list(columns)[-1]}")
    return columns[name] if name is not None else next(iter(columns.values()))


def _checked(found: np.ndarray, train: ImageSet, path: Path) -> Int64[np.ndarray, " n"]:
    """The labels as numbers, one for each image and each a class of the dataset."""
    if found.shape != (len(train),):
        raise InputError(
            f"{path} has {' x '.join(map(str, found.shape))} labels: "
            f"{train.name} has {len(train):,} training images, give one label each"
        )
    numbers = _numbers(found, train.class_names, path)
    bad = np.flatnonzero((numbers < 0) | (numbers >= len(train.class_names)))
    if len(bad):
        raise InputError(
            f"{path}: label {numbers[bad[0]]} of image {bad[0]} is no class of {train.name}: "
            f"give 0 ... {len(train.class_names) - 1}"
        )
    return numbers


def _numbers(found: np.ndarray, class_names: tuple[str, ...], path: Path) -> Int64[np.ndarray, " n"]:
    if found.dtype.kind in "iu":
        return found.astype(np.int64)
    if found.dtype.kind == "U":
        known = {name: k for k, name in enumerate(class_names)}
        strange = next((word for word in found if not word.lstrip("-").isdecimal() and word not in known), None)
        if strange is not None:
            raise unknown_name(f"class in {path}:", str(strange), class_names)
        return np.array([known.get(word) if word in known else int(word) for word in found], np.int64)
    raise InputError(f"{path} holds labels of type {found.dtype}: give whole numbers")
