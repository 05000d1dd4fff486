"""The pairs of runs that a score is averaged over: different runs of one network, or one run of each of two networks.

Where runs share seeds, pairs of different seeds are set apart from pairs of the same seed: the latter share initial
weights, order and augmentation, and would enter an average with a weight that depends on the number of seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from dbviz.scores.estimate import Factor, Statistic
from dbviz.scores.seed_factors import seed_codes, seed_factors, shared_seeds

__all__ = ["RunPairs", "run_pairs"]


@dataclass(frozen=True, eq=False)
class RunPairs:
    """Pairs of runs, and which runs are left out together for an interval."""

    networks: tuple[np.ndarray, ...]
    """The positions of the runs of one network, or of each of two."""
    chosen: Bool[np.ndarray, "some other"]
    """Which pairs count."""
    factors: list[Factor] | None
    """For `jackknife_estimate`; None leaves every run out alone."""

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of runs of each network."""
        return tuple(len(runs) for runs in self.networks)

    def mean(self, table: np.ndarray, indices: list[np.ndarray], items: np.ndarray) -> float:
        """The mean of a table (model, model, item) over items and pairs; NaN where no pair is left.

        Args:
            indices: the runs that are left of each network.
            items: the items that are left.
        """
        rows, columns = indices[0], indices[-1]
        chosen = self.chosen[np.ix_(rows, columns)]
        if not chosen.any():
            return float("nan")
        block = table[np.ix_(self.networks[0][rows], self.networks[-1][columns], items)]
        return float(block.mean() if chosen.all() else block.mean(axis=2)[chosen].mean())

    def sums(self, table: np.ndarray) -> Statistic:
        """The sum of a table (model, model, item) over items and pairs, for a jackknife of many scores.

        It is fast since the jackknife leaves out runs or items, never both, and needs only the sums over the other.
        """
        block = table[np.ix_(self.networks[0], self.networks[-1])]
        of_pairs, of_items, count = block.sum(axis=2), block[self.chosen].sum(axis=0), table.shape[2]

        def total(indices: list[np.ndarray], items: np.ndarray) -> float:
            if len(items) < count:
                return float(of_items[items].sum())
            rows_columns = np.ix_(indices[0], indices[-1])
            return float(of_pairs[rows_columns][self.chosen[rows_columns]].sum())

        return total

    def means(self, table: np.ndarray) -> Statistic:
        """`mean` of a table, as fast as `sums`; equal to it but for rounding."""
        total = self.sums(table)

        def mean(indices: list[np.ndarray], items: np.ndarray) -> float:
            pairs = int(self.chosen[np.ix_(indices[0], indices[-1])].sum())
            return total(indices, items) / (pairs * len(items)) if pairs else float("nan")

        return mean


def run_pairs(
    networks: Sequence[np.ndarray], seeds: Sequence[str] | None = None, *, same_seed: bool = False
) -> RunPairs:
    """The pairs of different runs of a network, or of runs of two networks.

    Args:
        networks: the positions of the runs of one network, or of each of two.
        seeds: of all runs, by position. Pairs then have different seeds, in every stream that varies; runs that share a
            seed are left out together. By default every run is taken to be independent of the others.
        same_seed: pairs of runs of the same seeds instead.
    """
    within, parts = len(networks) == 1, tuple(networks)
    if seeds is None:
        shape = len(parts[0]), len(parts[-1])
        return RunPairs(parts, ~np.eye(*shape, dtype=bool) if within else np.ones(shape, bool), None)
    codes = seed_codes([seeds[int(run)] for runs in parts for run in runs])
    places = np.split(np.arange(len(codes)), np.cumsum([len(runs) for runs in parts])[:-1])
    different, same = shared_seeds(codes, places[0], places[-1])
    if within and not different.any():
        # every two runs share a stream: pairs that differ in another one are all there are, or no seed varies
        different = ~same if not same.all() else ~np.eye(len(same), dtype=bool)
    return RunPairs(parts, same if same_seed else different, seed_factors(codes, places))
