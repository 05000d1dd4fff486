"""Reproducibility and fragmentation of label maps, each with its interval over triplets and runs."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float64

from dbviz.errors import InputError
from dbviz.scores.agreement import inside_triangle, pair_table
from dbviz.scores.estimate import Estimate, jackknife_estimate
from dbviz.scores.fragmentation import fragments
from dbviz.scores.networks import groups

__all__ = ["fragmentation", "pairs_estimate", "reproducibility", "reproducibility_matrix"]


def reproducibility(maps: xr.Dataset, *, inside: bool = False, level: float = 0.95) -> Estimate:
    """Mean agreement over planes and over all pairs of runs of one network (Somepalli et al. 2022, eq. 1).

    Args:
        maps: label maps of at least two runs of one network, on at least two planes.
        inside: count the points inside the triangle of the three images only.

    Raises:
        InputError: several networks (use `reproducibility_matrix`), fewer than two runs or two planes.
    """
    found = groups(maps)
    if len(found) > 1:
        raise InputError(f"the maps are of {', '.join(found)}: choose one, or use reproducibility_matrix")
    (runs,) = found.values()
    table = pair_table(maps.labels.values, _inside(maps) if inside else None)
    return pairs_estimate(table, [runs], level=level)


def reproducibility_matrix(
    maps: xr.Dataset, *, inside: bool = False, level: float = 0.95
) -> dict[tuple[str, str], Estimate]:
    """Mean agreement within each network and between any two, by their names (Somepalli et al. 2022, Fig. 4).

    (A, B) and (B, A) are the same estimate. A network with a single run has no entry with itself.

    Raises:
        InputError: fewer than two runs in all, or fewer than two planes.
    """
    found = groups(maps)
    if sum(map(len, found.values())) < 2:
        raise InputError("one run given: reproducibility needs at least two")
    table = pair_table(maps.labels.values, _inside(maps) if inside else None)
    matrix = {}
    for i, (one, runs) in enumerate(found.items()):
        for other, others in list(found.items())[i:]:
            if one != other:
                matrix[one, other] = matrix[other, one] = pairs_estimate(table, [runs, others], level=level)
            elif len(runs) > 1:
                matrix[one, one] = pairs_estimate(table, [runs], level=level)
    return matrix


def fragmentation(maps: xr.Dataset, *, connectivity: int = 8, level: float = 0.95) -> dict[str, Estimate]:
    """For each network the mean number of fragments of a plane, over runs and planes (Somepalli et al. 2022, 5).

    Raises:
        InputError: fewer than two planes.
    """
    counts = fragments(maps.labels.values, connectivity).astype(float)

    def estimate(runs: np.ndarray) -> Estimate:
        def mean(kept: list[np.ndarray], planes: np.ndarray) -> float:
            return float(counts[np.ix_(runs[kept[0]], planes)].mean())

        return jackknife_estimate(
            mean, (len(runs),), counts.shape[1], fewest_runs=1, level=level, bounds=(1.0, float("inf"))
        )

    return {arch: estimate(runs) for arch, runs in groups(maps).items()}


def pairs_estimate(
    table: Float64[np.ndarray, "model model plane"], members: Sequence[np.ndarray], *, level: float = 0.95
) -> Estimate:
    """Mean of a pair table over the pairs within one group of models, or between two, with its interval."""
    within = len(members) == 1

    def mean(kept: list[np.ndarray], planes: np.ndarray) -> float:
        first, last = (members[g][kept[g]] for g in (0, -1))
        block = table[np.ix_(first, last, planes)].mean(axis=2)
        return float(block[~np.eye(len(first), dtype=bool)].mean() if within else block.mean())

    return jackknife_estimate(
        mean,
        tuple(len(runs) for runs in members),
        table.shape[2],
        fewest_runs=2 if within else 1,
        level=level,
        bounds=(0.0, 1.0),
    )


def _inside(maps: xr.Dataset) -> Bool[np.ndarray, "plane row column"]:
    planes = zip(maps.a.values, maps.b.values, maps.anchors.values, strict=True)
    return np.stack([inside_triangle(a, b, anchors) for a, b, anchors in planes])
