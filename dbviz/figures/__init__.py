"""Figures of finished results: they draw what they are given, and neither compute nor save."""

from dbviz.figures.curves import noise_colour, plot_curves, plot_sweep
from dbviz.figures.estimates import plot_distributions, plot_estimates, plot_scores
from dbviz.figures.extremes import plot_extremes
from dbviz.figures.legend import draw_legend
from dbviz.figures.matrix import plot_matrix
from dbviz.figures.palette import PALETTES, class_colours
from dbviz.figures.region_grid import plot_region_grid
from dbviz.figures.regions import RegionDisplay
from dbviz.figures.saving import FORMATS, save_figure
from dbviz.figures.seeds import plot_deviations, plot_epochs, plot_halves, plot_histograms
from dbviz.figures.sources import plot_cells
from dbviz.figures.speed import plot_growth, plot_rates

__all__ = [
    "FORMATS",
    "PALETTES",
    "RegionDisplay",
    "class_colours",
    "draw_legend",
    "noise_colour",
    "plot_cells",
    "plot_curves",
    "plot_deviations",
    "plot_distributions",
    "plot_epochs",
    "plot_estimates",
    "plot_extremes",
    "plot_growth",
    "plot_halves",
    "plot_histograms",
    "plot_matrix",
    "plot_rates",
    "plot_region_grid",
    "plot_scores",
    "plot_sweep",
    "save_figure",
]
