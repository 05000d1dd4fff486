"""Agreement of label maps: overall, beyond chance, class by class, and inside the triangle of the three images."""

from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float64, Int32, UInt

from dbviz.core.errors import InputError

__all__ = [
    "agreement",
    "chance_table",
    "inside_triangle",
    "jaccard",
    "kappa",
    "mean_agreement",
    "overlap_tables",
    "pair_table",
]


def agreement(labels_1: UInt[np.ndarray, "*points"], labels_2: UInt[np.ndarray, "*others"]) -> float:
    """Share of points on which two label maps agree, in [0, 1].

    Somepalli et al. 2022, eq. 1, where it is called intersection over union; averaged over planes and pairs of runs
    it is their reproducibility score.

    Raises:
        InputError: the maps have different shapes.

    Example:
        >>> agreement(np.array([[0, 1], [2, 2]], np.uint8), np.array([[0, 1], [2, 3]], np.uint8))
        0.75
    """
    _check_shapes(labels_1, labels_2)
    return float(np.mean(labels_1 == labels_2))


def kappa(labels_1: UInt[np.ndarray, "*points"], labels_2: UInt[np.ndarray, "*others"]) -> float:
    """Agreement corrected for chance, in [-1, 1]: (p - e) / (1 - e), with e the agreement by chance (Cohen 1960).

    e is the sum over classes of the product of the two maps' shares of the class. NaN where e is 1, that is where both
    maps consist of one and the same class.

    Raises:
        InputError: the maps have different shapes.

    Example:
        >>> kappa(np.array([0, 0, 1, 1], np.uint8), np.array([0, 1, 0, 1], np.uint8))  # half agree, as by chance
        0.0
    """
    observed = agreement(labels_1, labels_2)
    bins = max(256, *(int(labels.max()) + 1 for labels in (labels_1, labels_2)))
    shares = [np.bincount(labels.ravel(), minlength=bins) / labels.size for labels in (labels_1, labels_2)]
    expected = float(shares[0] @ shares[1])
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan")


def jaccard(
    labels_1: UInt[np.ndarray, "*points"], labels_2: UInt[np.ndarray, "*others"], classes: int
) -> Float64[np.ndarray, " classes"]:
    """For each class, the points where both maps have it over the points where either has, in [0, 1] (Jaccard 1912).

    NaN for a class that neither map has; `np.nanmean` of the result is the mean Jaccard index.

    Raises:
        InputError: the maps have different shapes.

    Example:
        >>> jaccard(np.array([0, 0, 1, 1], np.uint8), np.array([0, 1, 1, 1], np.uint8), classes=3).round(2)
        array([0.5 , 0.67,  nan])
    """
    _check_shapes(labels_1, labels_2)
    counts_1, counts_2 = (np.bincount(labels.ravel(), minlength=classes) for labels in (labels_1, labels_2))
    both = np.bincount(labels_1[labels_1 == labels_2], minlength=classes)
    either = counts_1 + counts_2 - both
    return np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)


def mean_agreement(labels: UInt[np.ndarray, "model *points"]) -> float:
    """Mean agreement over all pairs of models; NaN for fewer than two.

    Example:
        >>> round(mean_agreement(np.array([[0, 0], [0, 1], [0, 1]], np.uint8)), 3)  # of 1/2, 1/2 and 1
        0.667
    """
    pairs = list(combinations(labels, 2))
    return float(np.mean([agreement(first, second) for first, second in pairs])) if pairs else float("nan")


def pair_table(
    labels: UInt[np.ndarray, "model plane row column"], inside: Bool[np.ndarray, "plane row column"] | None = None
) -> Float64[np.ndarray, "model model plane"]:
    """Agreement of every pair of models on every plane; symmetric, with ones on the diagonal.

    Needs memory for the result and for the planes of one pair.

    Args:
        inside: count these points only, such as those of `inside_triangle`.

    Example:
        >>> labels = np.array([[[[0, 1], [2, 2]]], [[[0, 1], [2, 3]]]], np.uint8)  # two models, one plane
        >>> pair_table(labels)[:, :, 0]
        array([[1.  , 0.75],
               [0.75, 1.  ]])
    """
    models, planes = labels.shape[:2]
    flat = labels.reshape(models, planes, -1)
    counted = None if inside is None else inside.reshape(planes, -1)
    size = flat.shape[2] if counted is None else counted.sum(axis=1)
    table = np.ones((models, models, planes))
    for i, j in combinations(range(models), 2):
        equal = flat[i] == flat[j]
        if counted is not None:
            equal &= counted
        table[i, j] = table[j, i] = np.count_nonzero(equal, axis=1) / size
    return table


def chance_table(
    labels: UInt[np.ndarray, "model plane row column"], classes: int
) -> Float64[np.ndarray, "model model plane"]:
    """Agreement expected by chance of every pair: the sum over classes of the product of the two maps' shares."""
    shares = np.stack([(labels == label).mean(axis=(-2, -1)) for label in range(classes)], axis=-1)
    return np.einsum("ipk,jpk->ijp", shares, shares)


def overlap_tables(
    labels: UInt[np.ndarray, "model plane row column"], classes: int
) -> tuple[Int32[np.ndarray, "class model model plane"], Int32[np.ndarray, "class model model plane"]]:
    """The points of each plane to which both models assign a class, and to which either does."""
    models, planes = labels.shape[:2]
    flat = labels.reshape(models, planes, -1) + np.arange(planes)[:, None] * classes  # distinct numbers in each plane
    bins = planes * classes

    def counted(points: np.ndarray) -> np.ndarray:
        return np.bincount(points.ravel(), minlength=bins).reshape(planes, classes).T

    own = np.stack([counted(model) for model in flat], axis=1)  # class, model, plane
    both = np.zeros((classes, models, models, planes), np.int32)
    for i, j in combinations(range(models), 2):
        both[:, i, j] = both[:, j, i] = counted(flat[i][flat[i] == flat[j]])
    diagonal = np.arange(models)
    both[:, diagonal, diagonal] = own
    return both, (own[:, :, None] + own[:, None] - both).astype(np.int32)


def inside_triangle(
    a: Float64[np.ndarray, " column"], b: Float64[np.ndarray, " row"], anchors: Float64[np.ndarray, "3 2"]
) -> Bool[np.ndarray, "row column"]:
    """Which points of a plane's grid are in the triangle of its three images, edges included.

    These are .5 / (1 + 2 padding)^2 of the grid's points, 34.7 % at the padding .1 of published scores.

    Args:
        a, b: coordinates of the columns and of the rows.
        anchors: coordinates (a, b) of the three images.

    Example:
        >>> inside_triangle(np.arange(3.0), np.arange(3.0), np.array([[0.0, 0], [2, 0], [0, 2]])).astype(int)
        array([[1, 1, 1],
               [1, 1, 0],
               [1, 0, 0]])
    """
    x, y = np.meshgrid(a, b)
    tolerance = 1e-9 * float(np.ptp(anchors, axis=0).prod())
    sides = []
    for (x0, y0), (x1, y1) in zip(anchors, np.roll(anchors, -1, axis=0), strict=True):
        sides.append((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0))
    left, right = (np.all([sign * side >= -tolerance for side in sides], axis=0) for sign in (1, -1))
    return np.logical_or(left, right)


def _check_shapes(labels_1: np.ndarray, labels_2: np.ndarray) -> None:
    if labels_1.shape != labels_2.shape:
        raise InputError(f"label maps of shapes {labels_1.shape} and {labels_2.shape}: compare maps of the same grid")
