"""Specifications: everything that determines a training run, as frozen dataclasses with an identity; network names.

Nothing here imports torch, so a command can parse and check its arguments before the heavy libraries load.
"""

from dbviz.spec.catalogue import ARCHITECTURE_NAMES, DATASET_NAMES
from dbviz.spec.changes import RecipeChanges, SpecChanges
from dbviz.spec.grid import check_grid
from dbviz.spec.label_noise import LabelNoise, NoiseKind
from dbviz.spec.names import network_names
from dbviz.spec.ranges import parse_counts, parse_seeds
from dbviz.spec.recipe import MODES, OPTIMIZERS, Mode, Optimizer, Precision, Recipe
from dbviz.spec.run_spec import RunSpec
from dbviz.spec.seeds import Seeds
from dbviz.spec.settings import Setting

__all__ = [
    "ARCHITECTURE_NAMES",
    "DATASET_NAMES",
    "MODES",
    "OPTIMIZERS",
    "LabelNoise",
    "Mode",
    "NoiseKind",
    "Optimizer",
    "Precision",
    "Recipe",
    "RecipeChanges",
    "RunSpec",
    "Seeds",
    "Setting",
    "SpecChanges",
    "check_grid",
    "network_names",
    "parse_counts",
    "parse_seeds",
]
