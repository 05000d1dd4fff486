"""Every score of a stack of label maps at once: what the command prints and a notebook begins with."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from dbviz.core.errors import InputError
from dbviz.scores.estimate import Estimate
from dbviz.scores.fragmentation import fragmentation
from dbviz.scores.networks import nudged
from dbviz.scores.reproducibility import (
    chance_corrected,
    instability_floor,
    jaccard_index,
    reproducibility_matrix,
)

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The scores of several networks."""

    matrix: dict[tuple[str, str], Estimate]
    """Reproducibility within each network and between any two."""
    scores: dict[str, dict[str, Estimate]]
    """By the name of the score, and in it by network; networks that cannot have a score are left out of it."""

    def extended(self, scores: dict[str, dict[str, Estimate]]) -> "Summary":
        """The summary with further scores behind its own."""
        return replace(self, scores=self.scores | scores)

    @property
    def notes(self) -> list[str]:
        """What some of the intervals do not cover, each said once."""
        estimates = [*self.matrix.values(), *(e for score in self.scores.values() for e in score.values())]
        return list(dict.fromkeys(e.note for e in estimates if e.note))


def summarise(maps: xr.Dataset, *, inside: bool = False, connectivity: int = 8) -> Summary:
    """Every score that label maps give, with its interval.

    Runs that began with a nudged weight count for the instability floor alone; beside it stands what it is to be
    compared with, the disagreement of runs that differ in their seeds.

    Args:
        inside: the matrix, and the agreements and disagreements beside it, from points inside the triangle of the three
            images only.
        connectivity: of fragments, 8 or 4.

    Raises:
        InputError: fewer than two runs or two planes.
    """
    moved = nudged(maps)
    plain = maps.isel(model=np.flatnonzero(~moved))
    if plain.sizes["model"] == 0:
        raise InputError("every run began with a nudged weight: give the runs they are to be compared with too")
    matrix = reproducibility_matrix(plain, inside=inside)
    scores = {
        "reproducibility": _diagonal(matrix),
        "beyond chance (kappa)": chance_corrected(plain),
        "Jaccard index": jaccard_index(plain),
        "inside the triangle": _diagonal(reproducibility_matrix(plain, inside=True)),
        **(_disagreements(maps, matrix, inside) if moved.any() else {}),
        "fragments of a plane": fragmentation(plain, connectivity=connectivity),
    }
    return Summary(matrix=matrix, scores={name: found for name, found in scores.items() if found})


def _disagreements(
    maps: xr.Dataset, matrix: dict[tuple[str, str], Estimate], inside: bool
) -> dict[str, dict[str, Estimate]]:
    """What remains different when one weight is multiplied by 1.001, and what new seeds make different."""
    return {
        "instability floor (disagreement)": instability_floor(maps, inside=inside),
        "disagreement between seeds": {name: agreed.complement for name, agreed in _diagonal(matrix).items()},
    }


def _diagonal(matrix: dict[tuple[str, str], Estimate]) -> dict[str, Estimate]:
    return {one: estimate for (one, other), estimate in matrix.items() if one == other}
