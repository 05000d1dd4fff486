"""Exact labels at a fraction of the cost: a fast form of a network, and the network itself where that is uncertain.

The logits of a fast form are slightly off. Where the two largest are closer than the bound of this error, the point is
re-evaluated in plain fp32, so that the labels are those of plain fp32 everywhere.

Axes: n points, c channels, h rows, w columns, k classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from dbviz.core.errors import InputError
from dbviz.label_maps.batches import BatchSizes, Forward, evaluated, plain_sizes
from dbviz.label_maps.models import check_finite, device_of, shaped_logits
from dbviz.label_maps.points import Points
from dbviz.training.device import evaluation_batch

__all__ = [
    "FastForm",
    "ImageForm",
    "Labelled",
    "PointForm",
    "Predictor",
    "errors",
    "fast_logits",
    "label",
    "logit_gap",
    "plain_logits",
    "plain_predictor",
]


PointForm = Callable[[Any], Tensor]
"""From n points to logits (n, k), on the network's device."""


@dataclass(frozen=True, eq=False)
class ImageForm:
    """A form of a network that is evaluated on the points' images."""

    forward: Forward
    device: torch.device
    sizes: BatchSizes

    def __call__(self, points: Points) -> Tensor:
        outputs = evaluated(self.forward, points.images.to(self.device), self.sizes, "a fast form")
        # cloned, since a CUDA graph writes the outputs of every batch to the same memory
        return torch.cat([logits.clone() for logits, _ in outputs])


@dataclass(frozen=True, eq=False)
class FastForm:
    """A form of a network whose logits, with `offset` added, are nearly those of plain fp32."""

    evaluate: PointForm
    how: str
    """Such as `bf16, folded`."""
    offset: Float32[Tensor, " k"]
    """Corrects the mean error, such as rounded weights cause."""
    error_bound: float
    """Labels are those of plain fp32 where the two largest logits are farther apart."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network and how it is evaluated; `plain` is the network itself, in fp32."""

    name: str
    plain: Forward
    device: torch.device
    batch: int
    """Points of a batch of its fast form."""
    sizes: BatchSizes
    """Batches of plain fp32."""
    fast: FastForm | None = None

    @property
    def how(self) -> str:
        return self.fast.how if self.fast else "plain"


@dataclass(frozen=True, eq=False)
class Labelled:
    """The logits of n points, exact in their argmax."""

    logits: Float32[Tensor, "n k"]
    """Plain fp32's at the points `reevaluated`, elsewhere the fast form's; the argmax is plain fp32's everywhere."""
    reevaluated: Int64[Tensor, " m"]
    """Places, among the n, of the points that were evaluated a second time, in plain fp32."""
    error: float = 0.0
    """The largest error of the fast form at those points, in the difference of its two largest logits."""


def plain_predictor(
    name: str, model: Forward, device: torch.device, batch: int | None = None, *, one_size: bool = False
) -> Predictor:
    """The model itself, called `name` in errors, on the device of its parameters, or on `device` if it has none.

    Args:
        one_size: the logits are bitwise those of any other call; see `plain_sizes`.
    """
    place = device_of(model, device)
    count = batch or evaluation_batch(place)
    return Predictor(name, model, place, count, plain_sizes(model, place, count, one_size=one_size))


def label(predictor: Predictor, points: Points) -> Labelled:
    """The logits whose argmax is each point's label. The host waits for the device once.

    Raises:
        InputError: the outputs are not finite (`NotFiniteError`), or not (n, k).
    """
    if predictor.fast is None:
        logits = plain_logits(predictor, points.images)
        check_finite(logits, torch.arange(len(points)), predictor.name, len(points))
        return Labelled(logits, torch.empty(0, dtype=torch.int64))
    logits = fast_logits(predictor.fast, points)
    certain = torch.isfinite(logits).all(1) & (logit_gap(logits) > predictor.fast.error_bound)
    uncertain = (~certain).nonzero()[:, 0]
    if not len(uncertain):
        return Labelled(logits, uncertain)
    exact = plain_logits(predictor, points.images_at(uncertain))
    check_finite(exact, uncertain, predictor.name, len(points))
    error = float(errors(logits[uncertain], exact).amax())
    logits[uncertain] = exact
    return Labelled(logits, uncertain, error)


def fast_logits(fast: FastForm, points: Points) -> Float32[Tensor, "n k"]:
    return fast.evaluate(points) + fast.offset


def plain_logits(predictor: Predictor, images: Tensor) -> Float32[Tensor, "n k"]:
    """The logits of the network itself, batch by batch.

    Raises:
        InputError: they are not (n, k), torch has no kernel for the network, or it does not fit in memory.
    """
    batches = evaluated(predictor.plain, images.to(predictor.device), predictor.sizes, predictor.name)
    try:
        return torch.cat([shaped_logits(outputs, predictor.name, count) for outputs, count in batches])
    except RuntimeError as error:
        if isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error):
            raise  # the device is unusable from now on; executors end such a process
        reason = str(error).partition("\n")[0]
        raise InputError(f"{predictor.name} cannot be evaluated in fp32 on {predictor.device}: {reason}") from error


def logit_gap(logits: Float32[Tensor, "n k"]) -> Float32[Tensor, " n"]:
    """The largest logit minus the second largest; infinite for a single class."""
    if logits.shape[1] < 2:
        return torch.full_like(logits[:, 0], torch.inf)
    first, second = logits.topk(2).values.unbind(1)
    return first - second


def errors(logits: Float32[Tensor, "n k"], reference: Float32[Tensor, "n k"]) -> Float32[Tensor, " n"]:
    """The absolute error in the difference between the two largest `logits`."""
    if logits.shape[1] < 2:
        return torch.zeros_like(logits[:, 0])
    off = (logits - reference).gather(1, logits.topk(2).indices)
    return (off[:, 0] - off[:, 1]).abs()
