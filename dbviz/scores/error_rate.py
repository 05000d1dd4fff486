"""The share of images that runs get wrong, with its interval over runs and images."""

import numpy as np
from jaxtyping import Bool, Int64

from dbviz.core.errors import InputError
from dbviz.scores.estimate import Estimate, jackknife_estimate

__all__ = ["error_rate"]

_GROUPS = 50


def error_rate(
    wrong: Bool[np.ndarray, "run image"],
    counted: Bool[np.ndarray, "run image"] | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Mean over runs of the share of images that are wrong, in [0, 1].

    The interval resamples runs and images, these in up to 50 groups; `triplets` of the estimate counts the images.

    Args:
        counted: which images count in which run, such as those that were mislabelled; by default all.

    Raises:
        InputError: fewer than two images count.
    """
    counts = np.ones_like(wrong) if counted is None else counted
    images = np.flatnonzero(counts.any(axis=0))
    if len(images) < 2 or not counts.any(axis=1).all():
        raise InputError(f"{len(images)} images give no error with an interval: choose at least two of every run")
    sums, sizes = (_by_group(part[:, images]) for part in (wrong & counts, counts))

    def share(runs: np.ndarray, groups: np.ndarray) -> float:
        block = np.ix_(runs, groups)
        return float(np.mean(sums[block].sum(axis=1) / np.maximum(sizes[block].sum(axis=1), 1)))

    estimate = jackknife_estimate(
        lambda kept, groups: share(kept[0], groups),
        (len(wrong),),
        sums.shape[1],
        fewest_runs=1,
        level=level,
        bounds=(0.0, 1.0),
    )
    return Estimate(**{**vars(estimate), "triplets": len(images)})


def _by_group(flags: Bool[np.ndarray, "run image"]) -> Int64[np.ndarray, "run group"]:
    count = min(_GROUPS, flags.shape[1])
    group = np.arange(flags.shape[1]) % count
    return np.stack([np.bincount(group, weights=row, minlength=count) for row in flags]).astype(np.int64)
