"""Is the grid fine enough? The number of fragments of one plane at half, the full and double resolution."""

import xarray as xr

from dbviz.errors import InputError
from dbviz.scores.estimate import Estimate
from dbviz.scores.reproducibility import fragmentation

__all__ = ["coarser", "convergence"]

_STRIDES = (4, 2, 1)
"""Of half, the full and double resolution."""
_FEWEST_POINTS = 5
"""A side of five points leaves two at half resolution."""


def convergence(
    maps_double: xr.Dataset, *, connectivity: int = 8, level: float = 0.95
) -> dict[str, dict[int, Estimate]]:
    """For each network: points a side -> mean number of fragments of a plane, coarse to fine.

    One fine sampling gives all three: double is the maps as they are, full is every second row and column from the
    first, half every fourth. Sampled at 2 n - 1 points the full grid is that of `resolution=n` point for point, and for
    an odd n the half grid ends at the same edges too; at 2 n points the coarser grids end one and three fine steps
    before the far edge.

    Counts that still rise from full to double are counts of the grid as much as of the network. The three are of the
    same planes and runs, so their difference is known better than their intervals suggest.

    Args:
        maps_double: label maps sampled at twice the resolution that is judged.

    Raises:
        InputError: fewer than five points a side, fewer than two planes, or connectivity neither 4 nor 8.
    """
    points = min(maps_double.sizes["row"], maps_double.sizes["column"])
    if points < _FEWEST_POINTS:
        raise InputError(f"maps of {points} points a side have no half: sample at least {_FEWEST_POINTS} a side")
    found: dict[str, dict[int, Estimate]] = {}
    for stride in _STRIDES:
        maps = coarser(maps_double, stride)
        for arch, estimate in fragmentation(maps, connectivity=connectivity, level=level).items():
            found.setdefault(arch, {})[maps.sizes["row"]] = estimate
    return found


def coarser(maps: xr.Dataset, stride: int) -> xr.Dataset:
    """Rows and columns 0, stride, 2 stride ... of label maps, with their axes."""
    return maps.isel(row=slice(None, None, stride), column=slice(None, None, stride))
