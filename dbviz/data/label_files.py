"""Labels from a file: one for each training image, in the order of the dataset.

    labels.npy                      whole numbers (n,)
    labels.npz, labels.npz:NAME     one array, or the one called NAME (CIFAR-10N: aggre_label, worse_label, ...)
    labels.csv, labels.csv:NAME     one column with or without a heading, or the one headed NAME; classes may be named

CIFAR-10N (Wei et al. 2022) comes as a pickle, which is never read: the command `CONVERT` turns it into an .npz. If a
file also has an array `clean_label`, it is compared with the dataset's labels, to detect a file in another order.
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
"""A command that converts a pickled file of labels, if you trust it, into one that is read here."""

_ENDINGS = (".npz", ".npy", ".csv")
_CLEAN = "clean_label"


def read_labels(source: str, train: ImageSet) -> Int64[np.ndarray, " n"]:
    """The labels in the file `source`, a path or PATH:NAME, one for every image of `train`.

    Raises:
        InputError: the file is absent, of another kind, or a pickle; it has several columns and `source` names none,
            or one that is absent; a label is no class of the dataset; their number is not that of the images; or its
            clean labels are not those of the dataset.

    Example:
        >>> import tempfile
        >>> from dbviz.data import shapes
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "labels.csv")
        ...     _ = path.write_text("worker_1,worker_2\\n0,disc\\n1,star\\n")
        ...     read_labels(f"{path}:worker_2", shapes(2)).tolist()
        [0, 5]
    """
    path, name = _split(source)
    columns = _columns(path)
    labels = _checked(_column(columns, name, path), train, path)
    if _CLEAN in columns and len(columns) > 1:
        different = np.flatnonzero(_checked(columns[_CLEAN], train, path) != train.labels)
        if len(different):
            raise InputError(
                f"{path}: its {_CLEAN} differs from the labels of {train.name} at {len(different):,} images, "
                f"first at image {different[0]}: it must be in the order of the dataset"
            )
    return labels


def labels_digest(labels: Int64[np.ndarray, " n"]) -> str:
    """SHA-256 of the labels, 64 hexadecimal digits; independent of the format of their file.

    Example:
        >>> labels_digest(np.array([0, 1, 2]))[:10]
        'ab25350e3e'
    """
    return hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()


def _split(source: str) -> tuple[Path, str | None]:
    """PATH and NAME of `PATH:NAME`; an existing file whose name contains a colon is a path."""
    before, colon, after = source.rpartition(":")
    named = colon and Path(before).suffix.lower() in _ENDINGS and not Path(source).exists()
    return (Path(before), after) if named else (Path(source), None)


def _columns(path: Path) -> Mapping[str, np.ndarray]:
    """Every array or column of the file by name; the only column of a file without names is called ''."""
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
    """Whether a file is a pickle, or a .pt file, which is a ZIP that contains one (an .npz is a ZIP too)."""
    with path.open("rb") as file:
        start = file.read(4)
    plain_pickle = start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5"
    return plain_pickle or path.suffix.lower() in (".pt", ".pth", ".pkl", ".pickle")


def _read_numpy(path: Path) -> Mapping[str, np.ndarray]:
    try:
        content: Any = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"": content}
        with content:
            return dict(content)
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
    has_header = len(rows[0]) > 1 or "label" in rows[0][0].lower()
    names, body = (rows[0], rows[1:]) if has_header else ([""], rows)
    return {name.strip(): np.array([row[i].strip() for row in body]) for i, name in enumerate(names)}


def _column(columns: Mapping[str, np.ndarray], name: str | None, path: Path) -> np.ndarray:
    """The column called `name`, or the only one."""
    if name is not None and name not in columns:
        raise unknown_name(f"labels in {path}", name, columns)
    if name is None and len(columns) != 1:
        raise InputError(f"{path} holds {', '.join(columns)}: name one, such as {path}:{list(columns)[-1]}")
    return columns[name] if name is not None else next(iter(columns.values()))


def _checked(column: np.ndarray, train: ImageSet, path: Path) -> Int64[np.ndarray, " n"]:
    """The labels as numbers, after a check that there is one for each image and each is a class of the dataset."""
    if column.shape != (len(train),):
        raise InputError(
            f"{path} has {' x '.join(map(str, column.shape))} labels: "
            f"{train.name} has {len(train):,} training images, give one label each"
        )
    numbers = _numbers(column, train.class_names, path)
    bad = np.flatnonzero((numbers < 0) | (numbers >= len(train.class_names)))
    if len(bad):
        raise InputError(
            f"{path}: label {numbers[bad[0]]} of image {bad[0]} is no class of {train.name}: "
            f"give 0 ... {len(train.class_names) - 1}"
        )
    return numbers


def _numbers(column: np.ndarray, class_names: tuple[str, ...], path: Path) -> Int64[np.ndarray, " n"]:
    """Labels as numbers, from numbers or from text that contains numbers or names of classes."""
    if column.dtype.kind in "iu":
        return column.astype(np.int64)
    if column.dtype.kind == "U":
        index = {name: k for k, name in enumerate(class_names)}
        unknown = next((word for word in column if not word.lstrip("-").isdecimal() and word not in index), None)
        if unknown is not None:
            raise unknown_name(f"class in {path}:", str(unknown), class_names)
        return np.array([index.get(word) if word in index else int(word) for word in column], np.int64)
    raise InputError(f"{path} holds labels of type {column.dtype}: give whole numbers")
