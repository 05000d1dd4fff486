"""Planes through triplets of images, the label maps that models draw on them, their files; and margins."""

from dbviz.regions.environments import environment_differences
from dbviz.regions.files import combine, load, save
from dbviz.regions.margins import measure_margins
from dbviz.regions.plane import Plane
from dbviz.regions.planeset import PlaneSet, draw_planes
from dbviz.regions.sampling import sample

__all__ = [
    "Plane",
    "PlaneSet",
    "combine",
    "draw_planes",
    "environment_differences",
    "load",
    "measure_margins",
    "sample",
    "save",
]
