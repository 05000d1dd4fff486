"""Sweeps: a grid of independent runs, done by an executor, measured alike, and scored as curves."""

from dbviz.sweeps.curves import SCORES, Curve, Point, make_curves, threshold
from dbviz.sweeps.files import load
from dbviz.sweeps.grid import Axis, check_networks, crossed, default_widths, grid, parse_axis, parse_counts
from dbviz.sweeps.measuring import measured, train_and_measure
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
    "default_widths",
    "estimate_sweep",
    "grid",
    "load",
    "make_curves",
    "measured",
    "missing",
    "parse_axis",
    "parse_counts",
    "run_sweep",
    "threshold",
    "train_and_measure",
]
