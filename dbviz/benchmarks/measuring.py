"""How benchmarks measure: results, clocks, peak memory, and the upper bound set by the bare forward pass."""

import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from dbviz.label_maps.calibration import forms
from dbviz.label_maps.compiling import compiled
from dbviz.training.device import evaluation_batch
from dbviz.training.evaluation import eval_mode

__all__ = [
    "Benchmark",
    "Growth",
    "Timing",
    "bare_forward",
    "memory_growth",
    "seconds_of",
    "steady_seconds",
]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The time that one method takes for a benchmark's work.

    Example:
        >>> Timing(method="dbviz.sample", amount=2500, seconds=0.5).rate
        5000.0
    """

    method: str
    amount: int
    """How much work was done, in the unit of the benchmark."""
    seconds: float

    @property
    def rate(self) -> float:
        """Amount per second."""
        return self.amount / self.seconds


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How the time grows with one variable.

    Example:
        >>> round(Growth(variable="width", values=(2, 4, 8), seconds=(1.0, 3.0, 16.0)).exponent, 6)
        2.0
    """

    variable: str
    values: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """The p of seconds ~ value^p between the first and the last value."""
        return math.log(self.seconds[-1] / self.seconds[0]) / math.log(self.values[-1] / self.values[0])


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Several methods of doing the same work.

    Example:
        >>> timings = tuple(
        ...     Timing(method=method, amount=100, seconds=seconds)
        ...     for method, seconds in [("baseline", 4.0), ("dbviz.sample", 1.0), ("bare forward pass", 0.8)]
        ... )
        >>> benchmark = Benchmark(title="Sampling", unit="points", timings=timings)
        >>> benchmark.timings[1].rate / benchmark.baseline.rate, benchmark.timings[1].rate / benchmark.upper_bound.rate
        (4.0, 0.8)
    """

    title: str
    unit: str
    timings: tuple[Timing, ...]
    """The baseline first and the upper bound last."""
    growth: tuple[Growth, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    """Further results, by their descriptions."""

    @property
    def baseline(self) -> Timing:
        """The work as published code does it; several seeds one after the other."""
        return self.timings[0]

    @property
    def upper_bound(self) -> Timing:
        """The bare forward pass or training step, with nothing around it."""
        return self.timings[-1]


def seconds_of(work: Callable[[], Any], device: torch.device) -> float:
    """The time of one call, until the device has finished too."""
    _synchronize(device)
    began = time.perf_counter()
    work()
    _synchronize(device)
    return time.perf_counter() - began


def steady_seconds(work: Callable[[], Any], device: torch.device, *, repeats: int = 5) -> float:
    """The shortest time of `repeats` calls after one warm-up call."""
    work()
    return min(seconds_of(work, device) for _ in range(repeats))


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory_growth(work: Callable[[], Any], device: torch.device) -> float:
    """MiB that the work adds to the memory in use: on CUDA of the device's memory, else of the process's peak.

    The peak of a process never falls, so on a CPU only what exceeds every earlier peak is measured: call this first.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    before = _peak()
    work()
    return _peak() - before


def _peak() -> float:
    """The process's largest resident size so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def bare_forward(model: nn.Module, image_shape: tuple[int, int, int], device: torch.device, *, compile: bool) -> Timing:
    """The upper bound of sampling: the fastest form of the network on one batch, its logits unused."""
    batch = torch.randn(evaluation_batch(device), *image_shape, device=device)
    batch = batch.contiguous(memory_format=torch.channels_last)
    with eval_mode(model):
        forwards = {"plain": model, **dict(forms(model, device))}
        seconds = {form: steady_seconds(lambda f=f: f(batch), device) for form, f in forwards.items()}
        best = min(seconds, key=lambda form: seconds[form])
        if compile and best != "plain":
            forward = compiled(forwards[best], device)
            seconds[f"{best}, compiled"] = steady_seconds(lambda: forward(batch), device)
    best = min(seconds, key=lambda form: seconds[form])
    return Timing(method=f"upper bound: bare forward pass ({best})", amount=len(batch), seconds=seconds[best])
