"""Runs trained as commands do it: in this process or by an executor, with what is reported of lost and failed ones."""

import os
import sys
from collections.abc import Sequence

import torch

from dbviz.cli.announcement import announce
from dbviz.cli.job import Job
from dbviz.cli.options import ExecutorOptions
from dbviz.executors import Event, Executor, Failed, InProcess, Pool, Retried, run_tasks
from dbviz.runs import Run, store
from dbviz.runs.fitting import fit_specs
from dbviz.spec import RunSpec

__all__ = ["choose_executor", "finished_runs", "report_event", "train_here", "train_with"]


def train_here(job: Job, *, also: Sequence[RunSpec] = ()) -> list[Run]:
    """The runs of the job's specs and after them those of `also`, trained in this process where they are missing."""
    specs = [*job.specs, *also]
    seconds = announce(job, specs)
    return fit_specs(specs, job.images, device=job.device, home=job.home, seconds=seconds)


def train_with(job: Job, executor: Executor) -> list[Failed]:
    """Trains the missing runs of the job with an executor; returns those that failed."""
    seconds = announce(job, job.specs, executor)
    ready = len(job.specs) - len(seconds)
    return run_tasks(seconds, job.training_task(), executor, ready=ready, on_event=report_event)


def finished_runs(job: Job) -> dict[RunSpec, Run]:
    """The runs of the job that are in the store."""
    runs = {spec: store.find(spec, job.home) for spec in job.specs}
    return {spec: run for spec, run in runs.items() if run is not None}


def choose_executor(options: ExecutorOptions, device: torch.device) -> Executor:
    """Where the runs are done.

    Raises:
        InputError: an option is out of range, or Ray is not installed.
    """
    if options.executor == "ray":
        from dbviz.executors.ray_cluster import RayCluster

        return RayCluster(address=options.address, gpus_per_run=options.gpus_per_run, retries=options.retries)
    alone = options.executor == "auto" and device.type != "cpu" and not options.workers
    if alone or options.executor == "here":
        return InProcess()
    return Pool(processes=_cores() if options.workers is None else options.workers, retries=options.retries)


def report_event(event: Event) -> None:
    """Reports a lost run, or a failed one with its spec and traceback, on standard error at once."""
    if isinstance(event, Retried):
        print(f"{event.spec.name} is retried: {event.reason}", file=sys.stderr, flush=True)
    if isinstance(event, Failed):
        print(f"{event.spec.name} failed: {event.error}\n{event.spec.canonical()}\n{event.traceback}", file=sys.stderr)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
