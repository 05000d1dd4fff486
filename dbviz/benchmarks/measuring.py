"""What a benchmark measures, and with what clock."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["Benchmark", "Growth", "Measured", "seconds_of", "steady_seconds"]


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
