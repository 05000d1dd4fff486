"""Many runs, as commands do them: the executor that the options ask for, and what is said of lost and failed runs."""

import os
import sys

import torch

from dbviz.cli.options import ExecutorOptions
from dbviz.core.errors import InputError
from dbviz.executors import Event, Executor, Failed, InProcess, Pool, Retried

__all__ = ["choose_executor", "tell"]


def choose_executor(options: ExecutorOptions, device: torch.device) -> Executor:
    """Where the runs are done.

    Raises:
        InputError: options do not go together or are out of range.
    """
    if options.executor != "ray" and (options.address or options.gpus_per_run):
        raise InputError("--address and --gpus-per-run go with --executor ray")
    if options.executor == "ray":
        from dbviz.executors.ray_cluster import RayCluster

        return RayCluster(address=options.address, gpus_per_run=options.gpus_per_run, retries=options.retries)
    alone = options.executor == "auto" and device.type != "cpu" and not options.workers
    if alone or options.executor == "here":
        return InProcess()
    return Pool(processes=_cores() if options.workers is None else options.workers, retries=options.retries)


def tell(event: Event) -> None:
    """A failed run is reported at once, with its spec and where it failed."""
    if isinstance(event, Retried):
        print(f"{event.spec.name} is retried: {event.reason}", file=sys.stderr, flush=True)
    if isinstance(event, Failed):
        print(f"{event.spec.name} failed: {event.error}\n{event.spec.canonical()}\n{event.traceback}", file=sys.stderr)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
