"""Reproducibility of label maps, with its interval over planes and runs."""

import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float64

from dbviz.core.errors import InputError
from dbviz.scores.agreement import inside_triangle, pair_table
from dbviz.scores.estimate import Estimate, jackknife_estimate, means_estimate
from dbviz.scores.label_arrays import label_array
from dbviz.scores.networks import nudged_mask, runs_by_network
from dbviz.scores.run_pairs import RunPairs, run_pairs
from dbviz.scores.seed_factors import seed_texts

__all__ = [
    "instability_floor",
    "pairs_estimate",
    "plane_agreement",
    "reproducibility",
    "reproducibility_matrix",
    "same_seed_agreement",
]


def reproducibility(maps: xr.Dataset, *, inside: bool = False, level: float = 0.95) -> Estimate:
    """Mean agreement over planes and over all pairs of runs of one network (Somepalli et al. 2022, eq. 1).

    Args:
        maps: label maps of at least two runs of one network, on at least two planes.
        inside: count the points inside the triangle of the three images only.

    Raises:
        InputError: several networks (use `reproducibility_matrix`), fewer than two runs or two planes, or `maps` are no
            label maps.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> reproducibility(dbviz.label_maps.from_array(labels, networks="resnet18"))
        Estimate(0.50 [0.38, 0.61], 4 planes, 3 runs)
    """
    networks = runs_by_network(maps)
    if len(networks) > 1:
        raise InputError(f"the maps are of {', '.join(networks)}: select one network, or use reproducibility_matrix")
    (runs,) = networks.values()
    return pairs_estimate(_agreement_table(maps, inside), [runs], seeds=seed_texts(maps), level=level)


def reproducibility_matrix(
    maps: xr.Dataset, *, inside: bool = False, level: float = 0.95
) -> dict[tuple[str, str], Estimate]:
    """Mean agreement within each network and between any two, by their names (Somepalli et al. 2022, Fig. 4).

    (A, B) and (B, A) are the same estimate. A network with a single run has no entry with itself. Between networks the
    pairs are of different seeds, since runs of the same seed share their randomness (see `same_seed_agreement`); two
    networks whose only run has the same seed have no entry.

    Args:
        inside: count the points inside the triangle of the three images only.

    Raises:
        InputError: fewer than two runs in all, fewer than two planes, or `maps` are no label maps.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> matrix = reproducibility_matrix(dbviz.label_maps.from_array(labels, networks=["vit", "vit", "fcnet"]))
        >>> list(matrix)
        [('vit', 'vit'), ('vit', 'fcnet'), ('fcnet', 'vit')]
        >>> matrix["vit", "fcnet"]
        Estimate(0.50 [0.34, 0.65] (not all of the runs' variation), 4 planes, 2 x 1 runs)
    """
    networks = runs_by_network(maps)
    if sum(map(len, networks.values())) < 2:
        raise InputError("one run given: reproducibility needs at least two")
    table, seeds = _agreement_table(maps, inside), seed_texts(maps)
    matrix = {}
    for i, (row, row_runs) in enumerate(networks.items()):
        for column, column_runs in list(networks.items())[i:]:
            pairs = run_pairs([row_runs] if row == column else [row_runs, column_runs], seeds)
            if pairs.chosen.any():
                matrix[row, column] = matrix[column, row] = _mean_estimate(table, pairs, level=level)
    return matrix


def same_seed_agreement(
    maps: xr.Dataset, *, inside: bool = False, level: float = 0.95
) -> dict[tuple[str, str], Estimate]:
    """Mean agreement of the runs of two networks that have the same seed, by the networks' names.

    Such runs share their initial weights, as far as the networks have the same layers, and the order and augmentation
    of the training images. What this agreement exceeds that of different seeds by, in `reproducibility_matrix`, is due
    to this shared randomness. Networks without a common seed have no entry; (A, B) and (B, A) are the same estimate.

    Args:
        inside: count the points inside the triangle of the three images only.

    Raises:
        InputError: fewer than two planes, or `maps` are no label maps.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (4, 4, 9, 9))  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks=["vit", "vit", "fcnet", "fcnet"], seeds=[0, 1, 0, 1])
        >>> same_seed_agreement(maps)["vit", "fcnet"]
        Estimate(0.48 [0.38, 0.59], 4 planes, 2 x 2 runs)
    """
    table, seeds = _agreement_table(maps, inside), seed_texts(maps)
    matrix = {}
    for (row, row_runs), (column, column_runs) in combinations(runs_by_network(maps).items(), 2):
        pairs = run_pairs([row_runs, column_runs], seeds, same_seed=True)
        if pairs.chosen.any():
            matrix[row, column] = matrix[column, row] = _mean_estimate(table, pairs, level=level)
    return matrix


