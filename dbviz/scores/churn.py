"""How runs differ on test images: predictions that change, and the divergence of predicted probabilities."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float, Float64, Int64

from dbviz.core.errors import InputError
from dbviz.scores.estimate import Estimate, means_estimate
from dbviz.scores.reproducibility import pairs_estimate

__all__ = ["churn", "churn_table", "group_means", "image_scores", "jensen_shannon"]

_GROUPS = 100
"""The jackknife leaves out images by the group: a delete-a-group jackknife (Kott 2001)."""


def churn(labels_1: Int64[np.ndarray, " n"], labels_2: Int64[np.ndarray, " others"]) -> float:
    """Share of images that two models classify differently, in [0, 1] (Milani Fard et al. 2016).

    Raises:
        InputError: there are predictions for different numbers of images.

    Example:
        >>> churn(np.array([0, 1, 2, 3]), np.array([0, 1, 2, 2]))
        0.25
    """
    if len(labels_1) != len(labels_2):
        raise InputError(f"predictions for {len(labels_1)} and {len(labels_2)} images: compare on the same images")
    return float(np.mean(labels_1 != labels_2))


def jensen_shannon(
    probabilities_1: Float[np.ndarray, "n k"], probabilities_2: Float[np.ndarray, "others classes"]
) -> Float[np.ndarray, " n"]:
    """Jensen-Shannon divergence of each image's two class distributions, in bits: 0 if equal, 1 if disjoint.

    The mean of the two Kullback-Leibler divergences from the average distribution (Lin 1991).

    Raises:
        InputError: the shapes differ.

    Example:
        >>> jensen_shannon(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.5, 0.5], [0.0, 1.0]]))
        array([0., 1.])
    """
    if probabilities_1.shape != probabilities_2.shape:
        raise InputError(
            f"probabilities of shapes {probabilities_1.shape} and {probabilities_2.shape}: give equal shapes"
        )
    distance: Any = scipy.spatial.distance.jensenshannon  # scipy's annotations lack `axis`
    return np.asarray(distance(probabilities_1, probabilities_2, base=2, axis=1) ** 2)


def image_scores(logits: Float[np.ndarray, "run n k"], labels: Int64[np.ndarray, " n"]) -> dict[str, Estimate]:
    """Test accuracy, churn and Jensen-Shannon divergence of the runs of one network, by these names.

    The intervals are over runs and over test images, which are left out in up to a hundred groups. A single run has
    an accuracy only.

    Args:
        logits: outputs of each run for each test image.
        labels: the true classes.

    Raises:
        InputError: fewer than two images.

    Example:
        >>> logits = np.random.default_rng(0).standard_normal((3, 200, 2))
        >>> image_scores(logits, np.zeros(200, np.int64))["churn"]
        Estimate(0.47 [0.42, 0.52], 200 test images, 3 runs)
    """
    images: dict[str, Any] = {"items": len(labels), "item": "test images"}
    predicted = logits.argmax(axis=2)
    correct = group_means((predicted == labels).astype(float))
    scores = {"test accuracy": means_estimate(correct, **images, bounds=(0.0, 1.0))}
    if len(logits) > 1:
        runs = [np.arange(len(logits))]
        probabilities = scipy.special.softmax(logits.astype(float), axis=2)
        divergences = _table(len(logits), lambda i, j: jensen_shannon(probabilities[i], probabilities[j]))
        scores["churn"] = pairs_estimate(churn_table(predicted), runs, **images)
        scores["divergence"] = pairs_estimate(divergences, runs, **images)
    return scores


def churn_table(predictions: Int64[np.ndarray, "run n"]) -> Float64[np.ndarray, "run run group"]:
    """The churn of every two runs in each of up to a hundred groups of images; zero on the diagonal."""
    return _table(len(predictions), lambda i, j: predictions[i] != predictions[j])


def group_means(values: Float64[np.ndarray, "*runs n"]) -> Float64[np.ndarray, "*runs group"]:
    """Means over up to a hundred groups of images of nearly equal size, in the images' order."""
    groups = np.array_split(values, min(_GROUPS, values.shape[-1]), axis=-1)
    return np.stack([group.mean(axis=-1) for group in groups], axis=-1)


def _table(models: int, compare: Callable[[int, int], np.ndarray]) -> Float64[np.ndarray, "model model group"]:
    """`compare` of every pair of models, image by image, as means over groups of images."""
    pairs = {(i, j): group_means(np.asarray(compare(i, j), float)) for i, j in combinations(range(models), 2)}
    table = np.zeros((models, models, len(next(iter(pairs.values())))))
    for (i, j), means in pairs.items():
        table[i, j] = table[j, i] = means
    return table
