"""Margins: the distance from an image to the first change of a model's label along a direction."""

from dbviz.margins.measuring import measure_margins

__all__ = [
    "measure_margins",
]
