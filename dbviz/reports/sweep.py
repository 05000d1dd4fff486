"""A sweep as plain values: what is written to a file, and what a table shows."""

from collections.abc import Sequence
from typing import Any

from dbviz.core.environment import Differences, differences
from dbviz.executors import Failed
from dbviz.reports.tables import estimate_fields
from dbviz.runs import store
from dbviz.spec import RunSpec
from dbviz.sweeps.curves import SCORES, Curve, Point
from dbviz.sweeps.grouping import find_measured_runs
from dbviz.sweeps.measuring import measurement_environment
from dbviz.sweeps.study import Study

__all__ = ["curve_rows", "sweep_differences", "sweep_fields"]

_SHOWN = ("test_error", "train_error", "fragmentation", "reproducibility", "median_margin")


def sweep_fields(
    curves: Sequence[Curve], specs: Sequence[RunSpec], study: Study, failed: Sequence[Failed], tolerance: float
) -> dict[str, Any]:
    """Every number of a sweep with what it was found from, as JSON values."""
    asked = ("triplets", "triplet_seed", "resolution", "padding", "margin_images", "directions", "epochs")
    return {
        "curves": [_curve_fields(curve) for curve in curves],
        "tolerance": tolerance,
        "study": {name: getattr(study, name) for name in asked},
        "failed": [{"spec": f.spec.to_dict(), "error": f.error, "traceback": f.traceback} for f in failed],
        "specs": {spec.name: spec.to_dict() for spec in specs},
        "environment_differences": sweep_differences(specs, study),
    }


def sweep_differences(specs: Sequence[RunSpec], study: Study) -> dict[str, Differences]:
    """In which settings that may change bits the runs were `trained`, and the measurements of them `computed`."""
    runs = {spec.name: run for spec in specs if (run := store.find(spec, study.home)) is not None}
    computed = {f"{m.spec.name} after epoch {m.epoch}": m for m in find_measured_runs(specs, study)}
    return {
        "trained": differences({name: run.environment for name, run in runs.items()}),
        "computed": differences(
            {name: measurement_environment(m.spec, study, m.epoch) for name, m in computed.items()}
        ),
    }


def curve_rows(curves: Sequence[Curve]) -> tuple[list[str], list[list[str]]]:
    """The heading and the lines of a table, one for each place of each curve."""
    shown = [score for score in _SHOWN if any(score in point.scores for curve in curves for point in curve.points)]
    along = curves[0].along.rpartition(".")[2].replace("_", " ")
    rows = [
        [curve.name, f"{point.x:g}", *(_cell(point, score) for score in shown)]
        for curve in curves
        for point in curve.points
    ]
    return ["", along, *(SCORES[score] for score in shown)], rows


def _cell(point: Point, score: str) -> str:
    """A score with its interval; the training error, which is there to be seen falling to nought, without."""
    estimate = point.scores.get(score)
    if estimate is None:
        return ""
    return f"{estimate.value:.3f}" if score == "train_error" else str(estimate)


def _curve_fields(curve: Curve) -> dict[str, Any]:
    points = [
        {"x": p.x, "runs": p.runs, **{score: estimate_fields(estimate) for score, estimate in p.scores.items()}}
        for p in curve.points
    ]
    return {"name": curve.name, "along": curve.along, "threshold": curve.threshold, "points": points}
