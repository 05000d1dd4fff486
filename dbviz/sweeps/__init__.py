"""Sweeps: a grid of independent runs, done by an executor, measured alike, and scored as curves."""

from dbviz.sweeps.curves import SCORES, Curve, Point, curves_of, threshold
from dbviz.sweeps.grid import Axis, check_networks, crossed, default_widths, grid, parse_axis, parse_counts
from dbviz.sweeps.measuring import measured, perform
from dbviz.sweeps.study import Study
from dbviz.sweeps.sweep import estimate_sweep, missing, run_sweep

__all__ = [
    "SCORES",
    "Axis",
    "Curve",
    "Point",
    "Study",
    "check_networks",
    "crossed",
    "curves_of",
    "default_widths",
    "estimate_sweep",
    "grid",
    "measured",
    "missing",
    "parse_axis",
    "parse_counts",
    "perform",
    "run_sweep",
    "threshold",
]
