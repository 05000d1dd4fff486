"""How far label maps agree."""

from itertools import combinations

import numpy as np
from jaxtyping import UInt8

from dbviz.errors import InputError

__all__ = ["agreement", "mean_agreement"]


def agreement(labels_1: UInt8[np.ndarray, "*points"], labels_2: UInt8[np.ndarray, "*points"]) -> float:
    """Share of points on which two label maps agree, in [0, 1].

    Somepalli et al. 2022, eq. 1, where it is called intersection over union; averaged over planes and pairs of runs
    it is their reproducibility score.

    Raises:
        InputError: the maps have different shapes.

    Example:
        >>> agreement(np.array([[0, 1], [2, 2]], np.uint8), np.array([[0, 1], [2, 3]], np.uint8))
        0.75
    """
    if labels_1.shape != labels_2.shape:
        raise InputError(f"label maps of shapes {labels_1.shape} and {labels_2.shape}: compare maps of the same grid")
    return float(np.mean(labels_1 == labels_2))


def mean_agreement(labels: UInt8[np.ndarray, "model *points"]) -> float:
    """Mean agreement over all pairs of models; no number for fewer than two."""
    pairs = list(combinations(labels, 2))
    return float(np.mean([agreement(one, other) for one, other in pairs])) if pairs else float("nan")
