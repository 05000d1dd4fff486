"""Margins of a set of images: their mean and median, without dropping the directions along which nothing changed.

A direction without a change up to the largest distance searched is right-censored there: its margin is known to be
larger, not how large. Leaving out such directions, or images that have many (the code released with Somepalli et al.
2022), leaves out the largest margins. Two numbers can be had without bias:

- the **restricted mean** E[min(margin, L)], L the largest distance: the mean of what is recorded, since a censored
  margin is recorded as L. It is the area under the Kaplan-Meier curve up to L;
- the **median** of Kaplan & Meier 1958, which exists where at least half of the margins lie within L.

Intervals resample images, each with all its directions, and runs. The delete-one jackknife is right for the mean but
not for a median: one value of n left out moves the median by at most a place, and the variance found so does not
converge to the true one (Efron 1982, chapter 3). It does if d are left out at once, with d growing faster than the
square root of n (Shao & Wu 1989). So images are left out by random groups, the delete-a-group jackknife (Kott 2001), of
a twentieth of the images, or of sqrt(n) where that is more. A run left out is such a group already.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Float64, Int64
from scipy import stats

from dbviz.core.errors import InputError
from dbviz.core.streams import numpy_stream
from dbviz.scores.estimate import Estimate, jackknife_estimate
from dbviz.scores.networks import groups

__all__ = ["censored_share", "image_margins", "kaplan_meier_median", "mean_margin", "median_margin"]

_MOST_GROUPS = 20
_FEWEST_IMAGES = 4


def kaplan_meier_median(margin: Float[np.ndarray, "*any"], crossed: Bool[np.ndarray, "*any"]) -> float:
    """The least distance by which at least half of the margins are over, by Kaplan & Meier 1958; inf if there is none.

    Args:
        margin: distances of the first change; where `crossed` is false, of the end of the search.

    Raises:
        InputError: there is no margin.

    Example:
        >>> kaplan_meier_median(np.array([1.0, 2, 3, 4, 5]), np.array([True, True, False, True, False]))
        4.0
    """
    if margin.size == 0:
        raise InputError("no margin given: choose at least one image")
    sample = stats.CensoredData(margin[crossed].astype(float), right=margin[~crossed].astype(float))
    survival = stats.ecdf(sample).sf
    # a product of shares that is one half may be computed as a little more
    over = survival.probabilities <= 0.5 + 1e-9
    return float(survival.quantiles[np.argmax(over)]) if over.any() else math.inf


def image_margins(margin: Float[np.ndarray, "*any direction"]) -> Float64[np.ndarray, "*any"]:
    """The margin of each image: the mean over its directions, a censored one counted as where its search ended.

    The restricted mean margin of the image in a random direction, and a lower bound of the mean where a direction is
    censored. The minimum is no such property of an image: it falls with every direction more.
    """
    return margin.mean(axis=-1, dtype=np.float64)


def censored_share(crossed: Bool[np.ndarray, "*any"]) -> float:
    """Share of directions along which no change was found, in [0, 1]."""
    return float(1 - crossed.mean())


def mean_margin(
    measured: xr.Dataset, *, chosen: np.ndarray | xr.DataArray | None = None, level: float = 0.95
) -> dict[str, Estimate]:
    """For each network the restricted mean margin, E[min(margin, largest distance)], over images and runs.

    Args:
        measured: from `dbviz.margins.measure_margins`; the `triplets` of the estimates count its images.
        chosen: which images count, (image,) or (model, image): `measured.correct`, or those whose training label was
            altered; by default all.

    Raises:
        InputError: fewer than four images, a run without a chosen one, or `chosen` is no such mask.
    """
    return {arch: _mean_estimate(part, level) for arch, part in _parts(measured, chosen).items()}


def median_margin(
    measured: xr.Dataset, *, chosen: np.ndarray | xr.DataArray | None = None, level: float = 0.95
) -> dict[str, Estimate]:
    """For each network the Kaplan-Meier median of its margins, those of all runs, images and directions together.

    Where half of them may lie beyond the largest distance, the interval has no upper end and the note says so.

    Args and Raises: as for `mean_margin`.
    """
    return {arch: _median_estimate(part, level) for arch, part in _parts(measured, chosen).items()}


@dataclass(frozen=True, eq=False)
class _Margins:
    """The margins of one architecture, on images of which at least one run counts."""

    margin: Float[np.ndarray, "run image direction"]
    crossed: Bool[np.ndarray, "run image direction"]
    counts: Bool[np.ndarray, "run image"]
    largest: float
    """The distance at which the search ended."""


def _mean_estimate(part: _Margins, level: float) -> Estimate:
    total = np.where(part.counts, image_margins(part.margin), 0.0)

    def mean(kept: list[np.ndarray], images: np.ndarray) -> float:
        block = np.ix_(kept[0], images)
        return float(total[block].sum() / part.counts[block].sum())

    runs, images = part.counts.shape
    estimate = jackknife_estimate(mean, (runs,), images, fewest_runs=1, level=level, bounds=(0.0, math.inf))
    share = censored_share(part.crossed[part.counts])
    censored = f"{share:.1%} of the directions show no change up to {part.largest:g} and count as that" if share else ""
    return replace(estimate, note=_note(runs, censored))


def _median_estimate(part: _Margins, level: float) -> Estimate:
    runs, images = part.counts.shape
    group = _random_groups(images)

    def median(kept: list[np.ndarray], groups: np.ndarray) -> float:
        where = np.zeros_like(part.counts)
        where[kept[0]] = part.counts[kept[0]] & np.isin(group, groups)
        return min(kaplan_meier_median(part.margin[where], part.crossed[where]), part.largest)

    count = int(group.max()) + 1
    estimate = jackknife_estimate(median, (runs,), count, fewest_runs=1, level=level, bounds=(0.0, math.inf))
    estimate = replace(estimate, triplets=images, note=_note(runs))
    if estimate.high < part.largest:
        return estimate
    beyond = f"half of the margins may lie beyond {part.largest:g}, where the search ended: measure farther"
    value = estimate.value if estimate.value < part.largest else math.inf
    return replace(estimate, value=value, high=math.inf, note=_note(runs, beyond))


def _random_groups(images: int) -> Int64[np.ndarray, " image"]:
    """The number of each image's group: up to 20 groups of equal size to within one, of sqrt(images) or more each."""
    count = min(_MOST_GROUPS, math.isqrt(images))
    return numpy_stream(0, "groups of images").permutation(images) % count


