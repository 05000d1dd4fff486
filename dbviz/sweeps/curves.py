"""From the runs of a sweep to curves: every score against one field, one curve for each kind of run, with intervals."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float64

from dbviz.core.errors import InputError
from dbviz.data import Images
from dbviz.margins.measuring import DISTANCES
from dbviz.runs.training_run import training_images
from dbviz.scores import Estimate, error_rate, fragmentation, median_margin, reproducibility
from dbviz.scores.estimate import Factor
from dbviz.scores.seed_factors import run_factors
from dbviz.spec import LabelNoise, RunSpec
from dbviz.sweeps.grouping import MeasuredRun, default_field, find_measured_runs, group_by_curve, group_by_x
from dbviz.sweeps.measuring import Measurements, load_measurements
from dbviz.sweeps.study import Study

__all__ = ["SCORES", "Curve", "Point", "interpolation_threshold", "make_curves"]

SCORES = {
    "test_error": "test error",
    "train_error": "training error",
    "train_error_clean": "training error, correctly labelled images",
    "train_error_mislabelled": "training error, mislabelled images",
    "fragmentation": "fragments of a plane",
    "reproducibility": "reproducibility",
    "median_margin": "median margin",
}
"""The scores of a point, with their names in figures and tables. Training errors are against the labels trained on."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """The scores of the runs of one curve at one value of its field; scores that are not available are left out.

    Example:
        >>> import numpy as np
        >>> from dbviz.scores import error_rate
        >>> wrong = np.array([[True, False, False, False], [True, True, False, False]])
        >>> point = Point(x=64.0, runs=2, scores={"test_error": error_rate(wrong, item="training images")})
        >>> point.scores["test_error"].value
        0.375
    """

    x: float
    runs: int
    """The number of runs."""
    scores: Mapping[str, Estimate]
    """By the keys of `SCORES`."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Runs that differ only in one field and their seeds.

    Example:
        >>> import numpy as np
        >>> from dbviz.scores import error_rate
        >>> wrong = np.array([[True, False, False, False], [True, True, False, False]])
        >>> points = tuple(Point(x=x, runs=2, scores={"test_error": error_rate(wrong)}) for x in (8.0, 64.0))
        >>> curve = Curve(name="noise 0", noise=None, along="width", points=points, threshold=None)
        >>> x, estimates = curve.values("test_error")
        >>> x.tolist(), [estimate.value for estimate in estimates]
        ([8.0, 64.0], [0.375, 0.375])
    """

    name: str
    """What distinguishes the curve from the others of the sweep, such as `noise 0.2`."""
    noise: LabelNoise | None
    """The label noise that its runs are trained with."""
    along: str
    """The field on the x axis: `width`, `epoch`, `train_size`, or another field of a spec."""
    points: tuple[Point, ...]
    threshold: float | None
    """See `interpolation_threshold`."""

    def values(self, score: str) -> tuple[Float64[np.ndarray, " point"], list[Estimate]]:
        """The x values and the estimates of one score, at the points that have it."""
        points = [point for point in self.points if score in point.scores]
        return np.array([point.x for point in points]), [point.scores[score] for point in points]


def make_curves(
    specs: Sequence[RunSpec], study: Study, *, along: str | None = None, tolerance: float = 0.01
) -> list[Curve]:
    """The curves of a sweep, from those of its runs that are measured.

    Args:
        along: the field on the x axis; by default `epoch` if several are measured, else the first of width,
            training-set size and the remaining numeric fields that takes several values.
        tolerance: the training error up to which a run counts as having fitted the labels it was trained on.

    Raises:
        InputError: no run is measured, or the field is not numeric.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> from dbviz.data import Images, shapes
        >>> from dbviz.executors import InProcess
        >>> from dbviz.runs.specs import make_specs
        >>> from dbviz.sweeps import grid, run_sweep
        >>> images = Images(train=shapes(32, split="train"), test=shapes(16, split="test"))
        >>> common = {"images": images, "preset": "quick", "device": torch.device("cpu"), "train_size": 32}
        >>> specs = grid(make_specs(["random_features"], seeds=range(2), **common), widths=(4, 64))
        >>> home = Path(tempfile.mkdtemp())
        >>> study = Study(dataset=images.name, images=images, home=home, device="cpu", triplets=2, resolution=4)
        >>> run_sweep(specs, study, InProcess(), progress=False)
        []
        >>> (curve,) = make_curves(specs, study)
        >>> curve.along, [point.x for point in curve.points], curve.threshold
        ('width', [4.0, 64.0], 64.0)
    """
    measured_runs = find_measured_runs(specs, study)
    if not measured_runs:
        raise InputError("no run of the sweep is finished: there is nothing to score")
    images, field = study.load_images(), along or default_field(specs, study)
    curves = []
    for name, curve_runs in group_by_curve(measured_runs, field).items():
        points = tuple(
            Point(x=x, runs=len(runs), scores=_scores(runs, study, images))
            for x, runs in group_by_x(curve_runs, field, len(images.train)).items()
        )
        reached, noise = interpolation_threshold(points, tolerance), curve_runs[0].spec.label_noise
        curves.append(Curve(name=name, noise=noise, along=field, points=points, threshold=reached))
    return curves


def interpolation_threshold(points: Sequence[Point], tolerance: float) -> float | None:
    """The first x at which the mean training error is at most `tolerance`; None if there is none.

    Nakkiran et al. 2019, section 2, define the effective model complexity of a training procedure so.

    Example:
        >>> import numpy as np
        >>> from dbviz.scores import error_rate
        >>> wrong = {8.0: [[True, False], [True, True]], 64.0: [[False, False], [False, False]]}
        >>> points = [Point(x=x, runs=2, scores={"train_error": error_rate(np.array(w))}) for x, w in wrong.items()]
        >>> interpolation_threshold(points, tolerance=0.01)
        64.0
    """
    return next((point.x for point in points if point.scores["train_error"].value <= tolerance), None)


def _scores(runs: Sequence[MeasuredRun], study: Study, images: Images) -> dict[str, Estimate]:
    measurements = [load_measurements(run.spec, study, run.epoch) for run in runs]
    test_wrong = np.stack([of_run.test_predictions != images.test.labels for of_run in measurements])
    maps = _label_maps(runs, measurements)
    scores = {
        "test_error": error_rate(test_wrong, factors=_factors(runs)),
        **_train_errors(runs, measurements, study, images),
    }
    (scores["fragmentation"],) = fragmentation(maps).values()
    if len(runs) > 1:
        scores["reproducibility"] = reproducibility(maps)
    if study.margin_images:
        (scores["median_margin"],) = median_margin(_margins(runs, measurements)).values()
    return scores


def _train_errors(
    runs: Sequence[MeasuredRun], measurements: Sequence[Measurements], study: Study, images: Images
) -> dict[str, Estimate]:
    """Of all training images; where some are mislabelled, also of these and of the correctly labelled ones.

    An error of fewer than two images of a run has no interval and is left out.
    """
    trained_on = [training_images(run.spec, images, study.home).labels for run in runs]
    true = images.train.labels[: len(trained_on[0])]
    wrong = np.stack(
        [of_run.train_predictions != labels for of_run, labels in zip(measurements, trained_on, strict=True)]
    )
    mislabelled: Bool[np.ndarray, "run image"] = np.stack(trained_on) != true
    of_images: dict[str, Any] = {"item": "training images", "factors": _factors(runs)}
    errors = {"train_error": error_rate(wrong, **of_images)}
    parts = {"train_error_clean": ~mislabelled, "train_error_mislabelled": mislabelled} if mislabelled.any() else {}
    large_enough = {name: part for name, part in parts.items() if part.sum(axis=1).min() >= 2}
    return errors | {name: error_rate(wrong, part, **of_images) for name, part in large_enough.items()}


def _factors(runs: Sequence[MeasuredRun]) -> list[Factor]:
    """The seeds that vary over the runs of a point, which are crossed where one of them is swept."""
    return run_factors([str(run.spec.seeds) for run in runs])


def _label_maps(runs: Sequence[MeasuredRun], measurements: Sequence[Measurements]) -> xr.Dataset:
    dims = ("model", "plane", "row", "column")
    return _dataset(runs, {"labels": (dims, np.stack([of_run.label_maps for of_run in measurements]))})


def _margins(runs: Sequence[MeasuredRun], measurements: Sequence[Measurements]) -> xr.Dataset:
    dims = ("model", "image", "direction")
    variables = {
        name: (dims, np.stack([getattr(of_run, name) for of_run in measurements])) for name in ("margin", "crossed")
    }
    return _dataset(runs, variables).assign_attrs(maximum=float(DISTANCES[-1]), split="test")


def _dataset(runs: Sequence[MeasuredRun], variables: Mapping[str, tuple[tuple[str, ...], np.ndarray]]) -> xr.Dataset:
    names = [run.spec.name for run in runs]
    specs = {name: run.spec.to_dict() for name, run in zip(names, runs, strict=True)}
    coordinates = {
        "model": np.array(names),
        "arch": ("model", np.array([run.spec.arch for run in runs])),
        "seed": ("model", np.array([str(run.spec.seeds) for run in runs])),
    }
    return xr.Dataset(dict(variables), coordinates, {"specs": json.dumps(specs)})
