"""Pictures of finished arrays: they draw what they are given, and neither compute nor save."""

from dbviz.figures.palette import PALETTES, class_colours
from dbviz.figures.regions import RegionDisplay
from dbviz.figures.saving import FORMATS, save_figure

__all__ = ["FORMATS", "PALETTES", "RegionDisplay", "class_colours", "save_figure"]
