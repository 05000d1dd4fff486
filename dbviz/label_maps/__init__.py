"""Label maps: the class that each model gives to every point of a grid on each plane; sampled, saved, loaded."""

from dbviz.label_maps.files import combine, load, save
from dbviz.label_maps.provenance import environment_differences
from dbviz.label_maps.sampling import sample

__all__ = [
    "combine",
    "environment_differences",
    "load",
    "sample",
    "save",
]
