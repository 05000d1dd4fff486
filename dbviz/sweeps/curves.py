"""From the runs of a sweep to curves: every score against one field, a curve for each kind of run, with intervals."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float64

from dbviz.core.errors import InputError
from dbviz.data import Images
from dbviz.margins.measuring import DISTANCES
from dbviz.runs.training_run import training_images
from dbviz.scores import Estimate, error_rate, fragmentation, median_margin, reproducibility
from dbviz.spec import LabelNoise, RunSpec
from dbviz.sweeps.measuring import Measured, measured
from dbviz.sweeps.members import Member, by_curve, by_place, field_along, find_members
from dbviz.sweeps.study import Study

__all__ = ["SCORES", "Curve", "Point", "make_curves", "threshold"]

SCORES = {
    "test_error": "test error",
    "train_error": "training error",
    "train_error_clean": "training error, right labels",
    "train_error_mislabelled": "training error, wrong labels",
    "fragmentation": "fragments of a plane",
    "reproducibility": "reproducibility",
    "median_margin": "median margin",
}
"""Every score of a point, and what it is called. Training errors are against the labels given."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """The runs of one curve at one place, and their scores; a score that cannot be had is left out."""

    x: float
    runs: int
    scores: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Runs that differ in one field and their seeds alone."""

    name: str
    """What tells the curve from the others of the sweep, such as `noise 0.2`."""
    noise: LabelNoise | None
    """Of the labels trained on."""
    along: str
    """The field: `width`, `epoch`, `train_size`, or another of a spec."""
    points: tuple[Point, ...]
    threshold: float | None
    """Where the training error first is within the tolerance; None if it nowhere is."""

    def values(self, score: str) -> tuple[Float64[np.ndarray, " point"], list[Estimate]]:
        """The places and the estimates of a score, where there is one."""
        there = [point for point in self.points if score in point.scores]
        return np.array([point.x for point in there]), [point.scores[score] for point in there]


def make_curves(
    specs: Sequence[RunSpec], study: Study, *, along: str | None = None, tolerance: float = 0.01
) -> list[Curve]:
    """The curves of a sweep, from whatever runs of it are measured.

    Args:
        along: the field along the curves; see `field_along` for which it is by default.
        tolerance: the training error up to which a run counts as having fitted the labels it was given.

    Raises:
        InputError: no run is measured, or the field holds no number.
    """
    members = find_members(specs, study)
    if not members:
        raise InputError("no run of the sweep is finished: there is nothing to score")
    images, field = study.load_images(), along or field_along(specs, study)
    curves = []
    for name, group in by_curve(members, field).items():
        places = by_place(group, field, len(images.train))
        points = tuple(Point(x=x, runs=len(some), scores=_scores(some, study, images)) for x, some in places.items())
        reached, noise = threshold(points, tolerance), group[0].spec.label_noise
        curves.append(Curve(name=name, noise=noise, along=field, points=points, threshold=reached))
    return curves


def threshold(points: Sequence[Point], tolerance: float) -> float | None:
    """The interpolation threshold: the first place where the mean training error is within `tolerance`.

    Nakkiran et al. 2019, section 2, define the complexity of a training procedure so.
    """
    return next((point.x for point in points if point.scores["train_error"].value <= tolerance), None)


def _scores(members: Sequence[Member], study: Study, images: Images) -> dict[str, Estimate]:
    found = [measured(member.spec, study, member.epoch) for member in members]
    test_wrong = np.stack([one.test_predictions != images.test.labels for one in found])
    maps = _label_maps(members, found)
    scores = {"test_error": error_rate(test_wrong), **_train_errors(members, found, study, images)}
    (scores["fragmentation"],) = fragmentation(maps).values()
    if len(members) > 1:
        scores["reproducibility"] = reproducibility(maps)
    if study.margin_images:
        (scores["median_margin"],) = median_margin(_margins(members, found)).values()
    return scores


def _train_errors(
    members: Sequence[Member], found: Sequence[Measured], study: Study, images: Images
) -> dict[str, Estimate]:
    """Of all training images; where some are mislabelled, of these and of the others too."""
    given = [training_images(member.spec, images, study.home).labels for member in members]
    true = images.train.labels[: len(given[0])]
    wrong = np.stack([one.train_predictions != labels for one, labels in zip(found, given, strict=True)])
    noisy: Bool[np.ndarray, "run image"] = np.stack(given) != true
    errors = {"train_error": error_rate(wrong, item="training images")}
    parts = {"train_error_clean": ~noisy, "train_error_mislabelled": noisy} if noisy.any() else {}
    enough = {name: part for name, part in parts.items() if part.sum(axis=1).min() >= 2}
    return errors | {name: error_rate(wrong, part, item="training images") for name, part in enough.items()}


def _label_maps(members: Sequence[Member], found: Sequence[Measured]) -> xr.Dataset:
    dims = ("model", "plane", "row", "column")
    return _dataset(members, {"labels": (dims, np.stack([one.label_maps for one in found]))})


def _margins(members: Sequence[Member], found: Sequence[Measured]) -> xr.Dataset:
    dims = ("model", "image", "direction")
    variables = {name: (dims, np.stack([getattr(one, name) for one in found])) for name in ("margin", "crossed")}
    return _dataset(members, variables).assign_attrs(maximum=float(DISTANCES[-1]), split="test")


def _dataset(members: Sequence[Member], variables: Mapping[str, tuple[tuple[str, ...], np.ndarray]]) -> xr.Dataset:
    names = [member.spec.name for member in members]
    specs = {name: member.spec.to_dict() for name, member in zip(names, members, strict=True)}
    coordinates = {
        "model": np.array(names),
        "arch": ("model", np.array([member.spec.arch for member in members])),
        "seed": ("model", np.array([str(member.spec.seeds) for member in members])),
    }
    return xr.Dataset(dict(variables), coordinates, {"specs": json.dumps(specs)})
