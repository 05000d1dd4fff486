"""A sweep: the runs of a grid done by an executor, with one display, and what is missing alone."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch

from dbviz.executors import Event, Executor, Failed, run_tasks
from dbviz.models.build import construct
from dbviz.runs.fitting import estimate_seconds
from dbviz.spec import RunSpec
from dbviz.sweeps.measuring import estimate_measuring_seconds, is_measured, train_and_measure
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
    ready = len(specs) - len(cost)
    return run_tasks(
        cost, partial(train_and_measure, study=study), executor, ready=ready, progress=progress, on_event=on_event
    )


def estimate_sweep(specs: Sequence[RunSpec], study: Study, concurrency: int) -> float:
    """Estimated seconds for the runs that are not done yet, retry_or_give_up from one of middling size."""
    cost = {spec: _cost(spec) for spec in missing(specs, study)}
    if not cost:
        return 0.0
    middling = sorted(cost, key=cost.__getitem__)[len(cost) // 2]
    (seconds,) = estimate_seconds([middling], study.load_images(), choose_device(study.device)).values()
    seconds += estimate_measuring_seconds(middling, study)
    return seconds * sum(cost.values()) / cost[middling] / min(concurrency, len(cost))


def _cost(spec: RunSpec) -> float:
    """Something that a run's time goes with: parameters times epochs times images, with a little for every run."""
    with torch.device("meta"):
        module = construct(spec.arch, 10, spec.width, (3, 32, 32)) if ":" not in spec.arch else None
    size = sum(parameter.numel() for parameter in module.parameters()) if module else 1_000_000
    return 1e6 + float(size) * spec.recipe.epochs * (spec.train_size or 50_000)
