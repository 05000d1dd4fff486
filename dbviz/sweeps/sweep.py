"""A sweep: the runs of a grid done by an executor, with one display, and what is missing alone."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch

from dbviz.models.build import construct
from dbviz.progress import progress_bar
from dbviz.runs import estimate_seconds
from dbviz.spec import RunSpec
from dbviz.sweeps.events import Event, Executor, Failed, Finished, Retried, Started
from dbviz.sweeps.measure import is_measured
from dbviz.sweeps.study import Study
from dbviz.training import choose_device

__all__ = ["estimate_sweep", "missing", "run_sweep"]


def missing(specs: Iterable[RunSpec], study: Study) -> list[RunSpec]:
    """The runs that are not trained, or not measured, yet."""
    return [spec for spec in specs if not all(is_measured(spec, study, epoch) for epoch in study.measured_after(spec))]


def run_sweep(
    specs: Sequence[RunSpec],
    study: Study,
    executor: Executor,
    *,
    progress: bool = True,
    on_event: Callable[[Event], None] = lambda _: None,
) -> list[Failed]:
    """Gets every run done that is not in the store yet, the longest first; those that failed.

    Raises:
        OSError: the disk is full; what is finished is kept.
    """
    cost = {spec: _cost(spec) for spec in missing(specs, study)}
    order = sorted(cost, key=cost.__getitem__, reverse=True)
    tally = _Tally(ready=len(specs) - len(order), count=len(specs))
    with progress_bar(float(sum(cost.values())), show=progress and bool(order)) as advance:
        for event in executor.run(order, study):
            tally.note(event)
            on_event(event)
            over = isinstance(event, Finished | Failed)
            advance(cost[event.spec] if over else 0.0, str(tally))
            if isinstance(event, Failed) and event.stops_all and event.errno is not None:
                raise OSError(event.errno, os.strerror(event.errno))
    return tally.failed


def estimate_sweep(specs: Sequence[RunSpec], study: Study, at_once: int) -> float:
    """Estimated seconds for the runs that are not done yet, judged from one of middling size."""
    cost = {spec: _cost(spec) for spec in missing(specs, study)}
    if not cost:
        return 0.0
    middling = sorted(cost, key=cost.__getitem__)[len(cost) // 2]
    (seconds,) = estimate_seconds([middling], study.load_images(), choose_device(study.device)).values()
    return seconds * sum(cost.values()) / cost[middling] / min(at_once, len(cost))


@dataclass
class _Tally:
    """How many runs of a sweep are in which state."""

    ready: int
    count: int
    running: int = 0
    done: int = 0
    retried: int = 0
    failed: list[Failed] = field(default_factory=list)

    def note(self, event: Event) -> None:
        self.running += 1 if isinstance(event, Started) else -1
        self.done += isinstance(event, Finished)
        self.retried += isinstance(event, Retried)
        if isinstance(event, Failed):
            self.failed.append(event)

    def __str__(self) -> str:
        retried = f", {self.retried} retried" if self.retried else ""
        done = f"{self.ready + self.done} of {self.count} runs done"
        return f"{done}, {self.running} running, {len(self.failed)} failed{retried}"


def _cost(spec: RunSpec) -> float:
    """Something that a run's time goes with: parameters times epochs times images, with a little for every run."""
    with torch.device("meta"):
        module = construct(spec.arch, 10, spec.width, (3, 32, 32)) if ":" not in spec.arch else None
    size = sum(parameter.numel() for parameter in module.parameters()) if module else 1_000_000
    return 1e6 + float(size) * spec.recipe.epochs * (spec.train_size or 50_000)
