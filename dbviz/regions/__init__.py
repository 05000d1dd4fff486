"""Planes through triplets of images, the label maps that models draw on them, and the files that keep those."""

from dbviz.regions.files import combine, load, save
from dbviz.regions.plane import Plane
from dbviz.regions.planeset import PlaneSet, draw_planes
from dbviz.regions.sampling import sample

__all__ = ["Plane", "PlaneSet", "combine", "draw_planes", "load", "sample", "save"]
