"""The share of images that runs classify wrongly, with its interval over runs and images."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64

from dbviz.core.deprecation import renamed_parameter
from dbviz.core.errors import InputError
from dbviz.scores.estimate import Estimate, Factor, jackknife_estimate

__all__ = ["error_rate"]

_GROUPS = 50


@renamed_parameter("counted", "mask")
def error_rate(
    wrong: Bool[np.ndarray, "run image"],
    mask: Bool[np.ndarray, "run image"] | None = None,
    *,
    item: str = "test images",
    factors: Sequence[Factor] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Mean over runs of the share of images that are classified wrongly, in [0, 1].

    The interval is over runs and over images, which are left out in up to 50 groups.

    Args:
        mask: which images count in which run, such as those that were mislabelled; by default all.
        item: what the images are, for the record.
        factors: which runs are left out together; see `jackknife_estimate`.

    Raises:
        InputError: fewer than two images count, or none of some run.

    Example:
        >>> error_rate(np.array([[True, False, False, False], [True, True, False, False]]))
        Estimate(0.38 [0.00, 1.00], 4 test images, 2 runs)
    """
    counts = np.ones_like(wrong) if mask is None else mask
    images = np.flatnonzero(counts.any(axis=0))
    if len(images) < 2 or not counts.any(axis=1).all():
        raise InputError(f"{len(images)} images give no error with an interval: choose at least two of every run")
    sums, sizes = (_by_group(part[:, images]) for part in (wrong & counts, counts))

    def share(runs: list[np.ndarray], groups: np.ndarray) -> float:
        block = np.ix_(runs[0], groups)
        return float(np.mean(sums[block].sum(axis=1) / np.maximum(sizes[block].sum(axis=1), 1)))

    return jackknife_estimate(
        share,
        (len(wrong),),
        len(images),
        item=item,
        groups=sums.shape[1],
        fewest_runs=1,
        factors=factors,
        level=level,
        bounds=(0.0, 1.0),
    )


def _by_group(flags: Bool[np.ndarray, "run image"]) -> Int64[np.ndarray, "run group"]:
    """The number of flags set in each group; image i is in group i modulo their number."""
    count = min(_GROUPS, flags.shape[1])
    group = np.arange(flags.shape[1]) % count
    return np.stack([np.bincount(group, weights=row, minlength=count) for row in flags]).astype(np.int64)
