"""Label maps: the class that each model assigns to every point of a grid on each plane; sampled, saved, loaded.

`dbviz.label_maps.layout` describes their dimensions, coordinates and attributes.
"""

from dbviz.label_maps.arrays import from_array
from dbviz.label_maps.content import content_digest
from dbviz.label_maps.files import combine, load, save
from dbviz.label_maps.provenance import environment_differences
from dbviz.label_maps.sampling import sample

__all__ = [
    "combine",
    "content_digest",
    "environment_differences",
    "from_array",
    "load",
    "sample",
    "save",
]