def instability_floor(maps: xr.Dataset, *, inside: bool = False, level: float = 0.95) -> dict[str, Estimate]:
    """For each network the mean disagreement of a run with the same run whose initialisation was nudged.

    The share of points, in [0, 1], on which the two differ although their seeds are equal: in the nudged run one
    initial weight was multiplied by 1.001. Only the disagreement of two seeds (1 - reproducibility) that exceeds it is
    due to the seeds (Summers & Dinneen 2021); Jordan 2023 found hardly any: 5.14 % of test predictions against 5.19 %.
    Networks without nudged runs are left out.

    Args:
        inside: count the points inside the triangle of the three images only.

    Raises:
        InputError: fewer than two planes, or `maps` are no label maps.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> instability_floor(dbviz.label_maps.from_array(labels, networks="vit"))  # no run is nudged
        {}
    """
    nudged = nudged_mask(maps)
    differing = 1 - _agreement_table(maps, inside)
    seeds = maps.seed.values
    estimates = {}
    for name, runs in runs_by_network(maps).items():
        pairs = [
            (run, nudged_run)
            for run in runs[~nudged[runs]]
            for nudged_run in runs[nudged[runs]]
            if re.sub(r"-nudge\d+", "", str(seeds[nudged_run])) == str(seeds[run])
        ]
        if pairs:
            plain_runs, nudged_runs = np.array(pairs).T
            estimates[name] = means_estimate(
                differing[plain_runs, nudged_runs], level=level, bounds=(0.0, 1.0), scale="logit"
            )
    return estimates


def plane_agreement(maps: xr.Dataset) -> dict[str, Float64[np.ndarray, " plane"]]:
    """For each network with several runs their mean agreement on each plane.

    Example:
        >>> import dbviz
        >>> labels = np.zeros((3, 2, 2, 2), np.uint8)
        >>> labels[0, 1, 0, 0] = 1  # on the second plane one run differs from both others in one point of four
        >>> plane_agreement(dbviz.label_maps.from_array(labels, networks="vit"))["vit"].round(3)
        array([1.   , 0.833])
    """
    agreements = {}
    for name, runs in _repeated(maps).items():
        pairs = ~np.eye(len(runs), dtype=bool)
        agreements[name] = pair_table(label_array(maps)[runs])[pairs].mean(axis=0)
    return agreements


def pairs_estimate(
    table: Float64[np.ndarray, "model model item"],
    networks: Sequence[np.ndarray],
    *,
    seeds: Sequence[str] | None = None,
    items: int | None = None,
    item: str = "planes",
    level: float = 0.95,
) -> Estimate:
    """Mean of a pair table over the pairs within one network, or between two, with its interval.

    The interval is symmetric on the scale of the logit; see `jackknife_estimate`.

    Args:
        table: a score of each pair of models on each item, such as `pair_table`; or its mean over each group of items,
            with `items` their number.
        networks: the positions of the runs of one network, or of each of two.
        seeds: of every model of the table. Pairs that share a seed do not count, and the runs of one seed are left out
            together. By default all runs are taken to be independent.
        items: number of items, where they come in groups.
        item: what an item is, in the plural.

    Raises:
        InputError: fewer than two items, fewer than two runs of a single network, or no pair of different seeds.

    Example:
        >>> labels = np.random.default_rng(0).integers(0, 2, (4, 5, 9, 9), dtype=np.uint8)
        >>> pairs_estimate(pair_table(labels), [np.array([0, 1]), np.array([2, 3])])
        Estimate(0.48 [0.42, 0.54], 5 planes, 2 x 2 runs)
    """
    pairs = run_pairs(networks, seeds)
    if len(networks) == 2 and not pairs.chosen.any():
        raise InputError("the two networks have no runs of different seeds: add a seed, or use same_seed_agreement")
    return _mean_estimate(table, pairs, items=items, item=item, level=level)


def _mean_estimate(
    table: np.ndarray, pairs: RunPairs, *, items: int | None = None, item: str = "planes", level: float
) -> Estimate:
    return jackknife_estimate(
        lambda indices, units: pairs.mean(table, indices, units),
        pairs.counts,
        table.shape[2] if items is None else items,
        item=item,
        groups=table.shape[2],
        fewest_runs=2 if len(pairs.networks) == 1 else 1,
        factors=pairs.factors,
        level=level,
        bounds=(0.0, 1.0),
        scale="logit",
    )


def _repeated(maps: xr.Dataset) -> dict[str, np.ndarray]:
    """The networks with at least two runs."""
    return {name: runs for name, runs in runs_by_network(maps).items() if len(runs) > 1}


def _agreement_table(maps: xr.Dataset, inside: bool) -> Float64[np.ndarray, "model model plane"]:
    return pair_table(label_array(maps), inside_mask(maps) if inside else None)


def has_anchors(maps: xr.Dataset) -> bool:
    """Whether the places of the three images are known on every plane."""
    return all(name in maps.coords and np.isfinite(maps[name]).all() for name in ("a", "b", "anchors"))


def inside_mask(maps: xr.Dataset) -> Bool[np.ndarray, "plane row column"]:
    """Which points are inside the triangle of the three images; raises InputError where the maps do not show it."""
    if not has_anchors(maps):
        raise InputError(
            "the maps do not say where the three images are on their planes, which `inside` needs: sample them with "
            "dbviz.sample, or give from_array their planes"
        )
    a, b = maps.a.transpose("plane", "column").values, maps.b.transpose("plane", "row").values
    anchors = maps.anchors.transpose("plane", "corner", "axis").values
    return np.stack([inside_triangle(*plane) for plane in zip(a, b, anchors, strict=True)])
