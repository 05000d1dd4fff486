"""The schedule: the networks of a stage one after the other, or side by side, until all are archived or time is up."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import xarray as xr

from campaign_parts.network import Network
from dbviz.cli.execution import report_event
from dbviz.data import Images
from dbviz.executors import Executor, Failed, Finished, Started
from dbviz.runs.fitting import estimate_seconds
from dbviz.spec import RunSpec, Seeds
from dbviz.sweeps import Study
from dbviz.sweeps.measuring import estimate_measuring_seconds

__all__ = ["Timing", "estimated_timing", "train_until"]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long the networks of a stage take: measured where one of their kind is finished, else estimated.

    Networks of one kind differ in their seeds and label noise alone.
    """

    estimates: dict[RunSpec, float]
    """Seconds of each kind, training and sampling."""
    sampling: float
    """Estimated seconds of the longest sampling."""
    measured: dict[RunSpec, list[float]] = field(default_factory=dict)

    def record(self, spec: RunSpec, seconds: float) -> None:
        """Adds the seconds that a network took."""
        self.measured.setdefault(_kind(spec), []).append(seconds)

    def seconds(self, spec: RunSpec) -> float:
        """Of one network; an estimate is corrected by those networks that are measured."""
        kind = _kind(spec)
        if kind in self.measured:
            return float(np.mean(self.measured[kind]))
        taken = sum(seconds for times in self.measured.values() for seconds in times)
        estimated = sum(self.estimates[known] * len(times) for known, times in self.measured.items())
        return self.estimates[kind] * (taken / estimated if estimated else 1.0)

    def total(self, specs: Sequence[RunSpec], concurrency: int) -> float:
        """Of several networks."""
        return sum(self.seconds(spec) for spec in specs) / max(1, min(concurrency, len(specs)))


def estimated_timing(specs: Sequence[RunSpec], images: Images, task: Network, device: torch.device) -> Timing:
    """Timing from a few steps and one batch of each kind of network."""
    kinds = list(dict.fromkeys(_kind(spec) for spec in specs))
    options = task.planes
    study = Study(
        dataset=images.name,
        images=images,
        home=task.home,
        device=str(device),
        triplets=options.triplets,
        resolution=options.resolution,
    )
    training = estimate_seconds(kinds, images, device)
    sampling = {kind: estimate_measuring_seconds(kind, study) for kind in kinds}
    estimates = {kind: training[kind] + sampling[kind] for kind in kinds}
    return Timing(estimates=estimates, sampling=max(sampling.values()))


def train_until(
    specs: Sequence[RunSpec],
    task: Network,
    executor: Executor,
    timing: Timing,
    on_entry: Callable[[RunSpec, xr.Dataset], None],
) -> list[Failed[RunSpec]]:
    """Trains and samples networks until all are done or the task's deadline has passed; returns those that failed.

    Args:
        on_entry: called with each network that is finished, and its entry of the archive.
    """
    left, failures = list(specs), []
    while left and task.deadline > time.time():
        batch, count = next_networks(left, task, timing, executor.concurrency), len(left)
        begun, started = {spec for spec in batch if _is_begun(spec, task)}, {}
        for event in executor.run(batch, task):
            report_event(event)
            if isinstance(event, Started):
                started[event.item] = time.time()
            elif isinstance(event, Failed):
                failures.append(event)
                left.remove(event.item)
                _check_disk(event)
            elif isinstance(event, Finished) and (entry := task.entry(event.item)) is not None:
                left.remove(event.item)
                if event.item not in begun:
                    timing.record(event.item, time.time() - started[event.item])
                on_entry(event.item, entry)
        if len(left) == count:  # time was too short
            break
    return failures


def next_networks(left: Sequence[RunSpec], task: Network, timing: Timing, concurrency: int) -> list[RunSpec]:
    """What is trained next: the one that was begun, else the first that fits into the time left, else the first.

    Side by side all networks are started in this order; what the deadline interrupts is kept.
    """
    time_left = task.deadline - time.time()
    order = sorted(left, key=lambda spec: (not _is_begun(spec, task), timing.seconds(spec) > time_left))
    return order[:1] if concurrency == 1 else order


def _is_begun(spec: RunSpec, task: Network) -> bool:
    return (task.home / spec.name / "spec.json").exists()


def _kind(spec: RunSpec) -> RunSpec:
    return replace(spec, seeds=Seeds(), label_noise=None)


def _check_disk(event: Failed[RunSpec]) -> None:
    """Raises OSError where the disk is full, so that no other network could be stored either."""
    if event.disk_full and event.errno is not None:
        raise OSError(event.errno, os.strerror(event.errno))
