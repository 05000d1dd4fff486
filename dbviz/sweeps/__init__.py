"""Sweeps: a grid of independent runs, trained by an executor, each measured in the same way, and scored as curves."""

from dbviz.sweeps.curves import SCORES, Curve, Point, interpolation_threshold, make_curves
from dbviz.sweeps.files import load
from dbviz.sweeps.grid import Axis, check_networks, crossed, default_widths, grid, parse_axis
from dbviz.sweeps.measuring import (
    Measurements,
    is_measured,
    load_measurements,
    measurement_environment,
    train_and_measure,
)
from dbviz.sweeps.running import estimate_sweep, run_sweep, unfinished_runs
from dbviz.sweeps.study import Study

__all__ = [
    "SCORES",
    "Axis",
    "Curve",
    "Measurements",
    "Point",
    "Study",
    "check_networks",
    "crossed",
    "default_widths",
    "estimate_sweep",
    "grid",
    "interpolation_threshold",
    "is_measured",
    "load",
    "load_measurements",
    "make_curves",
    "measurement_environment",
    "parse_axis",
    "run_sweep",
    "train_and_measure",
    "unfinished_runs",
]
