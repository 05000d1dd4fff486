"""Margins of a set of images: their mean and median, without dropping the directions along which nothing changed.

A direction without a change up to the largest distance searched is right-censored there: its margin is known to be
larger, but not how much larger. Leaving out such directions, or images with many of them (as the code released with
Somepalli et al. 2022 does), leaves out the largest margins. Two quantities can be estimated without bias:

- the **restricted mean** E[min(margin, L)], with L the largest distance: the mean of what is recorded, since a censored
  margin is recorded as L. It is the area under the Kaplan-Meier curve up to L;
- the **median** of Kaplan & Meier 1958, which exists where at least half of the margins are within L.

Intervals are over images, each with all its directions, and over runs. The delete-one jackknife is right for the mean
but not for a median: leaving out one value of n moves the median by at most one rank, and the variance computed so
does not converge to the true one (Efron 1982, chapter 3). It does if d values are left out at once, with d growing
faster than the square root of n (Shao & Wu 1989). So images are left out by random groups, the delete-a-group
jackknife (Kott 2001), of a twentieth of the images, or of sqrt(n) where that is more. A run that is left out is such a
group already.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy
import xarray as xr
from jaxtyping import Bool, Float, Float64, Int64

from dbviz.core.deprecation import renamed_parameter
from dbviz.core.errors import InputError
from dbviz.core.streams import numpy_stream
from dbviz.scores.estimate import Estimate, Factor, jackknife_estimate
from dbviz.scores.networks import runs_by_network
from dbviz.scores.seed_factors import run_factors, seed_texts

__all__ = ["censored_share", "image_margins", "kaplan_meier_median", "mean_margin", "median_margin"]

_MOST_GROUPS = 20
_FEWEST_IMAGES = 4
_ITEMS = {"test": "test images", "train": "training images"}
"""What the images of a split are called."""


def kaplan_meier_median(margin: Float[np.ndarray, "*any"], crossed: Bool[np.ndarray, "*any"]) -> float:
    """The least distance that at least half of the margins do not exceed (Kaplan & Meier 1958); inf if there is none.

    Args:
        margin: distance of the first change, or of the end of the search where `crossed` is false.
        crossed: whether a change was found.

    Raises:
        InputError: no margin is given.

    Example:
        >>> kaplan_meier_median(np.array([1.0, 2, 3, 4, 5]), np.array([True, True, False, True, False]))
        4.0
    """
    if margin.size == 0:
        raise InputError("no margin given: choose at least one image")
    sample = scipy.stats.CensoredData(margin[crossed].astype(float), right=margin[~crossed].astype(float))
    survival = scipy.stats.ecdf(sample).sf
    # a product of shares that is one half may be computed as a little more
    over = survival.probabilities <= 0.5 + 1e-9
    return float(survival.quantiles[np.argmax(over)]) if over.any() else math.inf


def image_margins(margin: Float[np.ndarray, "*any direction"]) -> Float64[np.ndarray, "*any"]:
    """The margin of each image: the mean over its directions, a censored one counted as where its search ended.

    It estimates the restricted mean margin in a random direction, and is a lower bound of the mean where a direction
    is censored. The minimum is no such property of an image: it falls as directions are added.

    Example:
        >>> image_margins(np.array([[1.0, 3.0], [10.0, 10.0]]))
        array([ 2., 10.])
    """
    return margin.mean(axis=-1, dtype=np.float64)


def censored_share(crossed: Bool[np.ndarray, "*any"]) -> float:
    """Share of directions along which no change was found, in [0, 1].

    Example:
        >>> censored_share(np.array([[True, True], [False, True]]))
        0.25
    """
    return float(1 - crossed.mean())


@renamed_parameter("chosen", "mask")
def mean_margin(
    measured: xr.Dataset, *, mask: np.ndarray | xr.DataArray | None = None, level: float = 0.95
) -> dict[str, Estimate]:
    """For each network the restricted mean margin, E[min(margin, largest distance)], over images and runs.

    Args:
        measured: from `dbviz.margins.measure_margins`.
        mask: which images count, (image,) or (model, image): `measured.correct`, or those whose training label was
            altered; by default all.

    Raises:
        InputError: fewer than four images, none of some run, `mask` is no such mask, or `measured` holds no margins.

    Example:
        >>> margin = np.random.default_rng(0).exponential(5.0, (3, 40, 2))  # model, image, direction
        >>> dims = ("model", "image", "direction")
        >>> measured = xr.Dataset({"margin": (dims, np.minimum(margin, 8.0)), "crossed": (dims, margin < 8.0)})
        >>> measured = measured.assign_coords(arch=("model", ["vit"] * 3)).assign_attrs(maximum=8.0)
        >>> mean_margin(measured)["vit"]
        Estimate(4.35 [3.91, 4.79], 40 images, 3 runs)
    """
    return {name: _mean_estimate(part, level) for name, part in _parts(measured, mask).items()}


@renamed_parameter("chosen", "mask")
def median_margin(
    measured: xr.Dataset, *, mask: np.ndarray | xr.DataArray | None = None, level: float = 0.95
) -> dict[str, Estimate]:
    """For each network the Kaplan-Meier median of its margins, of all runs, images and directions together.

    Where half of them may be beyond the largest distance, the interval has no upper end and the note says so.

    Args and Raises: as for `mean_margin`.

    Example:
        >>> margin = np.random.default_rng(0).exponential(5.0, (3, 40, 2))  # model, image, direction
        >>> dims = ("model", "image", "direction")
        >>> measured = xr.Dataset({"margin": (dims, np.minimum(margin, 8.0)), "crossed": (dims, margin < 8.0)})
        >>> measured = measured.assign_coords(arch=("model", ["vit"] * 3)).assign_attrs(maximum=8.0)
        >>> median_margin(measured)["vit"]
        Estimate(3.99 [3.35, 4.63], 40 images, 3 runs)
    """
    return {name: _median_estimate(part, level) for name, part in _parts(measured, mask).items()}


@dataclass(frozen=True, eq=False)
class _Margins:
    """The margins of one network, on the images that count in at least one of its runs."""

    margin: Float[np.ndarray, "run image direction"]
    crossed: Bool[np.ndarray, "run image direction"]
    counts: Bool[np.ndarray, "run image"]
    largest: float
    """The distance at which the search ended."""
    item: str
    factors: list[Factor]


def _mean_estimate(part: _Margins, level: float) -> Estimate:
    total = np.where(part.counts, image_margins(part.margin), 0.0)

    def mean(runs: list[np.ndarray], images: np.ndarray) -> float:
        block = np.ix_(runs[0], images)
        return float(total[block].sum() / part.counts[block].sum())

    runs, images = part.counts.shape
    estimate = jackknife_estimate(
        mean,
        (runs,),
        images,
        item=part.item,
        fewest_runs=1,
        factors=part.factors,
        level=level,
        bounds=(0.0, math.inf),
    )
    share = censored_share(part.crossed[part.counts])
    censored = f"{share:.1%} of the directions show no change up to {part.largest:g} and count as that" if share else ""
    return replace(estimate, note=_joined(estimate.note, censored))


def _median_estimate(part: _Margins, level: float) -> Estimate:
    runs, images = part.counts.shape
    group = _random_groups(images)

    def median(runs: list[np.ndarray], groups: np.ndarray) -> float:
        where = np.zeros_like(part.counts)
        where[runs[0]] = part.counts[runs[0]] & np.isin(group, groups)
        return min(kaplan_meier_median(part.margin[where], part.crossed[where]), part.largest)

    estimate = jackknife_estimate(
        median,
        (runs,),
        images,
        item=part.item,
        groups=int(group.max()) + 1,
        fewest_runs=1,
        factors=part.factors,
        level=level,
        bounds=(0.0, math.inf),
    )
    if estimate.high < part.largest:
        return estimate
    beyond = f"half of the margins may be beyond {part.largest:g}, where the search ended: search farther"
    value = estimate.value if estimate.value < part.largest else math.inf
    return replace(estimate, value=value, high=math.inf, note=_joined(estimate.note, beyond))


def _random_groups(images: int) -> Int64[np.ndarray, " image"]:
    """Each image's group: up to 20 groups whose sizes differ by at most one, of sqrt(images) or more each."""
    count = min(_MOST_GROUPS, math.isqrt(images))
    return numpy_stream(0, "groups of images").permutation(images) % count


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _parts(measured: xr.Dataset, mask: np.ndarray | xr.DataArray | None) -> dict[str, _Margins]:
    """The margins of each network, after checks."""
    if not isinstance(measured, xr.Dataset) or "margin" not in measured or "maximum" not in measured.attrs:
        raise InputError("no margins given: give what dbviz.margins.measure_margins returns")
    margin, crossed = (measured[name].transpose("model", "image", "direction").values for name in ("margin", "crossed"))
    counts = _checked_mask(mask, margin.shape[:2])
    if len(without := np.flatnonzero(~counts.any(axis=1))):
        name = measured.model.values[without[0]]
        raise InputError(f"the mask has no image of {name}: choose images of every run, or leave the run out")
    item = _ITEMS.get(measured.attrs.get("split", ""), "images")
    parts, seeds = {}, seed_texts(measured)
    for network, runs in runs_by_network(measured).items():
        images = np.flatnonzero(counts[runs].any(axis=0))
        if len(images) < _FEWEST_IMAGES:
            raise InputError(f"{len(images)} images of {network} give no interval: choose at least {_FEWEST_IMAGES}")
        block = np.ix_(runs, images)
        largest = float(measured.attrs["maximum"])
        factors = run_factors([seeds[run] for run in runs])
        parts[network] = _Margins(margin[block], crossed[block], counts[block], largest, item, factors)
    return parts


def _checked_mask(mask: np.ndarray | xr.DataArray | None, shape: tuple[int, int]) -> Bool[np.ndarray, "model image"]:
    flags = np.ones(shape, bool) if mask is None else np.asarray(mask)
    if flags.dtype != bool or flags.shape not in (shape, shape[1:]):
        raise InputError(
            f"mask is {flags.dtype} of shape {flags.shape}: give booleans of shape {shape[1:]} (image,) or "
            f"{shape} (model, image)"
        )
    return np.broadcast_to(flags, shape)
