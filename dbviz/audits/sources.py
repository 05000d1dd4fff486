"""A factorial design of runs that attributes their spread to the sources of randomness.

Every non-empty subset of the streams is varied while the others are fixed (Jordan 2023; Summers & Dinneen 2021); in
further cells one initial weight is perturbed, or nothing but nondeterministic kernels varies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Int64

from dbviz.core.errors import InputError, unknown_name
from dbviz.scores.sources import Cell
from dbviz.spec import RunSpec

__all__ = ["PERTURBATIONS", "SOURCES", "STREAMS", "SourcesDesign", "sources_design"]

STREAMS = ("init", "order", "augment")
"""Sources with a stream and a seed of their own."""
PERTURBATIONS = ("nudge", "kernels")
"""Sources under which all streams are fixed: one initial weight times 1.001, and nondeterministic kernels."""
SOURCES = (*STREAMS, *PERTURBATIONS)


@dataclass(frozen=True, kw_only=True)
class SourcesDesign:
    """The cells of a factorial design: subsets of the sources, each with runs in which only these vary.

    Example:
        >>> from dbviz.spec import Recipe
        >>> base = RunSpec(dataset="cifar10", arch="vit", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> design = sources_design(base, ["init", "order"], runs=2)
        >>> design.positions["order",].tolist()  # the base run is the first of every cell
        [0, 2]
    """

    cells: dict[Cell, tuple[RunSpec, ...]]

    @property
    def specs(self) -> list[RunSpec]:
        """All runs without duplicates; cells share the base run."""
        return list(dict.fromkeys(spec for runs in self.cells.values() for spec in runs))

    @property
    def positions(self) -> dict[Cell, Int64[np.ndarray, " run"]]:
        """The indices of each cell's runs in `specs`."""
        position = {spec: number for number, spec in enumerate(self.specs)}
        return {cell: np.array([position[spec] for spec in runs]) for cell, runs in self.cells.items()}


def sources_design(base: RunSpec, sources: Sequence[str] = SOURCES, *, runs: int = 5) -> SourcesDesign:
    """A cell of `runs` runs for every non-empty subset of the streams among `sources`, and for each perturbation.

    Streams that are fixed in a cell have the seed of `base`; those that vary have that seed and the ones after it.

    Raises:
        InputError: a source is unknown, repeated or does not affect this training, or there are fewer than two runs.

    Example:
        >>> from dbviz.spec import Recipe
        >>> base = RunSpec(dataset="cifar10", arch="vit", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> design = sources_design(base, ["init", "order"], runs=3)
        >>> list(design.cells), len(design.specs)
        ([('init',), ('order',), ('init', 'order')], 7)
    """
    _check(base, sources, runs)
    streams = [stream for stream in STREAMS if stream in sources]
    subsets = [cell for size in range(1, len(streams) + 1) for cell in combinations(streams, size)]
    cells = {cell: tuple(_varied(base, cell, k) for k in range(runs)) for cell in subsets}
    if "nudge" in sources:
        cells["nudge",] = tuple(_nudged(base, k) for k in range(runs))
    if "kernels" in sources:
        cells["kernels",] = tuple(_repeated(base, k) for k in range(runs))
    return SourcesDesign(cells=cells)


def _check(base: RunSpec, sources: Sequence[str], runs: int) -> None:
    for source in sources:
        if source not in SOURCES:
            raise unknown_name("source of randomness", source, SOURCES)
    if len(set(sources)) < len(sources) or not sources:
        raise InputError(f"sources {' '.join(sources) or 'none'}: give at least one of {', '.join(SOURCES)}, each once")
    if runs < 2:
        raise InputError(f"{runs} run of each cell has no spread: give at least two (--runs)")
    if base.recipe.optimizer == "least-squares" and set(sources) - {"init"}:
        raise InputError(
            f"{base.arch} is fitted in closed form, which only init affects: "
            "give --sources init, or an architecture that is trained step by step"
        )


def _varied(base: RunSpec, cell: Cell, k: int) -> RunSpec:
    return replace(base, seeds=replace(base.seeds, **{stream: getattr(base.seeds, stream) + k for stream in cell}))


def _nudged(base: RunSpec, k: int) -> RunSpec:
    """The base run for k = 0, then with one initial weight perturbed, another one for each k."""
    return replace(base, seeds=replace(base.seeds, nudge=k - 1)) if k else base


def _repeated(base: RunSpec, k: int) -> RunSpec:
    return replace(base, recipe=replace(base.recipe, deterministic=False), seeds=replace(base.seeds, repeat=k))
