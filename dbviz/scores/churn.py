"""How runs differ on test images: predictions that change, and how far the probabilities lie apart."""

from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from dbviz.core.errors import InputError
from dbviz.scores.estimate import Estimate, means_estimate
from dbviz.scores.reproducibility import pairs_estimate

__all__ = ["churn", "churn_table", "grouped", "image_scores", "jensen_shannon"]

_GROUPS = 100
"""Images are left out of the jackknife by the group: a delete-a-group jackknife (Kott 2001)."""


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


def image_scores(logits: Float[np.ndarray, "run n k"], labels: Int64[np.ndarray, " n"]) -> dict[str, Estimate]:
    """Test accuracy, churn and Jensen-Shannon divergence of the runs of one network, by these names.

    The intervals are over runs and over test images, the images in up to a hundred groups. A single run has an
    accuracy alone.

    Raises:
        InputError: fewer than two images.
    """
    predicted = logits.argmax(axis=2)
    found = {"test accuracy": means_estimate(grouped((predicted == labels).astype(float)), bounds=(0.0, 1.0))}
    if len(logits) > 1:
        members = [np.arange(len(logits))]
        probabilities = softmax(logits.astype(float), axis=2)
        found["churn"] = pairs_estimate(churn_table(predicted), members)
        found["divergence"] = pairs_estimate(
            _table(len(logits), lambda i, j: jensen_shannon(probabilities[i], probabilities[j])), members
        )
    return found


def churn_table(predictions: Int64[np.ndarray, "run n"]) -> Float64[np.ndarray, "run run group"]:
    """The churn of every two runs in each of up to a hundred groups of images; nought on the diagonal."""
    return _table(len(predictions), lambda i, j: predictions[i] != predictions[j])


def grouped(values: Float64[np.ndarray, "*runs n"]) -> Float64[np.ndarray, "*runs group"]:
    """Means over groups of images of nearly equal size, in the images' order."""
    parts = np.array_split(values, min(_GROUPS, values.shape[-1]), axis=-1)
    return np.stack([part.mean(axis=-1) for part in parts], axis=-1)


def _table(models: int, compare: Any) -> Float64[np.ndarray, "model model group"]:
    """`compare` of every pair of models, image by image, as means over groups of images."""
    pairs = {(i, j): grouped(np.asarray(compare(i, j), float)) for i, j in combinations(range(models), 2)}
    table = np.zeros((models, models, len(next(iter(pairs.values())))))
    for (i, j), means in pairs.items():
        table[i, j] = table[j, i] = means
    return table
