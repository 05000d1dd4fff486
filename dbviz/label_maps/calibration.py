"""Chooses the fast form of a network for the machine at hand, and bounds its error; both are measured.

The error is measured for each network on a sample of the points that are to be labelled. Its bound is a multiple of
the largest error in the difference between the two largest logits. In bf16 and fp16 it is twice that: the largest of
512 normal errors is about three standard deviations; a label that is wrong without being re-evaluated takes an error of
more than six, one in 10^9. In fp32 errors are rounding, which grows with the logits, so that a sample may miss the
largest; it is so small that a bound far above it costs next to no re-evaluations.

Axes: n points, k classes.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float32
from torch import Tensor, fx, nn

from dbviz.label_maps.batches import BatchSizes, Forward, fast_sizes
from dbviz.label_maps.compiling import compiled, record_compilation, repays_compilation
from dbviz.label_maps.folding import folded, with_exact_head
from dbviz.label_maps.grid import GridPoints
from dbviz.label_maps.kept_calibration import Calibration, CalibrationFile
from dbviz.label_maps.linear_first_layer import LinearFirstForm, linear_first
from dbviz.label_maps.points import Points
from dbviz.label_maps.predictor import (
    FastForm,
    ImageForm,
    PointForm,
    Predictor,
    errors,
    fast_logits,
    logit_gap,
    plain_logits,
)
from dbviz.training.device import default_precision

__all__ = ["calibrated", "forms", "low_precision", "sample_size"]

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

_SAFETY_FACTORS = {"bf16": 2.0, "fp16": 2.0, "fp32": 16.0}
"""The error bound, as a multiple of the largest error on the sample. On 12 planes of CIFAR-10 the largest error of nine
networks with a linear first layer, evaluated by plane, was at most 3.2 times that on a sample of 128 points."""
_MIN_BATCHES = 16
"""On a CPU, with fewer batches to evaluate, calibration would take as long as it saves."""
_MIN_POINTS_ON_CUDA = 4000
"""The same on CUDA, in points: of resnet18, plain fp32 would take about .12 s for them (estimated)."""
_SAMPLE_POINTS, _SAMPLE_POINTS_ON_CUDA = 512, 1024
_MAX_RELATIVE_TIME = 0.95
"""A fast form is used if it takes less than this share of plain fp32's time, re-evaluations included."""
_GOOD_RELATIVE_TIME = 0.6
"""A form that takes less than this share of plain fp32's time is chosen without trying the remaining ones."""
_CHECKED_POINTS = 128
"""Points of every new grid on which a kept error bound is checked."""
_CHECK_FACTOR = 1.5
"""A kept calibration is measured anew where the error there is this many times as large as its largest."""


def calibrated(
    predictor: Predictor,
    sample: Points,
    points: int,
    *,
    share: float = 1.0,
    kept: CalibrationFile | None = None,
) -> Predictor:
    """The predictor with the form of its network that should label `points` points fastest.

    Forms are timed on the sample, including the points that would be re-evaluated. The choice affects the speed only;
    where no form saves time, the predictor is returned as it is.

    Args:
        sample: points drawn from the whole grid.
        share: how much of the grid the points are. They are assumed to be those nearest to the boundaries, of which
            more have to be re-evaluated.
        kept: where the choice is read from, after a check of its error on a part of the sample, and written to.
    """
    module = predictor.plain
    if not isinstance(module, nn.Module) or not _has_fast_forms(module):
        return predictor
    _ = sample.images  # made before anything is timed
    before = kept.read() if kept else None
    choice = (before and _restored(module, predictor, before, sample)) or _fastest(module, predictor, sample, share)
    if kept and choice.record != before:
        kept.write(choice.record)
    fast = choice.predictor.fast
    if fast is None or not repays_compilation(module, fast.how, predictor.batch, choice.record.seconds * points):
        return choice.predictor
    return _compiled(module, choice.predictor, fast, sample)