def _note(runs: int, more: str = "") -> str:
    alone = "over images alone: 1 run cannot show how runs vary" if runs == 1 else ""
    return "; ".join(filter(None, (alone, more)))


def _parts(measured: xr.Dataset, chosen: np.ndarray | xr.DataArray | None) -> dict[str, _Margins]:
    """The margins of each architecture, after checks."""
    if "margin" not in measured or "maximum" not in measured.attrs:
        raise InputError("no margins given: give what dbviz.margins.measure_margins returns")
    margin, crossed = measured.margin.values, measured.crossed.values
    counts = _checked_choice(chosen, margin.shape[:2])
    if len(without := np.flatnonzero(~counts.any(axis=1))):
        name = measured.model.values[without[0]]
        raise InputError(f"no image is chosen for {name}: choose images of every run, or leave the run out")
    parts = {}
    for arch, runs in groups(measured).items():
        images = np.flatnonzero(counts[runs].any(axis=0))
        if len(images) < _FEWEST_IMAGES:
            raise InputError(f"{len(images)} images of {arch} give no interval: choose at least {_FEWEST_IMAGES}")
        block = np.ix_(runs, images)
        parts[arch] = _Margins(margin[block], crossed[block], counts[block], float(measured.attrs["maximum"]))
    return parts


def _checked_choice(
    chosen: np.ndarray | xr.DataArray | None, shape: tuple[int, int]
) -> Bool[np.ndarray, "model image"]:
    mask = np.ones(shape, bool) if chosen is None else np.asarray(chosen)
    if mask.dtype != bool or mask.shape not in (shape, shape[1:]):
        raise InputError(
            f"chosen is {mask.dtype} of shape {mask.shape}: give booleans of shape {shape[1:]} (image,) or "
            f"{shape} (model, image)"
        )
    return np.broadcast_to(mask, shape)
