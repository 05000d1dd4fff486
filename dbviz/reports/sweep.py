"""A sweep as JSON values, as rows of a table, as CSV and as LaTeX."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from dbviz.core.environment import Differences, differences
from dbviz.executors import Failed
from dbviz.reports.tables import csv_text, estimate_columns, estimate_fields, latex_cell, latex_table, noted_caption
from dbviz.runs import store
from dbviz.spec import RunSpec
from dbviz.sweeps.curves import SCORES, Curve, Point
from dbviz.sweeps.grouping import find_measured_runs
from dbviz.sweeps.measuring import measurement_environment
from dbviz.sweeps.study import Study

__all__ = ["sweep_csv", "sweep_differences", "sweep_fields", "sweep_latex", "sweep_rows"]

_MAIN = ("test_error", "train_error", "fragmentation", "reproducibility", "median_margin")


def sweep_fields(
    curves: Sequence[Curve], specs: Sequence[RunSpec], study: Study, failed: Sequence[Failed], tolerance: float
) -> dict[str, Any]:
    """Every number of a sweep with its provenance, as JSON values; `dbviz.sweeps.load` reads the curves back.

    Args:
        tolerance: the training error up to which a run counts as having fitted its labels.

    Example:
        >>> import tempfile, pathlib
        >>> study = Study(dataset="shapes", home=pathlib.Path(tempfile.mkdtemp()), triplets=500)
        >>> sweep_fields([], [], study, [], tolerance=0.01)["study"]["triplets"]
        500
    """
    study_fields = (
        *("dataset", "triplets", "triplet_seed", "resolution", "padding"),
        *("margin_images", "directions", "epochs"),
    )
    return {
        "curves": [_curve_fields(curve) for curve in curves],
        "tolerance": tolerance,
        "study": {name: getattr(study, name) for name in study_fields},
        "failed": [{"spec": f.item.to_dict(), "error": f.error, "traceback": f.traceback} for f in failed],
        "specs": {spec.name: spec.to_dict() for spec in specs},
        "environment_differences": sweep_differences(specs, study),
    }


def sweep_differences(specs: Sequence[RunSpec], study: Study) -> dict[str, Differences]:
    """The settings, of those that may change results, in which the runs' training or measurement differed."""
    runs = {spec.name: run for spec in specs if (run := store.find(spec, study.home)) is not None}
    computed = {f"{m.spec.name} after epoch {m.epoch}": m for m in find_measured_runs(specs, study)}
    return {
        "trained": differences({name: run.environment for name, run in runs.items()}),
        "computed": differences(
            {name: measurement_environment(m.spec, study, m.epoch) for name, m in computed.items()}
        ),
    }


def sweep_rows(curves: Sequence[Curve]) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of a table: the main scores of each point of each curve.

    Example:
        >>> from dbviz.scores import Estimate
        >>> test_error = Estimate(value=0.5, low=0.4, high=0.6, items=10_000, item="test images", runs=(3,))
        >>> point = Point(x=4.0, runs=3, scores={"test_error": test_error})
        >>> curve = Curve(name="noise 0.2", noise=None, along="width", points=(point,), threshold=None)
        >>> sweep_rows([curve])
        (['', 'width', 'test error'], [['noise 0.2', '4', '0.50 [0.40, 0.60]']])
    """
    scores = _present(curves)
    rows = [
        [curve.name, f"{point.x:g}", *(_cell(point, score) for score in scores)]
        for curve in curves
        for point in curve.points
    ]
    return ["", _along(curves), *(SCORES[score] for score in scores)], rows


def sweep_csv(curves: Sequence[Curve]) -> str:
    """One row a point of a curve, with value, interval, items and runs of every score.

    Columns that do not depend on the score are `curve`, `along`, `x`, `runs` and `threshold`; the others are named by
    the score, such as `test_error_value`.

    Example:
        >>> from dbviz.scores import Estimate
        >>> test_error = Estimate(value=0.5, low=0.4, high=0.6, items=10_000, item="test images", runs=(3,))
        >>> point = Point(x=4.0, runs=3, scores={"test_error": test_error})
        >>> curve = Curve(name="noise 0.2", noise=None, along="width", points=(point,), threshold=None)
        >>> sweep_csv([curve]).splitlines()[1]
        'noise 0.2,width,4,3,,0.5,0.4,0.6,0.95,10000,test images,3,,'
    """
    scores = [score for score in SCORES if any(score in point.scores for curve in curves for point in curve.points)]
    rows = []
    for curve in curves:
        for point in curve.points:
            row = {"curve": curve.name, "along": curve.along, "x": point.x, "runs": point.runs}
            row["threshold"] = curve.threshold
            for score in scores:
                row |= estimate_columns(point.scores.get(score), f"{score}_")
            rows.append(row)
    return csv_text(rows)


def sweep_latex(curves: Sequence[Curve], caption: str) -> str:
    r"""A booktabs table of the main scores, one row a point of a curve; needs `\usepackage{booktabs}`.

    Example:
        >>> from dbviz.scores import Estimate
        >>> test_error = Estimate(value=0.5, low=0.4, high=0.6, items=10_000, item="test images", runs=(3,))
        >>> point = Point(x=4.0, runs=3, scores={"test_error": test_error})
        >>> curve = Curve(name="noise 0.2", noise=None, along="width", points=(point,), threshold=None)
        >>> print(sweep_latex([curve], "Double descent").splitlines()[6])
        noise 0.2 & 4 & \shortstack{0.50 \\ {\tiny [0.40, 0.60]}} \\
    """
    scores = _present(curves)
    points = [(curve, point) for curve in curves for point in curve.points]
    cells = [[f"{point.x:g}", *(latex_cell(point.scores.get(score)) for score in scores)] for _, point in points]
    columns = [_along(curves), *(SCORES[score] for score in scores)]
    estimates = [point.scores[score] for _, point in points for score in scores if score in point.scores]
    return latex_table(cells, [curve.name for curve, _ in points], columns, noted_caption(caption, estimates))


def _present(curves: Sequence[Curve]) -> list[str]:
    """The main scores that some point has."""
    return [score for score in _MAIN if any(score in point.scores for curve in curves for point in curve.points)]


def _along(curves: Sequence[Curve]) -> str:
    return curves[0].along.rpartition(".")[2].replace("_", " ") if curves else ""


def _cell(point: Point, score: str) -> str:
    """A score with its interval; the training error, of which only its fall to zero matters, without."""
    estimate = point.scores.get(score)
    if estimate is None:
        return ""
    return f"{estimate.value:.3f}" if score == "train_error" else str(estimate)


def _curve_fields(curve: Curve) -> dict[str, Any]:
    points = [
        {"x": p.x, "runs": p.runs, **{score: estimate_fields(estimate) for score, estimate in p.scores.items()}}
        for p in curve.points
    ]
    noise = None if curve.noise is None else dataclasses.asdict(curve.noise)
    return {
        "name": curve.name,
        "along": curve.along,
        "noise": noise,
        "threshold": curve.threshold,
        "points": points,
    }