@dataclass(frozen=True, eq=False)
class _Choice:
    """A form that was chosen for a network, and the record of the choice."""

    predictor: Predictor
    record: Calibration

    @classmethod
    def of(cls, predictor: Predictor, seconds: float) -> "_Choice":
        fast = predictor.fast
        offset = () if fast is None else tuple(fast.offset.tolist())
        return cls(predictor, Calibration(predictor.how, offset, fast.error_bound if fast else 0.0, seconds))


def _fastest(module: nn.Module, predictor: Predictor, sample: Points, share: float) -> _Choice:
    """The form that takes least time on the sample, points that would be re-evaluated included."""
    reference, plain_seconds = _timed(lambda points: plain_logits(predictor, points.images), sample, predictor)
    best, least = predictor, _MAX_RELATIVE_TIME * plain_seconds
    for how, form in _candidates(module, predictor, sample):
        measurement = _measured(predictor, how, form, sample, reference)
        if measurement is None:
            continue
        fast, seconds = measurement
        uncertain = float((logit_gap(reference) <= fast.error_bound).float().mean())
        expected = seconds + plain_seconds * min(1.0, uncertain / share)
        if expected < least:
            best, least = replace(predictor, fast=fast), expected
        if least < _GOOD_RELATIVE_TIME * plain_seconds:
            break
    return _Choice.of(best, least / len(sample))


def _restored(module: nn.Module, predictor: Predictor, kept: Calibration, sample: Points) -> _Choice | None:
    """A kept choice, its error bound raised to that on a part of the sample; None where it does not fit the sample.

    The bound has to hold for points that it was not measured on, such as those of other planes.
    """
    if kept.how == "plain":
        return _Choice(predictor, kept)
    form = dict(_candidates(module, predictor, sample)).get(kept.how)
    if form is None:
        return None
    offset = torch.tensor(kept.offset, device=predictor.device)
    fast = FastForm(form, kept.how, offset, kept.error_bound)
    part = next(sample.split(_CHECKED_POINTS))
    reference = plain_logits(predictor, part.images)
    try:
        logits = fast_logits(fast, part)
        bound = _bound(kept.how, logits, reference)
    except Exception:  # such as another number of classes in a damaged file
        return None
    if not bound <= _CHECK_FACTOR * kept.error_bound:
        return None
    fast = replace(fast, error_bound=max(bound, kept.error_bound))
    return _Choice.of(replace(predictor, fast=fast), kept.seconds)


def _bound(how: str, logits: Float32[Tensor, "n k"], reference: Float32[Tensor, "n k"]) -> float:
    """The bound of a form's error that its logits on a sample suggest."""
    return _SAFETY_FACTORS[how[:4]] * float(errors(logits, reference).amax())


