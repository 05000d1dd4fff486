"""Exact labels at a fraction of the cost: a fast form of a network, and the network itself where that is not sure.

The fast form gives logits that are slightly off. Where its two largest lie closer together than the error can reach,
the network is asked again in plain fp32; so the labels are those of plain fp32 everywhere.

Axes: n points, c channels, h rows, w columns, k classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from dbviz.core.errors import InputError
from dbviz.label_maps.models import check_finite, device_of, shaped_logits
from dbviz.training.device import evaluation_batch

__all__ = [
    "FastForm",
    "Forward",
    "Labelled",
    "Predictor",
    "errors",
    "fast_logits",
    "label",
    "logit_gap",
    "plain_logits",
    "plain_predictor",
]

Forward = Callable[[Tensor], Any]

_FEWEST = 32
"""Images in the smallest batch that a module is given. From 16 on, every architecture here gave an image the same bits
whatever stood beside it and however many (torch 2.15, AMD EPYC); a single image takes other kernels."""


@dataclass(frozen=True, eq=False)
class FastForm:
    """A form of a network whose logits, with `offset` added, are nearly those of plain fp32."""

    forward: Forward
    how: str
    """Such as `bf16, folded`."""
    offset: Float32[Tensor, " k"]
    """The mean error, which rounded weights make, taken back."""
    error_bound: float
    """Labels are right where the two largest logits lie further apart."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network as it is asked for labels; `plain` is the network itself, in fp32."""

    name: str
    plain: Forward
    device: torch.device
    batch: int
    fast: FastForm | None = None

    @property
    def how(self) -> str:
        return self.fast.how if self.fast else "plain"


@dataclass(frozen=True, eq=False)
class Labelled:
    """What a predictor says about n points."""

    logits: Float32[Tensor, "n k"]
    """Plain fp32's at the points `again`, elsewhere the fast form's; the largest is plain fp32's everywhere."""
    reevaluated: Int64[Tensor, " m"]
    """Places, among the n, of the points that were evaluated a second time, in plain fp32."""
    error: float = 0.0
    """The largest error of the fast form at those points, in the difference of its two largest logits."""


def plain_predictor(name: str, model: Forward, device: torch.device, batch: int | None = None) -> Predictor:
    """The model itself, called `name` in errors; its parameters say where it is evaluated, if it has any."""
    place = device_of(model, device)
    return Predictor(name, model, place, batch or evaluation_batch(place))


def label(predictor: Predictor, images: Float32[Tensor, "n c h w"]) -> Labelled:
    """The logits whose largest gives each image's label. The host waits for the device once.

    Raises:
        InputError: the outputs are not finite (`NotFiniteError`), or not (n, k) with at most 256 classes.
    """
    images = images.to(predictor.device)
    if predictor.fast is None:
        logits = plain_logits(predictor, images)
        check_finite(logits, torch.arange(len(images)), predictor.name, len(images))
        return Labelled(logits, torch.empty(0, dtype=torch.int64))
    logits = fast_logits(predictor.fast, images, predictor.batch)
    sure = torch.isfinite(logits).all(1) & (logit_gap(logits) > predictor.fast.error_bound)
    again = (~sure).nonzero()[:, 0]
    if not len(again):
        return Labelled(logits, again)
    exact = plain_logits(predictor, images[again])
    check_finite(exact, again, predictor.name, len(images))
    error = float(errors(logits[again], exact).amax())
    logits[again] = exact
    return Labelled(logits, again, error)


def fast_logits(fast: FastForm, images: Tensor, batch: int) -> Float32[Tensor, "n k"]:
    """In batches of one size, the last one filled up: compiled code and CUDA graphs are made for a single shape."""
    return torch.cat([_filled(fast.forward, part, batch) + fast.offset for part in images.split(batch)])


def plain_logits(predictor: Predictor, images: Tensor) -> Float32[Tensor, "n k"]:
    fewest = _FEWEST if isinstance(predictor.plain, nn.Module) else 0
    parts = images.split(predictor.batch)
    return torch.cat([_shaped(_filled(predictor.plain, part, fewest), predictor.name, len(part)) for part in parts])


def _filled(forward: Forward, images: Tensor, fewest: int) -> Any:
    """The outputs for the images, evaluated among blank ones where they are fewer than `fewest`."""
    missing = fewest - len(images)
    if missing <= 0:
        return forward(images)
    outputs = forward(F.pad(images, (0, 0) * 3 + (0, missing)).contiguous(memory_format=torch.channels_last))
    return outputs[: len(images)] if isinstance(outputs, Tensor) and len(outputs) == fewest else outputs


def logit_gap(logits: Float32[Tensor, "n k"]) -> Float32[Tensor, " n"]:
    """How far the largest logit is above the second; of a single class, infinitely."""
    if logits.shape[1] < 2:
        return torch.full_like(logits[:, 0], torch.inf)
    first, second = logits.topk(2).values.unbind(1)
    return first - second


def errors(logits: Float32[Tensor, "n k"], reference: Float32[Tensor, "n k"]) -> Float32[Tensor, " n"]:
    """How much the difference between the two largest `logits` is off."""
    if logits.shape[1] < 2:
        return torch.zeros_like(logits[:, 0])
    off = (logits - reference).gather(1, logits.topk(2).indices)
    return (off[:, 0] - off[:, 1]).abs()


def _shaped(logits: Any, name: str, count: int) -> Float32[Tensor, "n k"]:
    shaped = shaped_logits(logits, name, count)
    if shaped.shape[1] > 256:
        raise InputError(f"{name} has {shaped.shape[1]} classes: label maps hold at most 256")
    return shaped
