"""Fragments of a plane, their areas and boundaries, and whether the grid is fine enough to count them."""

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64, UInt
from scipy import ndimage

from dbviz.core.errors import InputError
from dbviz.scores.estimate import Estimate, means_estimate
from dbviz.scores.label_arrays import check_label_maps, label_array
from dbviz.scores.networks import runs_by_network
from dbviz.scores.seed_factors import run_factors, seed_texts

__all__ = [
    "boundary_length",
    "class_areas",
    "class_skips",
    "coarser",
    "convergence",
    "fragmentation",
    "fragments",
]

_CHUNK_POINTS = 2**20
"""Points labelled in one call; each takes some ten bytes of memory."""
_STRUCTURES = {4: ndimage.generate_binary_structure(2, 1), 8: ndimage.generate_binary_structure(2, 2)}


def fragments(
    labels: UInt[np.ndarray, "*maps row column"], connectivity: int = 8, *, minimum_area: int = 1
) -> Int64[np.ndarray, "*maps"]:
    """The number of connected components of equal label of each map, summed over the labels.

    Somepalli et al. 2022, section 5; their released code uses 8-connectivity. A checkerboard of two classes has 2
    fragments with 8-connectivity, and as many as it has points with 4-connectivity.

    Args:
        connectivity: whether points that touch at a corner are connected (8) or not (4).
        minimum_area: components of fewer points are not counted.

    Raises:
        InputError: connectivity is neither 4 nor 8, or the minimum area is below 1.

    Example:
        >>> int(fragments(np.array([[0, 1], [1, 0]], np.uint8), connectivity=4))
        4
    """
    if connectivity not in _STRUCTURES:
        raise InputError(f"connectivity is {connectivity!r}: choose 4 or 8")
    if minimum_area < 1:
        raise InputError(f"minimum_area is {minimum_area}: it must be at least 1 point")
    stack = labels.reshape(-1, *labels.shape[-2:])
    size = max(1, _CHUNK_POINTS // max(1, stack[0].size)) if len(stack) else 1
    chunks = [stack[start : start + size] for start in range(0, len(stack), size)]
    counts = [_fragments_of_stack(chunk, connectivity, minimum_area) for chunk in chunks]
    return np.concatenate([*counts, np.empty(0, np.int64)]).reshape(labels.shape[:-2])


def class_areas(labels: UInt[np.ndarray, "*maps row column"], classes: int) -> Float64[np.ndarray, "*maps classes"]:
    """The share of each map's points that belong to each class; the shares of a map sum to 1.

    Example:
        >>> class_areas(np.array([[0, 0], [0, 2]], np.uint8), classes=3)
        array([0.75, 0.  , 0.25])
    """
    return np.stack([(labels == label).mean(axis=(-2, -1)) for label in range(classes)], axis=-1)


def boundary_length(
    labels: UInt[np.ndarray, "*maps row column"], a_step: float = 1.0, b_step: float = 1.0
) -> Float64[np.ndarray, "*maps"]:
    """Length of the boundary between labels along the edges of the grid's cells, in units of the axes' steps.

    Two neighbours in a row that differ have an edge of `b_step` between them, two in a column one of `a_step`. A
    slanted boundary is a staircase, up to sqrt(2) longer than the line through it.

    Example:
        >>> float(boundary_length(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.uint8)))
        4.0
    """
    beside = (labels[..., :, 1:] != labels[..., :, :-1]).sum(axis=(-2, -1))
    above = (labels[..., 1:, :] != labels[..., :-1, :]).sum(axis=(-2, -1))
    return np.asarray(beside * float(b_step) + above * float(a_step))


def class_skips(labels: UInt[np.ndarray, "*segments point"]) -> Int64[np.ndarray, "*segments"]:
    """The number of label changes along each segment (defined in the code of Somepalli et al. 2022).

    Example:
        >>> class_skips(np.array([[1, 1, 2, 2, 1], [3, 3, 3, 3, 3]], np.uint8))
        array([2, 0])
    """
    return (labels[..., 1:] != labels[..., :-1]).sum(axis=-1)


def _fragments_of_stack(
    stack: UInt[np.ndarray, "map row column"], connectivity: int, minimum_area: int
) -> Int64[np.ndarray, " map"]:
    """The fragments of each map, all maps labelled in one call: its structure connects nothing across maps."""
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = _STRUCTURES[connectivity]
    counts = np.zeros(len(stack), np.int64)
    for label in np.unique(stack):
        components = np.empty(stack.shape, np.int32)
        count = ndimage.label(stack == label, structure, output=components)
        counts += _components_of_each(components, int(count), minimum_area)  # pyright: ignore[reportArgumentType]
    return counts


def _components_of_each(components: np.ndarray, count: int, minimum_area: int) -> Int64[np.ndarray, " map"]:
    """The number of components in each map of the stack."""
    areas = np.bincount(components.ravel(), minlength=count + 1)[1:]
    # ndimage.label numbers components along the stack, so a map's components end at the largest number seen so far
    last = np.maximum.accumulate(components.reshape(len(components), -1).max(axis=1))
    large_enough = np.concatenate([[0], np.cumsum(areas >= minimum_area)])
    return np.diff(large_enough[last], prepend=0).astype(np.int64)


def fragmentation(
    maps: xr.Dataset, *, connectivity: int = 8, minimum_area: int = 1, level: float = 0.95
) -> dict[str, Estimate]:
    """For each network the mean number of fragments of a plane, over runs and planes (Somepalli et al. 2022, 5).

    Raises:
        InputError: fewer than two planes, or `maps` are no label maps.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> fragmentation(dbviz.label_maps.from_array(labels, networks=["vit", "vit", "fcnet"]))["vit"]
        Estimate(5.88 [2.72, 9.03], 4 planes, 2 runs)
    """
    counts = fragments(label_array(maps), connectivity, minimum_area=minimum_area).astype(float)
    seeds = seed_texts(maps)
    bounds = 0.0, float("inf")
    return {
        name: means_estimate(
            counts[runs], factors=run_factors([seeds[run] for run in runs]), level=level, bounds=bounds
        )
        for name, runs in runs_by_network(maps).items()
    }


_STRIDES = (4, 2, 1)
"""Strides for half, full and double resolution."""
_FEWEST_POINTS = 5
"""Five points a side leave two at half resolution."""


def convergence(
    maps_double: xr.Dataset, *, connectivity: int = 8, level: float = 0.95
) -> dict[str, dict[int, Estimate]]:
    """For each network: points a side -> mean number of fragments of a plane, from the coarse grid to the fine one.

    One fine sampling serves three resolutions: double is the maps as given, full is every second row and column from
    the first, half every fourth. Sampled at 2 n - 1 points, the full grid is point for point that of `resolution=n`,
    and for an odd n the half grid ends at the same edges too; at 2 n points the coarser grids end one and three fine
    steps before the far edge.

    A count that still rises from full to double depends on the grid as much as on the network. The three counts are
    of the same planes and runs, so their difference is known better than their intervals suggest.

    Args:
        maps_double: label maps sampled at twice the resolution that is to be checked.

    Raises:
        InputError: fewer than five points a side, fewer than two planes, connectivity neither 4 nor 8, or `maps_double`
            are no label maps.

    Example:
        >>> import dbviz
        >>> stripes = np.broadcast_to(np.arange(9) // 2 % 2, (1, 2, 9, 9))  # model, plane, row, column
        >>> counts = convergence(dbviz.label_maps.from_array(stripes, networks="vit"))["vit"]
        >>> {points: estimate.value for points, estimate in counts.items()}  # stripes two points wide
        {3: 1.0, 5: 5.0, 9: 5.0}
    """
    check_label_maps(maps_double)
    points = min(maps_double.sizes["row"], maps_double.sizes["column"])
    if points < _FEWEST_POINTS:
        raise InputError(f"maps of {points} points a side cannot be halved: sample at least {_FEWEST_POINTS} a side")
    counts: dict[str, dict[int, Estimate]] = {}
    for stride in _STRIDES:
        maps = coarser(maps_double, stride)
        for name, estimate in fragmentation(maps, connectivity=connectivity, level=level).items():
            counts.setdefault(name, {})[maps.sizes["row"]] = estimate
    return counts


def coarser(maps: xr.Dataset, stride: int) -> xr.Dataset:
    """Rows and columns 0, stride, 2 stride ... of label maps, with their axes."""
    return maps.isel(row=slice(None, None, stride), column=slice(None, None, stride))