def sample_size(points: int, device: torch.device, batch: int) -> int:
    """The number of points to calibrate on where `points` are to be labelled; 0 where that would not save time.

    On a CPU whole batches: on small grids one point in 128, at most 512 of all, at least one batch.

    Example:
        >>> [sample_size(points, torch.device("cuda"), 4096) for points in (2500, 25_000)]
        [0, 1024]
        >>> [sample_size(points, torch.device("cpu"), 128) for points in (2000, 2500, 25_000, 10**6)]
        [0, 128, 128, 512]
    """
    if device.type == "cuda":
        return _SAMPLE_POINTS_ON_CUDA if points >= _MIN_POINTS_ON_CUDA else 0
    if points < _MIN_BATCHES * batch:
        return 0
    return max(1, min(points // 128, _SAMPLE_POINTS) // batch) * batch


def forms(module: nn.Module, device: torch.device) -> Iterator[tuple[str, Forward]]:
    """Forms of an fp32 network that may be faster on images than itself, with their names, most promising first.

    A name starts with the precision.
    """
    plain = folded(module).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if (precision := low_precision(device)) is not None:
        dtype = _TYPES[precision]
        low = with_exact_head(folded(module), dtype)
        low = low.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        yield f"{precision}, folded", lambda images: low(images.to(dtype)).float()
        yield f"{precision} autocast, folded", _autocast(plain, device, dtype)
    if isinstance(plain, fx.GraphModule):  # something was folded
        yield "fp32, folded", plain


def low_precision(device: torch.device) -> Literal["bf16", "fp16"] | None:
    """The precision of the fast forms tried on the device.

    On CUDA fp16 is as fast as bf16 and has three more bits, so that it rounds to an eighth of the error; a form whose
    logits overflow in it is not used. On a CPU fp16 was tried without gain.

    Example:
        >>> low_precision(torch.device("cuda"))
        'fp16'
    """
    if device.type == "cuda":
        return "fp16"
    return "bf16" if default_precision(device) == "bf16" else None


def _candidates(module: nn.Module, predictor: Predictor, sample: Points) -> Iterator[tuple[str, PointForm]]:
    """All fast forms of a network, with their names, most promising first."""
    if isinstance(sample, GridPoints) and (parts := linear_first(module)) is not None:
        yield "fp32, first layer by plane", LinearFirstForm(parts, predictor.batch)
    if not _is_fp32(module):
        return
    try:
        image_forms = list(forms(module, predictor.device))
    except Exception:  # a user's module may fail in any way when it is copied or cast
        return
    for how, forward in image_forms:
        yield how, ImageForm(forward, predictor.device, fast_sizes(predictor.device, predictor.batch))


def _autocast(module: nn.Module, device: torch.device, dtype: torch.dtype) -> Forward:
    def forward(images: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype):
            return module(images).float()

    return forward


def _has_fast_forms(module: nn.Module) -> bool:
    """Whether the network may have other forms, and its logits of a point do not depend on the rest of the batch."""
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    independent = all(norm.running_mean is not None for norm in norms)
    return independent and (_is_fp32(module) or linear_first(module) is not None)


def _is_fp32(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and all(parameter.dtype == torch.float32 for parameter in parameters)


def _measured(
    predictor: Predictor, how: str, form: PointForm, sample: Points, reference: Tensor
) -> tuple[FastForm, float] | None:
    """The form with its error measured against `reference`, and its seconds; None if it does not work."""
    uncorrected = FastForm(form, how, torch.zeros_like(reference[0]), 0.0)
    try:
        logits, seconds = _timed(lambda points: fast_logits(uncorrected, points), sample, predictor)
    except Exception:  # a user's module may fail in any way in bf16 or when it is compiled
        return None
    if logits.shape != reference.shape or not torch.isfinite(logits).all():
        return None
    offset = (reference - logits).mean(0)
    return replace(uncorrected, offset=offset, error_bound=_bound(how, logits + offset, reference)), seconds


def _compiled(module: nn.Module, predictor: Predictor, fast: FastForm, sample: Points) -> Predictor:
    """The predictor with its fast form compiled and measured anew; unchanged where it cannot be compiled."""
    if not isinstance(fast.evaluate, ImageForm):
        return predictor
    forward = compiled(fast.evaluate.forward, predictor.device)
    one_size = BatchSizes(predictor.batch, least=predictor.batch)
    form = replace(fast.evaluate, forward=forward, sizes=one_size)
    reference = plain_logits(predictor, sample.images)
    measurement = _measured(predictor, f"{fast.how}, compiled", form, sample, reference)
    if measurement is None:
        return predictor
    record_compilation(module, fast.how, predictor.batch)
    return replace(predictor, fast=measurement[0])


def _timed(
    evaluate: Callable[[Points], Tensor], sample: Points, predictor: Predictor
) -> tuple[Float32[Tensor, "n k"], float]:
    """The logits of the sample and the seconds they took, after a first batch that is not timed.

    On a CPU the processor's seconds, which do not grow with the load of other processes.
    """
    cuda = predictor.device.type == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    wait = (lambda: torch.cuda.synchronize(predictor.device)) if cuda else (lambda: None)
    evaluate(next(sample.split(predictor.batch)))
    wait()
    began = clock()
    logits = evaluate(sample)
    wait()
    return logits, clock() - began
