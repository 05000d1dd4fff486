"""Reproducibility of label maps, with its interval over planes and runs."""

import re
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float64

from dbviz.core.errors import InputError
from dbviz.scores.agreement import chance_table, inside_triangle, jaccard_table, pair_table
from dbviz.scores.estimate import Estimate, jackknife_estimate, means_estimate
from dbviz.scores.label_arrays import label_array
from dbviz.scores.networks import nudged_mask, runs_by_network

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
        InputError: several networks (use `reproducibility_matrix`), fewer than two runs or two planes, or `maps` are no
            label maps.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> reproducibility(dbviz.label_maps.from_array(labels, networks="resnet18"))
        Estimate(0.50 [0.38, 0.62], 4 planes, 3 runs)
    """
    networks = runs_by_network(maps)
    if len(networks) > 1:
        raise InputError(f"the maps are of {', '.join(networks)}: select one network, or use reproducibility_matrix")
    (runs,) = networks.values()
    return pairs_estimate(_agreement_table(maps, inside), [runs], level=level)


def reproducibility_matrix(
    maps: xr.Dataset, *, inside: bool = False, level: float = 0.95
) -> dict[tuple[str, str], Estimate]:
    """Mean agreement within each network and between any two, by their names (Somepalli et al. 2022, Fig. 4).

    (A, B) and (B, A) are the same estimate. A network with a single run has no entry with itself.

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
        Estimate(0.50 [0.34, 0.65], 4 planes, 2 x 1 runs)
    """
    networks = runs_by_network(maps)
    if sum(map(len, networks.values())) < 2:
        raise InputError("one run given: reproducibility needs at least two")
    table = _agreement_table(maps, inside)
    matrix = {}
    for i, (row, row_runs) in enumerate(networks.items()):
        for column, column_runs in list(networks.items())[i:]:
            if row != column:
                estimate = pairs_estimate(table, [row_runs, column_runs], level=level)
                matrix[row, column] = matrix[column, row] = estimate
            elif len(row_runs) > 1:
                matrix[row, row] = pairs_estimate(table, [row_runs], level=level)
    return matrix


def chance_corrected(maps: xr.Dataset, *, level: float = 0.95) -> dict[str, Estimate]:
    """For each network with several runs the agreement beyond chance (A - E) / (1 - E), in [-1, 1] (Cohen 1960).

    A is the mean agreement over planes and pairs of runs, E the mean agreement expected by chance from the two maps'
    shares of the classes on the plane. Means are taken before the ratio: a plane with one class has no kappa.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> chance_corrected(dbviz.label_maps.from_array(labels, networks="vit"))
        {'vit': Estimate(-0.01 [-0.24, 0.22], 4 planes, 3 runs)}
    """
    estimates = {}
    for name, runs in _repeated(maps).items():
        labels = label_array(maps)[runs]
        agreed, chance = pair_table(labels), chance_table(labels, _classes(maps))

        def corrected(
            indices: list[np.ndarray], planes: np.ndarray, agreed: np.ndarray = agreed, chance: np.ndarray = chance
        ) -> float:
            observed, expected = (_pair_mean(table, indices, planes) for table in (agreed, chance))
            return (observed - expected) / (1 - expected) if expected < 1 else 1.0

        estimates[name] = jackknife_estimate(corrected, (len(runs),), labels.shape[1], level=level, bounds=(-1.0, 1.0))
    return estimates


def jaccard_index(maps: xr.Dataset, *, level: float = 0.95) -> dict[str, Estimate]:
    """For each network with several runs the mean Jaccard index of two runs' regions of a class, in [0, 1].

    On each plane the mean over the classes that either run has on it, so that a small region counts as much as a
    large one; then over planes and pairs of runs.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> jaccard_index(dbviz.label_maps.from_array(labels, networks="vit"))
        {'vit': Estimate(0.33 [0.24, 0.43], 4 planes, 3 runs)}
    """
    labels, classes = label_array(maps), _classes(maps)
    tables = {name: jaccard_table(labels[runs], classes) for name, runs in _repeated(maps).items()}
    return {name: pairs_estimate(table, [np.arange(len(table))], level=level) for name, table in tables.items()}


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
            estimates[name] = means_estimate(differing[plain_runs, nudged_runs], level=level, bounds=(0.0, 1.0))
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
    items: int | None = None,
    item: str = "planes",
    level: float = 0.95,
) -> Estimate:
    """Mean of a pair table over the pairs within one network, or between two, with its interval.

    Args:
        table: a score of each pair of models on each item, such as `pair_table`; or its mean over each group of items,
            with `items` their number.
        networks: the positions of the runs of one network, or of each of two.
        items: number of items, where they come in groups.
        item: what an item is, in the plural.

    Raises:
        InputError: fewer than two items, or fewer than two runs of a single network.

    Example:
        >>> labels = np.random.default_rng(0).integers(0, 2, (4, 5, 9, 9), dtype=np.uint8)
        >>> pairs_estimate(pair_table(labels), [np.array([0, 1]), np.array([2, 3])])
        Estimate(0.48 [0.42, 0.54], 5 planes, 2 x 2 runs)
    """
    within = len(networks) == 1
    return jackknife_estimate(
        _within(table, networks[0]) if within else _between(table, networks[0], networks[1]),
        tuple(len(runs) for runs in networks),
        table.shape[2] if items is None else items,
        item=item,
        groups=table.shape[2],
        fewest_runs=2 if within else 1,
        level=level,
        bounds=(0.0, 1.0),
    )


Statistic = Callable[[list[np.ndarray], np.ndarray], float]


def _within(table: np.ndarray, runs: np.ndarray) -> Statistic:
    return lambda indices, items: _pair_mean(table, [runs[indices[0]]], items)


def _between(table: np.ndarray, runs_1: np.ndarray, runs_2: np.ndarray) -> Statistic:
    return lambda indices, items: float(table[np.ix_(runs_1[indices[0]], runs_2[indices[1]], items)].mean())


def _pair_mean(table: np.ndarray, runs: list[np.ndarray], items: np.ndarray) -> float:
    """Mean over items and over the pairs of different models among the runs."""
    block = table[np.ix_(runs[0], runs[0], items)].mean(axis=2)
    return float(block[~np.eye(len(block), dtype=bool)].mean())


def _repeated(maps: xr.Dataset) -> dict[str, np.ndarray]:
    """The networks with at least two runs."""
    return {name: runs for name, runs in runs_by_network(maps).items() if len(runs) > 1}


def _classes(maps: xr.Dataset) -> int:
    return int(maps.labels.max()) + 1


def _agreement_table(maps: xr.Dataset, inside: bool) -> Float64[np.ndarray, "model model plane"]:
    return pair_table(label_array(maps), _inside(maps) if inside else None)


def has_anchors(maps: xr.Dataset) -> bool:
    """Whether the places of the three images are known on every plane."""
    return all(name in maps.coords and np.isfinite(maps[name]).all() for name in ("a", "b", "anchors"))


def _inside(maps: xr.Dataset) -> Bool[np.ndarray, "plane row column"]:
    if not has_anchors(maps):
        raise InputError(
            "the maps do not say where the three images are on their planes, which `inside` needs: sample them with "
            "dbviz.sample, or give from_array their planes"
        )
    a, b = maps.a.transpose("plane", "column").values, maps.b.transpose("plane", "row").values
    anchors = maps.anchors.transpose("plane", "corner", "axis").values
    return np.stack([inside_triangle(*plane) for plane in zip(a, b, anchors, strict=True)])
