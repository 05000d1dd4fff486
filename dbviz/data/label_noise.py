"""Label noise: which training images of each class get a wrong label, and which label.

Every draw comes from the noise stream, keyed by class, so the same noise can be held fixed over many runs or varied
with them. The images relabelled at a lower rate are relabelled at a higher rate too, with the same wrong labels.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from dbviz.core.deprecation import renamed_parameter
from dbviz.core.errors import InputError, unknown_name
from dbviz.core.streams import numpy_stream
from dbviz.data.arrays import ImageSet
from dbviz.spec import LabelNoise

__all__ = ["ASYMMETRIC", "mislabelled", "noisy_labels", "parse_noise"]

ASYMMETRIC = {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}
"""The wrong label that asymmetric noise gives to each of these classes of CIFAR-10 (Patrini et al. 2017)."""


def parse_noise(text: str) -> LabelNoise | Path | None:
    """The label noise that a text describes: `0.2`, `asymmetric:0.4`, or the path of a file of labels.

    Returns:
        None for a rate of 0.

    Raises:
        InputError: a rate is outside [0, 1), or the kind is unknown.

    Example:
        >>> parse_noise("0.2"), parse_noise("asymmetric:0.4"), parse_noise("labels.csv")
        (LabelNoise(rate=0.2), LabelNoise(kind='asymmetric', rate=0.4), PosixPath('labels.csv'))
    """
    kind, colon, share = text.partition(":") if not _is_number(text) else ("symmetric", ":", text)
    if not (colon and _is_number(share)):
        return Path(text)
    if kind not in ("symmetric", "asymmetric"):
        raise unknown_name("label noise", kind, ["symmetric", "asymmetric"])
    rate = float(share)
    if not 0 <= rate < 1:
        raise InputError(f"label noise is {share}: the rate must be in [0, 1), such as 0.2")
    return LabelNoise(kind="symmetric" if kind == "symmetric" else "asymmetric", rate=rate) if rate else None


@renamed_parameter("given", "file_labels")
def noisy_labels(
    images: ImageSet, noise: LabelNoise | None, seed: int, file_labels: Int64[np.ndarray, " whole"] | None = None
) -> Int64[np.ndarray, " n"]:
    """The labels that a run is trained on.

    symmetric: round(rate x count) images of each class get one of the other classes, each equally likely.
    asymmetric: round(rate x count) images of each class in `ASYMMETRIC` get the label it has there.
    file: `file_labels`.

    Args:
        images: the images trained on, with their true labels.
        seed: of the noise stream.
        file_labels: for noise of kind `file`, the labels of the whole training set, of which `images` are the first.

    Raises:
        InputError: asymmetric noise for a dataset that lacks CIFAR-10's classes, or too few labels from the file.

    Example:
        >>> from dbviz.data import shapes
        >>> images = shapes(1000)
        >>> labels = noisy_labels(images, LabelNoise(rate=0.2), seed=0)
        >>> int(mislabelled(images, labels).sum())
        200
    """
    if noise is None:
        return images.labels
    if noise.rate is None:
        return _from_file(images, file_labels)
    return _symmetric(images, noise.rate, seed) if noise.kind == "symmetric" else _asymmetric(images, noise.rate, seed)


def mislabelled(images: ImageSet, labels: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether the label of each image in `labels` differs from its true one.

    Example:
        >>> from dbviz.data import shapes
        >>> mislabelled(shapes(3), np.array([0, 1, 7])).tolist()
        [False, False, True]
    """
    return labels != images.labels


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _symmetric(images: ImageSet, rate: float, seed: int) -> Int64[np.ndarray, " n"]:
    labels, classes = images.labels.copy(), len(images.class_names)
    for label in range(classes):
        rng = numpy_stream(seed, "label noise", label)
        members = rng.permutation(np.flatnonzero(images.labels == label))
        wrong = (label + rng.integers(1, classes, len(members))) % classes
        count = round(rate * len(members))
        labels[members[:count]] = wrong[:count]
    return labels


def _asymmetric(images: ImageSet, rate: float, seed: int) -> Int64[np.ndarray, " n"]:
    names, labels = images.class_names, images.labels.copy()
    if absent := sorted(ASYMMETRIC.keys() - set(names)):
        raise InputError(
            f"asymmetric label noise is defined for CIFAR-10's classes, and {images.name} has no {absent[0]!r}: "
            "use symmetric noise, such as --label-noise 0.2"
        )
    for source, target in ASYMMETRIC.items():
        rng = numpy_stream(seed, "label noise", names.index(source))
        members = rng.permutation(np.flatnonzero(images.labels == names.index(source)))
        labels[members[: round(rate * len(members))]] = names.index(target)
    return labels


def _from_file(images: ImageSet, file_labels: Int64[np.ndarray, " whole"] | None) -> Int64[np.ndarray, " n"]:
    if file_labels is None or len(file_labels) < len(images):
        count = 0 if file_labels is None else len(file_labels)
        raise InputError(f"{count} labels are given for {len(images)} images: give one each")
    return file_labels[: len(images)]
