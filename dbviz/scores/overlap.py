"""Agreement beyond chance, and the Jaccard index of each class, within and between networks."""

import json
from itertools import combinations

import numpy as np
import xarray as xr
from jaxtyping import Int32, UInt

from dbviz.scores.agreement import chance_table, pair_table
from dbviz.scores.estimate import Estimate, Statistic, jackknife_estimate
from dbviz.scores.label_arrays import label_array
from dbviz.scores.networks import runs_by_network
from dbviz.scores.run_pairs import RunPairs, run_pairs
from dbviz.scores.seed_factors import seed_texts

__all__ = [
    "chance_corrected",
    "chance_corrected_matrix",
    "class_jaccard",
    "class_jaccard_matrix",
    "jaccard_index",
    "jaccard_matrix",
]

Matrix = dict[tuple[str, str], Estimate]


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
    return _diagonal(_corrected(maps, _within(maps), level))


def chance_corrected_matrix(maps: xr.Dataset, *, level: float = 0.95) -> Matrix:
    """`chance_corrected` within each network and between any two, by their names; between them at different seeds.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (4, 4, 9, 9))  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks=["vit", "vit", "fcnet", "fcnet"])
        >>> chance_corrected_matrix(maps)["vit", "fcnet"].value.__round__(1)
        0.0
    """
    return _corrected(maps, _pairs(maps), level)


def jaccard_index(maps: xr.Dataset, *, level: float = 0.95) -> dict[str, Estimate]:
    """For each network with several runs the mean over classes of `class_jaccard`, in [0, 1].

    A class that covers little of the planes counts as much as one that covers much.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> jaccard_index(dbviz.label_maps.from_array(labels, networks="vit"))
        {'vit': Estimate(0.33 [0.24, 0.44], 4 planes, 3 runs)}
    """
    return _diagonal(_mean_index(maps, _within(maps), level))


def jaccard_matrix(maps: xr.Dataset, *, level: float = 0.95) -> Matrix:
    """`jaccard_index` within each network and between any two, by their names; between them at different seeds.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (4, 4, 9, 9))  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks=["vit", "vit", "fcnet", "fcnet"])
        >>> jaccard_matrix(maps)["vit", "fcnet"].value.__round__(2)
        0.35
    """
    return _mean_index(maps, _pairs(maps), level)


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
    indices = {name: _diagonal(matrix) for name, matrix in _class_index(maps, _within(maps), level).items()}
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
    return _class_index(maps, _pairs(maps), level)


def _within(maps: xr.Dataset) -> dict[tuple[str, str], RunPairs]:
    seeds = seed_texts(maps)
    return {(name, name): run_pairs([runs], seeds) for name, runs in runs_by_network(maps).items() if len(runs) > 1}


def _pairs(maps: xr.Dataset) -> dict[tuple[str, str], RunPairs]:
    """Of each network with itself, and of each two networks with pairs of different seeds, once."""
    networks, seeds, within = list(runs_by_network(maps).items()), seed_texts(maps), _within(maps)
    pairs = {}
    for i, (row, row_runs) in enumerate(networks):
        pairs |= {(row, row): within[row, row]} if (row, row) in within else {}
        for column, column_runs in networks[i + 1 :]:
            between = run_pairs([row_runs, column_runs], seeds)
            pairs |= {(row, column): between} if between.chosen.any() else {}
    return pairs


def _both_ways(estimates: Matrix) -> Matrix:
    return {key: e for (row, column), e in estimates.items() for key in ((row, column), (column, row))}


def _diagonal(matrix: Matrix) -> dict[str, Estimate]:
    return {row: estimate for (row, column), estimate in matrix.items() if row == column}


def _corrected(maps: xr.Dataset, pairs: dict[tuple[str, str], RunPairs], level: float) -> Matrix:
    labels, classes = label_array(maps), _classes(maps)
    agreed, chance = pair_table(labels), chance_table(labels, classes)

    def estimate(of: RunPairs) -> Estimate:
        def corrected(indices: list[np.ndarray], planes: np.ndarray) -> float:
            observed, expected = (of.mean(table, indices, planes) for table in (agreed, chance))
            return 1.0 if expected >= 1 else (observed - expected) / (1 - expected)

        return _over_planes(corrected, of, labels.shape[1], level, bounds=(-1.0, 1.0))

    return _both_ways({key: estimate(of) for key, of in pairs.items()})


