"""Scores of the test images, network by network."""

from collections.abc import Sequence

import numpy as np

from dbviz.data import Images
from dbviz.runs import Run
from dbviz.scores import Estimate, image_scores
from dbviz.spec import network_names

__all__ = ["image_scores_of"]


def image_scores_of(runs: Sequence[Run], images: Images) -> dict[str, dict[str, Estimate]]:
    """Test accuracy, churn and divergence of each network, by the name of the score."""
    by_network: dict[str, list[Run]] = {}
    for name, run in zip(network_names([run.spec for run in runs]), runs, strict=True):
        by_network.setdefault(name, []).append(run)
    scores: dict[str, dict[str, Estimate]] = {}
    for name, siblings in by_network.items():
        logits = np.stack([run.test_logits().numpy() for run in siblings])
        for score, estimate in image_scores(logits, images.test.labels).items():
            scores.setdefault(score, {})[name] = estimate
    return scores
