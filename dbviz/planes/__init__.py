"""Planes through triplets of images, sets of planes with their provenance, and planes off the image manifold."""

from dbviz.planes.off_manifold import adversarial_direction, draw_noise_planes, draw_planes_around, draw_shuffled_planes
from dbviz.planes.plane import Plane, check_grid
from dbviz.planes.plane_set import PlaneSet, draw_planes
from dbviz.planes.triplets import check_triplets, draw_triplets

__all__ = [
    "Plane",
    "PlaneSet",
    "adversarial_direction",
    "check_grid",
    "check_triplets",
    "draw_noise_planes",
    "draw_planes",
    "draw_planes_around",
    "draw_shuffled_planes",
    "draw_triplets",
]