def _class_index(maps: xr.Dataset, pairs: dict[tuple[str, str], RunPairs], level: float) -> dict[str, Matrix]:
    statistics, names = _index_statistics(maps, pairs), _class_names(maps)
    planes = maps.sizes["plane"]
    indices: dict[str, Matrix] = {name: {} for name in names}
    for key, of_classes in statistics.items():
        for name, statistic in zip(names, of_classes, strict=True):
            estimate = statistic and _over_planes(statistic, pairs[key], planes, level, scale="logit")
            if estimate and estimate.item_variance == estimate.item_variance:  # NaN where one plane alone has the class
                indices[name][key] = estimate
    return {name: _both_ways(matrix) for name, matrix in indices.items() if matrix}


def _mean_index(maps: xr.Dataset, pairs: dict[tuple[str, str], RunPairs], level: float) -> Matrix:
    estimates, statistics = {}, _index_statistics(maps, pairs)
    for key, of_classes in statistics.items():
        present = [statistic for statistic in of_classes if statistic is not None]

        def mean(indices: list[np.ndarray], items: np.ndarray, present: list[Statistic] = present) -> float:
            return _mean_of_defined([statistic(indices, items) for statistic in present])

        estimates[key] = _over_planes(mean, pairs[key], maps.sizes["plane"], level, scale="logit")
    return _both_ways(estimates)


def _over_planes(statistic: Statistic, pairs: RunPairs, planes: int, level: float, **options: object) -> Estimate:
    fewest = 2 if len(pairs.networks) == 1 else 1
    shared = {"bounds": (0.0, 1.0), "factors": pairs.factors, "fewest_runs": fewest, "level": level}
    return jackknife_estimate(statistic, pairs.counts, planes, **(shared | options))  # pyright: ignore[reportArgumentType]


def _mean_of_defined(values: list[float]) -> float:
    """The mean of the classes that the runs and planes have; NaN without any."""
    defined = [value for value in values if value == value]
    return float(np.mean(defined)) if defined else float("nan")


def _index_statistics(
    maps: xr.Dataset, pairs: dict[tuple[str, str], RunPairs]
) -> dict[tuple[str, str], list[Statistic | None]]:
    """The Jaccard index of each class, pooled over planes and pairs; None for a class that the runs do not have."""
    labels, classes = label_array(maps), _classes(maps)
    statistics: dict[tuple[str, str], list[Statistic | None]] = {key: [] for key in pairs}
    both, either = overlap_tables(labels, classes)
    for label in range(classes):
        for key, of in pairs.items():
            statistics[key].append(_ratio(of, both[label], either[label]))
    return statistics


def _ratio(pairs: RunPairs, both: np.ndarray, either: np.ndarray) -> Statistic | None:
    intersection, union = pairs.sums(both), pairs.sums(either)
    if not either[np.ix_(pairs.networks[0], pairs.networks[-1])][pairs.chosen].any():
        return None

    def ratio(indices: list[np.ndarray], planes: np.ndarray) -> float:
        points = union(indices, planes)
        return intersection(indices, planes) / points if points else float("nan")

    return ratio


def overlap_tables(
    labels: UInt[np.ndarray, "model plane row column"], classes: int
) -> tuple[Int32[np.ndarray, "class model model plane"], Int32[np.ndarray, "class model model plane"]]:
    """The points of each plane to which both models assign a class, and to which either does."""
    models, planes = labels.shape[:2]
    flat = labels.reshape(models, planes, -1) + np.arange(planes)[:, None] * classes  # distinct numbers in each plane
    bins = planes * classes

    def counted(points: np.ndarray) -> np.ndarray:
        return np.bincount(points.ravel(), minlength=bins).reshape(planes, classes).T

    own = np.stack([counted(model) for model in flat], axis=1)  # class, model, plane
    both = np.zeros((classes, models, models, planes), np.int32)
    for i, j in combinations(range(models), 2):
        both[:, i, j] = both[:, j, i] = counted(flat[i][flat[i] == flat[j]])
    diagonal = np.arange(models)
    both[:, diagonal, diagonal] = own
    return both, (own[:, :, None] + own[:, None] - both).astype(np.int32)


def _class_names(maps: xr.Dataset) -> list[str]:
    """The names of the classes that occur, or their numbers where the maps do not name them."""
    names = [str(name) for name in json.loads(maps.attrs.get("class_names", "[]"))]
    return [*names, *map(str, range(len(names), _classes(maps)))][: _classes(maps)]


def _classes(maps: xr.Dataset) -> int:
    return int(maps.labels.max()) + 1
