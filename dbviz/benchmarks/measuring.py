"""How benchmarks measure: results, clocks, peak memory, and the upper bound set by the bare network."""

import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from dbviz.label_maps.calibration import compiled, forms
from dbviz.training.device import evaluation_batch
from dbviz.training.evaluation import eval_mode

__all__ = [
    "Benchmark",
    "Growth",
    "Measured",
    "bare_forward",
    "memory_growth",
    "seconds_of",
    "steady_seconds",
]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One way of doing a benchmark's work."""

    way: str
    amount: int
    """How much of the benchmark's unit was done."""
    seconds: float

    @property
    def rate(self) -> float:
        """Amount per second."""
        return self.amount / self.seconds


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How the time grows with one of its causes."""

    over: str
    values: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def power(self) -> float:
        """The exponent p of seconds ~ value^p between the first and the last value."""
        ends = [math.log(each[-1] / each[0]) for each in (self.seconds, self.values)]
        return ends[0] / ends[1]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Several ways of doing the same, the usual one first and the bare forward pass last."""

    title: str
    unit: str
    measured: tuple[Measured, ...]
    growth: tuple[Growth, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    """Other figures, by what they are."""


def seconds_of(work: Callable[[], Any], device: torch.device) -> float:
    """How long the work takes once, the device's share included."""
    _wait(device)
    began = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - began


def steady_seconds(work: Callable[[], Any], device: torch.device, *, repeats: int = 5) -> float:
    """The shortest of several times, after one that makes everything ready: what the work takes undisturbed."""
    work()
    return min(seconds_of(work, device) for _ in range(repeats))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory_growth(work: Callable[[], Any], device: torch.device) -> float:
    """MiB that the work adds to what is in use before it: on CUDA of the device's memory, else of the process's peak.

    The peak of a process never falls, so on a CPU only what exceeds everything before is seen: ask early.
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


def bare_forward(
    model: nn.Module, image_shape: tuple[int, int, int], device: torch.device, *, compile: bool
) -> Measured:
    """The fastest of the network's forms on one batch, without anything done to its logits."""
    batch = torch.randn(evaluation_batch(device), *image_shape, device=device)
    batch = batch.contiguous(memory_format=torch.channels_last)
    with eval_mode(model):
        ways = {"plain": model, **dict(forms(model, device, bf16=True))}
        seconds = {how: steady_seconds(lambda f=f: f(batch), device) for how, f in ways.items()}
        best = min(seconds, key=lambda how: seconds[how])
        if compile and best != "plain":
            forward = compiled(ways[best], device)
            seconds[f"{best}, compiled"] = steady_seconds(lambda: forward(batch), device)
    best = min(seconds, key=lambda how: seconds[how])
    return Measured(way=f"bare forward pass ({best})", amount=len(batch), seconds=seconds[best])
