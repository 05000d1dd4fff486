"""Agreement beyond chance, and the Jaccard index of each class, within and between networks."""

from typing import Any

import numpy as np
import xarray as xr

from dbviz.scores.estimate import Estimate, Statistic, jackknife_estimate
from dbviz.scores.label_tables import LabelTables
from dbviz.scores.run_pairs import RunPairs

__all__ = [
    "chance_corrected",
    "chance_corrected_matrix",
    "class_jaccard",
    "class_jaccard_matrix",
    "jaccard_index",
    "jaccard_matrix",
]

Matrix = dict[tuple[str, str], Estimate]
Pairs = dict[tuple[str, str], RunPairs]


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
    tables = LabelTables(maps)
    return _diagonal(_corrected(tables, tables.within(), level))


def chance_corrected_matrix(maps: xr.Dataset, *, level: float = 0.95) -> Matrix:
    """`chance_corrected` within each network and between any two, by their names; between them at different seeds.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (4, 4, 9, 9))  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks=["vit", "vit", "fcnet", "fcnet"])
        >>> chance_corrected_matrix(maps)["vit", "fcnet"].value.__round__(1)
        0.0
    """
    tables = LabelTables(maps)
    return _corrected(tables, tables.pairs(), level)


def jaccard_index(maps: xr.Dataset, *, level: float = 0.95) -> dict[str, Estimate]:
    """For each network with several runs the mean over classes of `class_jaccard`, in [0, 1].

    A class that covers little of the planes counts as much as one that covers much.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> jaccard_index(dbviz.label_maps.from_array(labels, networks="vit"))
        {'vit': Estimate(0.33 [0.24, 0.44], 4 planes, 3 runs)}
    """
    tables = LabelTables(maps)
    return _diagonal(_mean_index(tables, tables.within(), level))


def jaccard_matrix(maps: xr.Dataset, *, level: float = 0.95) -> Matrix:
    """`jaccard_index` within each network and between any two, by their names; between them at different seeds.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (4, 4, 9, 9))  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks=["vit", "vit", "fcnet", "fcnet"])
        >>> jaccard_matrix(maps)["vit", "fcnet"].value.__round__(2)
        0.34
    """
    tables = LabelTables(maps)
    return _mean_index(tables, tables.pairs(), level)


def class_jaccard(maps: xr.Dataset, *, level: float = 0.95) -> dict[str, dict[str, Estimate]]:
    """For each class and each network with several runs the Jaccard index of the class's regions, in [0, 1].

    The points to which both runs assign the class over the points to which either does, both summed over planes and
    pairs of runs before the ratio: a few stray points on one plane count as few points. A class that the
    runs of a network have on fewer than two planes is left out.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks="vit", class_names=["cat", "dog"])
        >>> {name: index["vit"].value.__round__(2) for name, index in class_jaccard(maps).items()}
        {'cat': 0.3, 'dog': 0.36}
    """
    tables = LabelTables(maps)
    indices = {name: _diagonal(matrix) for name, matrix in _class_index(tables, tables.within(), level).items()}
    return {name: estimates for name, estimates in indices.items() if estimates}


def class_jaccard_matrix(maps: xr.Dataset, *, level: float = 0.95) -> dict[str, Matrix]:
    """`class_jaccard` within each network and between any two, by class; between them at different seeds.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (4, 4, 9, 9))  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks=["vit", "vit", "fcnet", "fcnet"])
        >>> list(class_jaccard_matrix(maps)["0"])
        [('vit', 'vit'), ('vit', 'fcnet'), ('fcnet', 'vit'), ('fcnet', 'fcnet')]
    """
    tables = LabelTables(maps)
    return _class_index(tables, tables.pairs(), level)


def pair_matrices(tables: LabelTables, *, level: float = 0.95) -> dict[str, Matrix]:
    """Agreement beyond chance and the Jaccard index of all classes and of each, by their names in summaries."""
    pairs = tables.pairs()
    of_classes = _class_index(tables, pairs, level)
    return {
        "beyond chance (kappa)": _corrected(tables, pairs, level),
        "Jaccard index": _mean_index(tables, pairs, level),
        **{f"Jaccard index of {name}": matrix for name, matrix in of_classes.items()},
    }


def _both_ways(estimates: Matrix) -> Matrix:
    return {key: e for (row, column), e in estimates.items() for key in ((row, column), (column, row))}


def _diagonal(matrix: Matrix) -> dict[str, Estimate]:
    return {row: estimate for (row, column), estimate in matrix.items() if row == column}


def _corrected(tables: LabelTables, pairs: Pairs, level: float) -> Matrix:
    def estimate(of: RunPairs) -> Estimate:
        def corrected(indices: list[np.ndarray], planes: np.ndarray) -> float:
            observed, expected = (of.mean(table, indices, planes) for table in (tables.agreed, tables.expected))
            return beyond_chance(observed, expected)

        return _over_planes(corrected, of, tables.planes, level, bounds=(-1.0, 1.0))

    return _both_ways({key: estimate(of) for key, of in pairs.items()})


def beyond_chance(observed: float, expected: float) -> float:
    """The part of the agreement that chance leaves open; 1 where it leaves nothing open."""
    return 1.0 if expected >= 1 else (observed - expected) / (1 - expected)


def _class_index(tables: LabelTables, pairs: Pairs, level: float) -> dict[str, Matrix]:
    indices: dict[str, Matrix] = {name: {} for name in tables.class_names}
    for key, of in pairs.items():
        for label, statistic in class_indices(tables, of).items():
            estimate = _over_planes(statistic, of, tables.planes, level, scale="logit")
            if not np.isnan(estimate.item_variance):  # as it is where one plane alone has the class
                indices[tables.class_names[label]][key] = estimate
    return {name: _both_ways(matrix) for name, matrix in indices.items() if matrix}


def _mean_index(tables: LabelTables, pairs: Pairs, level: float) -> Matrix:
    estimates = {}
    for key, of in pairs.items():
        estimates[key] = _over_planes(mean_index(tables, of), of, tables.planes, level, scale="logit")
    return _both_ways(estimates)


def mean_index(tables: LabelTables, pairs: RunPairs) -> Statistic:
    """The mean of `class_indices` over the classes that the runs and planes have; NaN without any."""
    of_classes = class_indices(tables, pairs).values()

    def mean(indices: list[np.ndarray], planes: np.ndarray) -> float:
        defined = [value for index in of_classes if not np.isnan(value := index(indices, planes))]
        return float(np.mean(defined)) if defined else float("nan")

    return mean


def class_indices(tables: LabelTables, pairs: RunPairs) -> dict[int, Statistic]:
    """The Jaccard index of each class that the runs have, pooled over planes and pairs."""
    both, either = tables.overlap
    block = np.ix_(pairs.networks[0], pairs.networks[-1])
    present = [label for label in range(tables.classes) if either[label][block][pairs.chosen].any()]
    return {label: _ratio(pairs.sums(both[label]), pairs.sums(either[label])) for label in present}


def _ratio(intersection: Statistic, union: Statistic) -> Statistic:
    def ratio(indices: list[np.ndarray], planes: np.ndarray) -> float:
        points = union(indices, planes)
        return intersection(indices, planes) / points if points else float("nan")

    return ratio


def _over_planes(statistic: Statistic, pairs: RunPairs, planes: int, level: float, **options: Any) -> Estimate:
    defaults: dict[str, Any] = {"bounds": (0.0, 1.0), "fewest_runs": 2 if len(pairs.networks) == 1 else 1}
    return jackknife_estimate(
        statistic, pairs.counts, planes, factors=pairs.factors, level=level, **(defaults | options)
    )
