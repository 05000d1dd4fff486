"""Every score of a stack of label maps at once."""

from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from dbviz.core.deprecation import warn_renamed
from dbviz.core.errors import InputError
from dbviz.scores.differences import DIFFERENCES, table_differences
from dbviz.scores.estimate import Estimate
from dbviz.scores.fragmentation import fragmentation
from dbviz.scores.label_tables import LabelTables
from dbviz.scores.networks import nudged_mask
from dbviz.scores.overlap import pair_matrices
from dbviz.scores.reproducibility import (
    has_anchors,
    instability_floor,
    reproducibility_matrix,
    same_seed_agreement,
)

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Summary:
    """The scores of several networks; see `summarise`.

    Example:
        >>> agreement = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5,))
        >>> summary = Summary(matrix={("vit", "vit"): agreement}, scores={"reproducibility": {"vit": agreement}})
        >>> summary.with_scores({"churn": {"vit": agreement.complement}})
        Summary(1 network: vit; scores: reproducibility, churn)
    """

    matrix: dict[tuple[str, str], Estimate]
    """Reproducibility within each network and between any two."""
    scores: dict[str, dict[str, Estimate]]
    """By the name of the score and the name of the network; a network that cannot have a score is left out of it."""
    matrices: dict[str, dict[tuple[str, str], Estimate]] = field(default_factory=dict)
    """Further scores within each network and between any two, such as `Jaccard index`, by their names.

    `agreement at the same seed` is that of runs of two networks which share their randomness."""
    differences: dict[str, dict[tuple[str, str], Estimate]] = field(default_factory=dict)
    """By the name of the score, the first network's minus the second's; see `dbviz.scores.differences`."""

    def __repr__(self) -> str:
        names = dict.fromkeys(
            [*(name for name, _ in self.matrix), *(name for row in self.scores.values() for name in row)]
        )
        networks = f"{len(names)} network{'s'[: len(names) != 1]}: {', '.join(names)}"
        return f"Summary({networks}; scores: {', '.join(self.scores)})"

    def with_scores(self, scores: dict[str, dict[str, Estimate]]) -> "Summary":
        """The summary with further scores after its own."""
        return replace(self, scores=self.scores | scores)

    def extended(self, scores: dict[str, dict[str, Estimate]]) -> "Summary":
        """The old name of `with_scores`."""
        warn_renamed("Summary.extended", "Summary.with_scores")
        return self.with_scores(scores)

    @property
    def notes(self) -> list[str]:
        """What some of the intervals do not cover, each note once."""
        tables = self.matrix, *self.scores.values(), *self.matrices.values(), *self.differences.values()
        estimates = [estimate for table in tables for estimate in table.values()]
        return list(dict.fromkeys(e.note for e in estimates if e.note))


def summarise(
    maps: xr.Dataset, *, inside: bool = False, connectivity: int = 8, differences: bool | None = None
) -> Summary:
    """Every score of a stack of label maps, with its interval.

    The agreement inside the triangle is left out where the maps do not say where the three images are on the planes.
    Runs with a nudged initialisation count for the instability floor only. The floor is accompanied by the disagreement
    of runs that differ in their seeds, with which it is to be compared.

    Args:
        inside: compute the matrix, and the agreements and disagreements beside it, from points inside the triangle of
            the three images only.
        connectivity: of fragments, 8 or 4.
        differences: compute the differences of every two networks, over the whole planes; by default of up to ten
            networks.

    Raises:
        InputError: fewer than two runs or two planes, or `maps` are no label maps.

    Example:
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 2, (3, 4, 9, 9))  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks="vit")
        >>> summarise(maps)
        Summary(1 network: vit; scores: reproducibility, beyond chance (kappa), Jaccard index, fragments of a plane)
        >>> summarise(maps).scores["fragments of a plane"]["vit"]
        Estimate(6.17 [4.20, 8.13], 4 planes, 3 runs)
    """
    nudged = nudged_mask(maps)
    plain = maps.isel(model=np.flatnonzero(~nudged))
    if plain.sizes["model"] == 0:
        raise InputError("every run has a nudged initialisation: add the runs with which they are to be compared")
    matrix, known = reproducibility_matrix(plain, inside=inside), has_anchors(plain)
    tables = LabelTables(plain)
    matrices = {"agreement at the same seed": same_seed_agreement(plain, inside=inside), **pair_matrices(tables)}
    scores = {
        "reproducibility": _within_networks(matrix),
        **{name: _within_networks(matrices[name]) for name in ("beyond chance (kappa)", "Jaccard index")},
        "inside the triangle": _within_networks(reproducibility_matrix(plain, inside=True)) if known else {},
        **(_disagreements(maps, matrix, inside) if nudged.any() else {}),
        "fragments of a plane": fragmentation(plain, connectivity=connectivity),
    }
    compared = len(tables.networks) <= _MOST_COMPARED if differences is None else differences
    return Summary(
        matrix=matrix,
        scores={name: estimates for name, estimates in scores.items() if estimates},
        matrices={name: estimates for name, estimates in matrices.items() if estimates},
        differences=_differences(tables, connectivity) if compared and len(tables.networks) > 1 else {},
    )


_MOST_COMPARED = 10
"""The most networks of which every two are compared by default."""


def _differences(tables: LabelTables, connectivity: int) -> dict[str, dict[tuple[str, str], Estimate]]:
    """The differences that the maps allow, of every two networks."""
    names = [name for name in DIFFERENCES if name != "inside the triangle" or has_anchors(tables.maps)]
    compared = {name: table_differences(tables, name, connectivity=connectivity) for name in names}
    return {name: estimates for name, estimates in compared.items() if estimates}


def _disagreements(
    maps: xr.Dataset, matrix: dict[tuple[str, str], Estimate], inside: bool
) -> dict[str, dict[str, Estimate]]:
    """The disagreement due to one weight multiplied by 1.001, and that due to new seeds."""
    return {
        "instability floor (disagreement)": instability_floor(maps, inside=inside),
        "disagreement between seeds": {name: agreed.complement for name, agreed in _within_networks(matrix).items()},
    }


def _within_networks(matrix: dict[tuple[str, str], Estimate]) -> dict[str, Estimate]:
    return {row: estimate for (row, column), estimate in matrix.items() if row == column}
