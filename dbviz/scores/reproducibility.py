"""Reproducibility of label maps, with its interval over triplets and runs."""

import re
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float64

from dbviz.core.errors import InputError
from dbviz.scores.agreement import chance_table, inside_triangle, jaccard_table, pair_table
from dbviz.scores.estimate import Estimate, jackknife_estimate, means_estimate
from dbviz.scores.networks import groups, nudged

__all__ = [
    "chance_corrected",
    "instability_floor",
    "jaccard_index",
    "pairs_estimate",
    "plane_agreement",
    "reproducibility",
    "reproducibility_matrix",
]


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
    return pairs_estimate(_agreement_table(maps, inside), [runs], level=level)


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
    table = _agreement_table(maps, inside)
    matrix = {}
    for i, (one, runs) in enumerate(found.items()):
        for other, others in list(found.items())[i:]:
            if one != other:
                matrix[one, other] = matrix[other, one] = pairs_estimate(table, [runs, others], level=level)
            elif len(runs) > 1:
                matrix[one, one] = pairs_estimate(table, [runs], level=level)
    return matrix


def chance_corrected(maps: xr.Dataset, *, level: float = 0.95) -> dict[str, Estimate]:
    """For each network with several runs (A - E) / (1 - E), in [-1, 1]: agreement beyond chance (Cohen 1960).

    A is the mean agreement over planes and pairs of runs, E the mean of what chance gives with the two maps' shares of
    the classes on the plane. Means are taken before the ratio: a plane of one class alone has no kappa of its own.
    """
    found = {}
    for name, runs in _repeated(maps).items():
        labels = maps.labels.values[runs]
        agreed, chance = pair_table(labels), chance_table(labels, _classes(maps))

        def corrected(
            kept: list[np.ndarray], planes: np.ndarray, agreed: np.ndarray = agreed, chance: np.ndarray = chance
        ) -> float:
            observed, expected = (_pair_mean(table, kept, planes) for table in (agreed, chance))
            return (observed - expected) / (1 - expected) if expected < 1 else 1.0

        found[name] = jackknife_estimate(corrected, (len(runs),), labels.shape[1], level=level, bounds=(-1.0, 1.0))
    return found


def jaccard_index(maps: xr.Dataset, *, level: float = 0.95) -> dict[str, Estimate]:
    """For each network with several runs the mean Jaccard index of two runs' regions of a class, in [0, 1].

    On each plane the mean over the classes that either run has there, so that a small region counts as much as a
    large one; then over planes and pairs of runs.
    """
    tables = {name: jaccard_table(maps.labels.values[runs], _classes(maps)) for name, runs in _repeated(maps).items()}
    return {name: pairs_estimate(table, [np.arange(len(table))], level=level) for name, table in tables.items()}


def instability_floor(maps: xr.Dataset, *, inside: bool = False, level: float = 0.95) -> dict[str, Estimate]:
    """For each network the mean disagreement of a run with the run that began with one weight multiplied by 1.001.

    The share of points, in [0, 1], on which the two differ though no seed does. Only what two seeds disagree on beyond
    it (1 - reproducibility) says something about the seeds (Summers & Dinneen 2021); Jordan 2023 found hardly anything
    beyond it: 5.14 % of test predictions against 5.19 %. Networks without nudged runs are left out.

    Args:
        inside: count the points inside the triangle of the three images only.

    Raises:
        InputError: fewer than two planes.
    """
    moved = nudged(maps)
    differing = 1 - _agreement_table(maps, inside)
    seeds = maps.seed.values
    found = {}
    for name, runs in groups(maps).items():
        siblings = [
            (run, other)
            for run in runs[~moved[runs]]
            for other in runs[moved[runs]]
            if re.sub(r"-nudge\d+", "", str(seeds[other])) == str(seeds[run])
        ]
        if siblings:
            ones, others = np.array(siblings).T
            found[name] = means_estimate(differing[ones, others], level=level, bounds=(0.0, 1.0))
    return found


def plane_agreement(maps: xr.Dataset) -> dict[str, Float64[np.ndarray, " plane"]]:
    """For each network with several runs their mean agreement on each plane."""
    found = {}
    for name, runs in _repeated(maps).items():
        pairs = ~np.eye(len(runs), dtype=bool)
        found[name] = pair_table(maps.labels.values[runs])[pairs].mean(axis=0)
    return found


def pairs_estimate(
    table: Float64[np.ndarray, "model model plane"], members: Sequence[np.ndarray], *, level: float = 0.95
) -> Estimate:
    """Mean of a pair table over the pairs within one group of models, or between two, with its interval."""
    within = len(members) == 1
    return jackknife_estimate(
        _within(table, members[0]) if within else _between(table, members[0], members[1]),
        tuple(len(runs) for runs in members),
        table.shape[2],
        fewest_runs=2 if within else 1,
        level=level,
        bounds=(0.0, 1.0),
    )


Statistic = Callable[[list[np.ndarray], np.ndarray], float]


def _within(table: np.ndarray, runs: np.ndarray) -> Statistic:
    return lambda kept, planes: _pair_mean(table, [runs[kept[0]]], planes)


def _between(table: np.ndarray, runs: np.ndarray, others: np.ndarray) -> Statistic:
    return lambda kept, planes: float(table[np.ix_(runs[kept[0]], others[kept[1]], planes)].mean())


def _pair_mean(table: np.ndarray, kept: list[np.ndarray], planes: np.ndarray) -> float:
    """Mean over planes and over the pairs of different models among those kept."""
    block = table[np.ix_(kept[0], kept[0], planes)].mean(axis=2)
    return float(block[~np.eye(len(block), dtype=bool)].mean())


def _repeated(maps: xr.Dataset) -> dict[str, np.ndarray]:
    """The networks of which there are at least two runs."""
    return {name: runs for name, runs in groups(maps).items() if len(runs) > 1}


def _classes(maps: xr.Dataset) -> int:
    return int(maps.labels.max()) + 1


def _agreement_table(maps: xr.Dataset, inside: bool) -> Float64[np.ndarray, "model model plane"]:
    return pair_table(maps.labels.values, _inside(maps) if inside else None)


def _inside(maps: xr.Dataset) -> Bool[np.ndarray, "plane row column"]:
    planes = zip(maps.a.values, maps.b.values, maps.anchors.values, strict=True)
    return np.stack([inside_triangle(a, b, anchors) for a, b, anchors in planes])
