"""What the scores of a stack of label maps have in common, each computed when it is first needed."""

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int32, UInt

from dbviz.scores.agreement import chance_table, overlap_tables, pair_table
from dbviz.scores.label_arrays import label_array
from dbviz.scores.networks import runs_by_network
from dbviz.scores.run_pairs import RunPairs, run_pairs
from dbviz.scores.seed_factors import seed_texts

__all__ = ["LabelTables"]


@dataclass(frozen=True, eq=False)
class LabelTables:
    """Tables of a score of every pair of models on every plane, and the pairs of each two networks."""

    maps: xr.Dataset

    @cached_property
    def labels(self) -> UInt[np.ndarray, "model plane row column"]:
        """The labels; raises InputError where `maps` are no label maps."""
        return label_array(self.maps)

    @cached_property
    def networks(self) -> dict[str, np.ndarray]:
        """The positions of each network's runs."""
        return runs_by_network(self.maps)

    @cached_property
    def seeds(self) -> list[str]:
        """The seeds of each model."""
        return seed_texts(self.maps)

    @cached_property
    def agreed(self) -> Float64[np.ndarray, "model model plane"]:
        """The agreement."""
        return pair_table(self.labels)

    @cached_property
    def expected(self) -> Float64[np.ndarray, "model model plane"]:
        """The agreement by chance."""
        return chance_table(self.labels, self.classes)

    @cached_property
    def overlap(
        self,
    ) -> tuple[Int32[np.ndarray, "class model model plane"], Int32[np.ndarray, "class model model plane"]]:
        """The points to which both models assign a class, and to which either does."""
        return overlap_tables(self.labels, self.classes)

    @property
    def planes(self) -> int:
        """The number of planes."""
        return self.labels.shape[1]

    @cached_property
    def classes(self) -> int:
        """The number of classes, up to the largest label."""
        return int(self.labels.max()) + 1

    @property
    def class_names(self) -> list[str]:
        """The names of the classes, or their numbers where the maps do not name them."""
        names = [str(name) for name in json.loads(self.maps.attrs.get("class_names", "[]"))]
        return [*names, *map(str, range(len(names), self.classes))][: self.classes]

    def within(self) -> dict[tuple[str, str], RunPairs]:
        """The pairs of each network that has several runs."""
        repeated = {name: runs for name, runs in self.networks.items() if len(runs) > 1}
        return {(name, name): run_pairs([runs], self.seeds) for name, runs in repeated.items()}

    def pairs(self) -> dict[tuple[str, str], RunPairs]:
        """The pairs within each network, and those of different seeds between each two networks, once."""
        networks, within = list(self.networks.items()), self.within()
        pairs: dict[tuple[str, str], RunPairs] = {}
        for i, (row, row_runs) in enumerate(networks):
            pairs |= {(row, row): within[row, row]} if (row, row) in within else {}
            for column, column_runs in networks[i + 1 :]:
                between = run_pairs([row_runs, column_runs], self.seeds)
                pairs |= {(row, column): between} if between.chosen.any() else {}
        return pairs
