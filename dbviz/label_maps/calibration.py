"""The fast form of a network that suits it and the machine, and how far its error reaches: both found by measuring.

The error is measured for each network on a sample of the very points that are to be labelled. Its reach is twice the
largest error found in the difference between the two largest logits. Among 512 normal errors the largest lies at three
standard deviations; a label that is wrong and not noticed then takes an error of more than six, one in 10^9.

Axes: n points, c channels, h rows, w columns, k classes.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from jaxtyping import Float32
from torch import Tensor, fx, nn

from dbviz.label_maps.folding import folded, with_exact_head
from dbviz.label_maps.predictor import FastForm, Forward, Predictor, errors, fast_logits, logit_gap, plain_logits
from dbviz.training.device import default_precision

__all__ = ["calibrated", "compiled", "forms"]

_SAFETY = 2.0
"""How much further than seen on the sample an error may reach."""
_WORTH = 0.95
"""A fast form is used if it, with what it leaves to be asked again, takes less than this share of plain fp32."""
_ENOUGH = 0.6
"""A form that takes less than this share of plain fp32 is taken at once; else the next is tried too."""
_COMPILED_SAVES = 0.08
"""Share of the time that compiling saved: 6 to 15 % of folded bf16 on one core of an AMD EPYC, by architecture."""
_COMPILE_SECONDS = 0.3
"""What compiling takes for each layer: resnet18 (62 layers) 20 s, densenet121 (about 370) 90 to 130 s, same machine."""


def calibrated(
    predictor: Predictor,
    sample: Float32[Tensor, "n c h w"],
    points: int,
    *,
    share: float = 1.0,
    exact_logits: bool = False,
) -> Predictor:
    """The predictor with a form of its network that should label `points` points sooner than plain fp32.

    Forms are tried on the sample. A form's time is taken together with that of the points it leaves to be asked again.
    Only the speed depends on what is chosen; where nothing saves time, the predictor stays as it is.

    Args:
        sample: points drawn from the whole grid.
        share: how much of the grid the points are; they are thought to be those nearest to the boundaries, where more
            of them have to be asked again.
        exact_logits: all logits are wanted as plain fp32 gives them, up to rounding: no bf16.
    """
    module = predictor.plain
    if not isinstance(module, nn.Module) or not _has_other_forms(module):
        return predictor
    sample = sample.to(predictor.device)
    reference, plain_seconds = _timed(lambda images: plain_logits(predictor, images), sample, predictor)
    best, least = predictor, _WORTH * plain_seconds
    for how, forward in _forms_if_any(module, predictor.device, bf16=not exact_logits):
        found = _tried(predictor, how, forward, sample, reference)
        if found is None:
            continue
        fast, seconds = found
        doubtful = float((logit_gap(reference) <= fast.error_bound).float().mean())
        expected = seconds + plain_seconds * min(1.0, doubtful / share)
        if expected < least:
            best, least = replace(predictor, fast=fast), expected
        if least < _ENOUGH * plain_seconds:
            break
    total = least / len(sample) * points
    return _compiled(best, sample, reference) if best.fast and _repays(module, total) else best


def forms(module: nn.Module, device: torch.device, *, bf16: bool) -> Iterator[tuple[str, Forward]]:
    """Forms of a network that may be faster than itself, with what they are, the most promising first."""
    plain = folded(module).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if bf16 and default_precision(device) == "bf16":
        low = with_exact_head(folded(module), torch.bfloat16)
        low = low.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        yield "bf16, folded", lambda images: low(images.bfloat16()).float()
        yield "bf16 autocast, folded", _autocast(plain, device)
    if isinstance(plain, fx.GraphModule):  # something was folded
        yield "fp32, folded", plain


def _forms_if_any(module: nn.Module, device: torch.device, *, bf16: bool) -> list[tuple[str, Forward]]:
    try:
        return list(forms(module, device, bf16=bf16))
    except Exception:  # a user's module may refuse to be copied or cast, and in any way
        return []


def _autocast(module: nn.Module, device: torch.device) -> Forward:
    def forward(images: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return module(images).float()

    return forward


def _has_other_forms(module: nn.Module) -> bool:
    """Whether the network is in fp32 and gives an image the same logits in any company."""
    parameters = list(module.parameters())
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    alone = all(norm.running_mean is not None for norm in norms)
    return bool(parameters) and alone and all(parameter.dtype == torch.float32 for parameter in parameters)


def _tried(
    predictor: Predictor, how: str, forward: Forward, sample: Tensor, reference: Tensor
) -> tuple[FastForm, float] | None:
    """The form with its error measured against `reference`, and its seconds; None if it does not work."""
    untouched = FastForm(forward, how, torch.zeros_like(reference[0]), 0.0)
    try:
        logits, seconds = _timed(lambda images: fast_logits(untouched, images, predictor.batch), sample, predictor)
    except Exception:  # a user's module may do what bf16 or the compiler cannot, and fail in any way
        return None
    if logits.shape != reference.shape or not torch.isfinite(logits).all():
        return None
    offset = (reference - logits).mean(0)
    bound = _SAFETY * float(errors(logits + offset, reference).amax())
    return replace(untouched, offset=offset, error_bound=bound), seconds


def _repays(module: nn.Module, seconds: float) -> bool:
    """Whether compiling would take less time than it saves of `seconds` of evaluation."""
    layers = sum(not list(part.children()) for part in module.modules())
    return _COMPILED_SAVES * seconds > _COMPILE_SECONDS * layers


def _compiled(predictor: Predictor, sample: Tensor, reference: Tensor) -> Predictor:
    """The predictor with its fast form compiled, measured anew; as it was where it cannot be compiled."""
    fast = predictor.fast
    assert fast is not None
    forward = compiled(fast.forward, predictor.device)
    found = _tried(predictor, f"{fast.how}, compiled", forward, sample, reference)
    return replace(predictor, fast=found[0]) if found else predictor


def compiled(forward: Forward, device: torch.device) -> Forward:
    """A form that is compiled when it is first called, for batches of one size and weights that do not change.

    On CUDA it is recorded as a graph, so that the host launches a batch in one call (not measured yet).
    """
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns where there is no GPU
    if device.type == "cuda":
        return torch.compile(forward, dynamic=False, mode="reduce-overhead")
    return torch.compile(forward, dynamic=False, options={"freezing": True})


def _timed(
    forward: Callable[[Tensor], Tensor], sample: Tensor, predictor: Predictor
) -> tuple[Float32[Tensor, "n k"], float]:
    """The logits of the sample and the seconds they took, a first batch apart that makes everything ready.

    On a CPU the processor's seconds, which other processes at work do not add to.
    """
    cuda = predictor.device.type == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    wait = (lambda: torch.cuda.synchronize(predictor.device)) if cuda else (lambda: None)
    forward(sample[: predictor.batch])
    wait()
    began = clock()
    logits = forward(sample)
    wait()
    return logits, clock() - began
