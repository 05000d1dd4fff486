"""How two runs differ on test images: predictions that change, and how far the probabilities lie apart."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from scipy.spatial.distance import jensenshannon

from dbviz.errors import InputError

__all__ = ["churn", "jensen_shannon"]


def churn(labels_1: Int64[np.ndarray, " n"], labels_2: Int64[np.ndarray, " others"]) -> float:
    """Share of images that two models classify differently, in [0, 1] (Milani Fard et al. 2016).

    Raises:
        InputError: the models were given different numbers of images.
    """
    if len(labels_1) != len(labels_2):
        raise InputError(f"predictions for {len(labels_1)} and {len(labels_2)} images: compare on the same images")
    return float(np.mean(labels_1 != labels_2))


def jensen_shannon(
    probabilities_1: Float[np.ndarray, "n k"], probabilities_2: Float[np.ndarray, "others classes"]
) -> Float[np.ndarray, " n"]:
    """Jensen-Shannon divergence of each image's two class distributions, in bits: 0 where equal, 1 where disjoint.

    The mean of the two Kullback-Leibler divergences from the average distribution (Lin 1991).

    Raises:
        InputError: the shapes differ.
    """
    if probabilities_1.shape != probabilities_2.shape:
        raise InputError(f"probabilities of shapes {probabilities_1.shape} and {probabilities_2.shape}: compare alike")
    distance: Any = jensenshannon  # scipy's annotations lack `axis`
    return np.asarray(distance(probabilities_1, probabilities_2, base=2, axis=1) ** 2)
