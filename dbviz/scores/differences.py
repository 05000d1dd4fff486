"""Whether one network has a higher score than another: the difference, with an interval of its own.

Two networks on the same planes, trained under the same seeds, go up and down together. Their difference is known better
than two separate intervals suggest, which overlap more often than not where the networks differ. Here a plane is left
out of both networks at once, and a seed too where it occurs in both.
"""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import xarray as xr

from dbviz.core.errors import InputError
from dbviz.scores.agreement import pair_table
from dbviz.scores.estimate import Estimate, Statistic, jackknife_estimate
from dbviz.scores.fragmentation import fragments
from dbviz.scores.label_tables import LabelTables
from dbviz.scores.overlap import beyond_chance, mean_index
from dbviz.scores.reproducibility import inside_mask
from dbviz.scores.run_pairs import RunPairs, run_pairs
from dbviz.scores.seed_factors import seed_codes, seed_factors

__all__ = ["DIFFERENCES", "difference", "differences", "table_differences"]


def difference(maps: xr.Dataset, score: str, a: str, b: str, *, level: float = 0.95) -> Estimate:
    """The score of network `a` minus that of network `b`, paired over planes and over the seeds that both have.

    An interval that excludes zero is evidence of a difference, at the given level for this one comparison.

    Args:
        maps: label maps of both networks on the same planes.
        score: as in a summary: `reproducibility`, `beyond chance (kappa)`, `Jaccard index`, `inside the triangle` or
            `fragments of a plane`.
        a, b: names of networks, as `dbviz.scores.networks` returns them.

    Raises:
        InputError: no such score or network; fewer than two planes; a network with too few runs for the score.

    Example:
        >>> import dbviz
        >>> rng = np.random.default_rng(0)
        >>> labels = rng.integers(0, 2, (6, 20, 9, 9))  # model, plane, row, column
        >>> labels[:3, :, :6] = labels[0, :, :6]  # the first three agree on two thirds of each plane
        >>> maps = dbviz.label_maps.from_array(labels, networks=["vit"] * 3 + ["fcnet"] * 3)
        >>> difference(maps, "reproducibility", "vit", "fcnet")
        Estimate(0.33 [0.27, 0.39], 20 planes, 3 x 3 runs)
    """
    tables = LabelTables(maps)
    known = tables.networks
    if unknown := [name for name in (a, b) if name not in known]:
        raise InputError(f"no network is called {unknown[0]!r}: choose of {', '.join(known)}")
    return _difference(tables, _checked(score), a, b, level)


def differences(maps: xr.Dataset, score: str, *, level: float = 0.95) -> dict[tuple[str, str], Estimate]:
    """`difference` of every two networks that have the score, by their names.

    Each interval is for one comparison: of many networks that do not differ, one in twenty intervals excludes zero.

    Raises:
        InputError: no such score; fewer than two planes.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (6, 20, 9, 9))  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks=["vit"] * 3 + ["fcnet"] * 3)
        >>> differences(maps, "fragments of a plane")
        {('vit', 'fcnet'): Estimate(0.38 [-0.48, 1.25], 20 planes, 3 x 3 runs)}
    """
    return table_differences(LabelTables(maps), _checked(score), level=level)


def table_differences(
    tables: LabelTables, score: str, *, connectivity: int = 8, level: float = 0.95
) -> dict[tuple[str, str], Estimate]:
    """`differences`, of tables that are there already, with fragments of this connectivity."""
    fewest = DIFFERENCES[score][1]
    names = [name for name, runs in tables.networks.items() if len(runs) >= fewest]
    return {(a, b): _difference(tables, score, a, b, level, connectivity) for a, b in combinations(names, 2)}


def _checked(score: str) -> str:
    if score not in DIFFERENCES:
        raise InputError(f"score is {score!r}: choose of {', '.join(DIFFERENCES)}")
    return score


def _difference(tables: LabelTables, score: str, a: str, b: str, level: float, connectivity: int = 8) -> Estimate:
    statistic_of, fewest, largest = DIFFERENCES[score]
    parts = [tables.networks[a], tables.networks[b]]
    of_a, of_b = (statistic_of(tables, run_pairs([runs], tables.seeds), connectivity) for runs in parts)
    codes = seed_codes([tables.seeds[run] for runs in parts for run in runs])
    places = np.split(np.arange(len(codes)), [len(parts[0])])
    return jackknife_estimate(
        lambda indices, planes: of_a([indices[0]], planes) - of_b([indices[1]], planes),
        (len(parts[0]), len(parts[1])),
        tables.planes,
        fewest_runs=fewest,
        factors=seed_factors(codes, places),
        level=level,
        bounds=(-largest, largest),
    )


def _agreement(tables: LabelTables, pairs: RunPairs, _: int) -> Statistic:
    return pairs.means(tables.agreed)


def _corrected(tables: LabelTables, pairs: RunPairs, _: int) -> Statistic:
    observed, expected = pairs.means(tables.agreed), pairs.means(tables.expected)
    return lambda indices, planes: beyond_chance(observed(indices, planes), expected(indices, planes))


def _inside(tables: LabelTables, pairs: RunPairs, _: int) -> Statistic:
    runs = pairs.networks[0]
    table = pair_table(tables.labels[runs], inside_mask(tables.maps))
    return RunPairs((np.arange(len(runs)),), pairs.chosen, pairs.factors).means(table)


def _mean_index(tables: LabelTables, pairs: RunPairs, _: int) -> Statistic:
    return mean_index(tables, pairs)


def _fragments(tables: LabelTables, pairs: RunPairs, connectivity: int) -> Statistic:
    counts = fragments(tables.labels[pairs.networks[0]], connectivity).astype(float)
    return lambda indices, planes: float(counts[np.ix_(indices[0], planes)].mean())


DIFFERENCES: dict[str, tuple[Callable[[LabelTables, RunPairs, int], Statistic], int, float]] = {
    "reproducibility": (_agreement, 2, 1.0),
    "beyond chance (kappa)": (_corrected, 2, 2.0),
    "Jaccard index": (_mean_index, 2, 1.0),
    "inside the triangle": (_inside, 2, 1.0),
    "fragments of a plane": (_fragments, 1, float("inf")),
}
"""The scores: the statistic of a network's runs, how many runs it needs, and the largest difference."""
