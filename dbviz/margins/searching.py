"""The first changes of one network's label along half-lines, from its logits.

The *lead* of a point is the logit of the start's label minus the largest other logit: positive where the label is the
start's. It says two things about points that are not evaluated yet. Marching skips a distance that the lead cannot have
used up by then, if it falls no faster than `steepest`; see `dbviz.margins.pilot`. And bisection evaluates in plain fp32
at once where the fast form is likely to be uncertain: where the lead, interpolated between the ends of the interval, is
within the bound of its error.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from dbviz.label_maps.predictor import Predictor, label
from dbviz.margins.first_change import FirstChanges, first_changes
from dbviz.margins.half_lines import HalfLinePoints, HalfLines

__all__ = ["Searched", "Visits", "search"]

_CHUNK_BATCHES = 8
"""Batches whose images are made at once."""
_CHECKED_LINES = 8
"""Along one half-line in so many, points where the fast form is likely to be uncertain are evaluated in it all the
same, so that an error above its bound is noticed."""


@dataclass(frozen=True, eq=False)
class Visits:
    """The points that a search evaluated."""

    lines: Int64[np.ndarray, " n"]
    distances: Float64[np.ndarray, " n"]
    leads: Float64[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Searched:
    """The labels of the images, and the first change along every half-line."""

    predicted: Int64[np.ndarray, " image"]
    changes: FirstChanges
    error: float
    """The largest error of the fast form at a re-evaluated point; see `Labelled.error`."""
    visits: Visits


def search(
    predictor: Predictor,
    half_lines: HalfLines,
    distances: Float64[np.ndarray, " step"],
    tolerance: float,
    *,
    steepest: Float64[np.ndarray, " step"] | float = np.inf,
) -> Searched:
    """The first changes of the label along half-lines.

    Args:
        distances: the grid that is marched; see `first_changes`.
        tolerance: the width of the interval at which bisection ends.
        steepest: how fast a lead may fall before each distance; infinite: no distance is skipped.
    """
    logits = _Logits(predictor, half_lines)
    own = np.arange(len(half_lines.starts)) * half_lines.directions
    at_start = logits.at(own, np.zeros(len(own)))
    predicted = at_start.argmax(1).cpu().numpy()
    leads = _Leads.of(np.repeat(_leads(at_start, predicted), half_lines.directions))
    visits = [Visits(own, np.zeros(len(own)), leads.near[own])]

    def changed(lines: Int64[np.ndarray, " n"], at: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        at_once = leads.is_small(lines, at, logits.error_bound) & (lines % _CHECKED_LINES != 0)
        values = logits.at(lines, at, plain=at_once)
        labels = predicted[lines // half_lines.directions]
        differs = values.argmax(1).cpu().numpy() != labels
        visits.append(Visits(lines, at, _leads(values, labels)))
        leads.record(visits[-1], differs)
        return differs

    edges = np.concatenate([[0.0], distances])
    fall = np.concatenate([[0.0], np.cumsum(steepest * np.diff(edges))])
    """How far a lead may have fallen at each of the edges."""

    def clear(lines: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        if not np.isfinite(fall).all():
            return leads.near_at[lines]
        left = np.maximum(0, leads.near[lines] - logits.error_bound)
        return np.interp(np.interp(leads.near_at[lines], edges, fall) + left, fall, edges)

    changes = first_changes(changed, len(half_lines), distances, tolerance, clear=clear)
    return Searched(predicted, changes, logits.error, _joined(visits))


class _Logits:
    """Logits at points of half-lines whose argmax is plain fp32's, and the fast form's largest error seen."""

    def __init__(self, predictor: Predictor, half_lines: HalfLines) -> None:
        self.predictor, self.plain = predictor, replace(predictor, fast=None)
        self.half_lines = half_lines
        self.error_bound = predictor.fast.error_bound if predictor.fast else 0.0
        self.error = 0.0

    def at(
        self,
        lines: Int64[np.ndarray, " n"],
        distances: Float64[np.ndarray, " n"],
        plain: Bool[np.ndarray, " n"] | None = None,
    ) -> Float32[Tensor, "n k"]:
        """The logits at a distance each along the numbered half-lines; where `plain`, plain fp32's."""
        points = self.half_lines.at(lines, distances)
        if plain is None or self.predictor.fast is None or not plain.any():
            return self._by(self.predictor, points)
        parts = [np.flatnonzero(~plain), np.flatnonzero(plain)]
        ways = zip((self.predictor, self.plain), parts, strict=True)
        logits = [self._by(way, self.half_lines.at(lines[part], distances[part])) for way, part in ways if len(part)]
        return torch.cat(logits)[np.argsort(np.concatenate(parts))]

    def _by(self, predictor: Predictor, points: HalfLinePoints) -> Float32[Tensor, "n k"]:
        chunks = []
        for chunk in points.split(_CHUNK_BATCHES * predictor.batch):
            labelled = label(predictor, chunk)
            self.error = max(self.error, labelled.error)
            chunks.append(labelled.logits)
        return torch.cat(chunks)


@dataclass(frozen=True, eq=False)
class _Leads:
    """For every half-line its lead where it was last seen unchanged (near) and changed (far)."""

    near: Float64[np.ndarray, " line"]
    near_at: Float64[np.ndarray, " line"]
    far: Float64[np.ndarray, " line"]
    far_at: Float64[np.ndarray, " line"]
    """Infinite where no change has been seen."""

    @classmethod
    def of(cls, near: Float64[np.ndarray, " line"]) -> "_Leads":
        """The leads of the starts."""
        return cls(near, np.zeros(len(near)), np.zeros(len(near)), np.full(len(near), np.inf))

    def record(self, visits: Visits, differs: Bool[np.ndarray, " n"]) -> None:
        for leads, places, which in ((self.near, self.near_at, ~differs), (self.far, self.far_at, differs)):
            leads[visits.lines[which]] = visits.leads[which]
            places[visits.lines[which]] = visits.distances[which]

    def is_small(
        self, lines: Int64[np.ndarray, " n"], at: Float64[np.ndarray, " n"], bound: float
    ) -> Bool[np.ndarray, " n"]:
        """Whether the lead, interpolated between near and far, is within the bound; not where there is no far."""
        near, far = self.near[lines], self.far[lines]
        share = (at - self.near_at[lines]) / (self.far_at[lines] - self.near_at[lines])  # 0 where there is no far
        between = (share > 0) & (share < 1)
        return between & (np.abs(near + share * (far - near)) <= bound)


def _leads(logits: Float32[Tensor, "n k"], labels: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """The logit of each point's label minus the largest other one."""
    own = torch.from_numpy(labels).to(logits.device)[:, None]
    others = logits.scatter(1, own, -torch.inf).amax(1)
    return (logits.gather(1, own)[:, 0] - others).double().cpu().numpy()


def _joined(visits: list[Visits]) -> Visits:
    return Visits(*(np.concatenate([getattr(v, part) for v in visits]) for part in ("lines", "distances", "leads")))
