"""Runs trained as commands do it: by the executor that the options choose, with what is reported of failed ones."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from dbviz.cli.announcement import announce
from dbviz.cli.job import Job
from dbviz.cli.options import ExecutorOptions
from dbviz.core.errors import InputError, RunsFailed
from dbviz.core.threads import cores, default_threads, using_threads
from dbviz.executors import Event, Executor, Failed, InProcess, Pool, Retried, run_tasks
from dbviz.executors.placement import gpu_memory, parameter_count, processes_per_gpu, visible_gpus
from dbviz.runs import Run, store
from dbviz.runs.fitting import estimate_seconds, fit_specs, unfinished
from dbviz.spec import RunSpec

__all__ = [
    "choose_executor",
    "finished_runs",
    "job_executor",
    "raise_failures",
    "report_event",
    "train_job",
    "train_runs",
]

_WORTH_PROCESSES = 10.0
"""Seconds of work from which other processes are started by default: each takes a few seconds to start."""


def train_runs(job: Job, *, also: Sequence[RunSpec] = ()) -> list[Run]:
    """The runs of the job's specs and after them those of `also`, trained where they are missing.

    Raises:
        InputError: a run cannot be trained.
        RunsFailed: a run failed; the others are trained.
    """
    failed = train_job(job, also=also)
    raise_failures(failed, len(job.specs) + len(also))
    return list(finished_runs(job, also=also).values())


def train_job(job: Job, *, also: Sequence[RunSpec] = ()) -> list[Failed[RunSpec]]:
    """Trains the missing runs of the job and of `also`; reports those that fail and returns them."""
    specs = [*job.specs, *also]
    missing, executor = unfinished(specs, job.home), job_executor(job, specs)
    with using_threads(executor.threads):
        seconds = estimate_seconds(missing, job.images, job.device)
    if not _worth_processes(job.execution, seconds):
        executor = InProcess(threads=executor.threads)
    announce(job, specs, seconds, executor)
    if isinstance(executor, InProcess):
        return _train_here(job, seconds, executor.threads)
    ready = len(specs) - len(missing)
    return run_tasks(seconds, job.training_task(), executor, ready=ready, on_event=report_event)


def raise_failures(failed: Sequence[Failed[RunSpec]], total: int) -> None:
    """Ends a command that has done what it could without the runs that failed.

    Raises:
        InputError: all runs failed, since they cannot be trained as their specs say.
        RunsFailed: some failed, or for another reason.
    """
    if failed and len(failed) == total and all(failure.bad_input for failure in failed):
        raise InputError(failed[0].error)
    if failed:
        first = failed[0].error if total == 1 else f"first {failed[0].item.name}: {failed[0].error}"
        raise RunsFailed(first if total == 1 else f"{len(failed)} of {total} runs failed, {first}")


def finished_runs(job: Job, *, also: Sequence[RunSpec] = ()) -> dict[RunSpec, Run]:
    """The runs of the job and of `also` that are in the store."""
    runs = {spec: store.find(spec, job.home) for spec in [*job.specs, *also]}
    return {spec: run for spec, run in runs.items() if run is not None}


def job_executor(job: Job, specs: Sequence[RunSpec] | None = None) -> Executor:
    """What does the tasks of a job: those of its own specs, or of `specs`."""
    return choose_executor(job.execution, job.device, job.specs if specs is None else specs, job.home)


def choose_executor(
    options: ExecutorOptions, device: torch.device, specs: Sequence[RunSpec] = (), home: Path | None = None
) -> Executor:
    """Where the runs of `specs` are done.

    Args:
        home: the directory of the runs, which the nodes of a cluster must share.

    Raises:
        InputError: an option is out of range, GPUs are to be reserved for runs on a CPU, or Ray is not installed.
    """
    threads = options.threads or default_threads()
    per_gpu = _processes_per_gpu(device, specs) if device.type == "cuda" else 1
    if options.executor == "ray":
        return _ray_cluster(options, device, per_gpu, threads, home)
    gpus = visible_gpus(device)
    automatic = max(1, cores() // threads) if device.type == "cpu" else per_gpu * max(1, len(gpus))
    processes = automatic if options.workers is None else options.workers
    here = options.executor == "auto" and options.workers is None and processes == 1
    if here or options.executor == "here":
        return InProcess(threads=threads)
    return Pool(processes=processes, threads=threads, gpus=gpus, retries=options.retries)


def report_event(event: Event[Any]) -> None:
    """Reports a lost or failed task on standard error at once.

    A message that explains the failure is one line, with the spec of a run after it; other errors have their traceback.
    A full disk ends the command with a line of its own.
    """
    if isinstance(event, Retried):
        print(f"{event.item.name} is retried: {event.reason}", file=sys.stderr, flush=True)
    if isinstance(event, Failed) and not event.disk_full:
        details = [event.item.canonical()] if isinstance(event.item, RunSpec) and not event.bad_input else []
        details += [] if event.bad_input or event.diverged else [event.traceback]
        print("\n".join([f"{event.item.name} failed: {event.error}", *details]), file=sys.stderr, flush=True)


def _worth_processes(options: ExecutorOptions, seconds: Mapping[RunSpec, float]) -> bool:
    """Whether runs that take so long are given to other processes; where runs are done does not change their bits."""
    if options.executor == "ray":
        return True
    chosen = options.executor == "processes" or options.workers is not None
    return len(seconds) > 1 and (chosen or sum(seconds.values()) >= _WORTH_PROCESSES)


def _train_here(job: Job, seconds: Mapping[RunSpec, float], threads: int) -> list[Failed[RunSpec]]:
    """Trains runs in this process, one after another, with a progress bar of every step."""
    failed: list[Failed[RunSpec]] = []

    def record(spec: RunSpec, error: Exception) -> None:
        failure = Failed.from_exception(spec, error)
        report_event(failure)
        failed.append(failure)
        if failure.disk_full:
            raise error

    place: dict[str, Any] = {"device": job.device, "home": job.home, "threads": job.execution.threads}
    with using_threads(threads):
        fit_specs(list(seconds), job.images, **place, seconds=dict(seconds), on_failure=record)
    return failed


def _ray_cluster(
    options: ExecutorOptions, device: torch.device, per_gpu: int, threads: int, home: Path | None
) -> Executor:
    from dbviz.executors.ray_cluster import RayCluster

    if options.gpus_per_run and device.type == "cpu":
        raise InputError(
            f"--gpus-per-run is {options.gpus_per_run:g}, but runs are trained on the CPU (--device): leave it out, or "
            "start the command on a machine with a GPU"
        )
    default = 1 / per_gpu if device.type == "cuda" else 0.0
    return RayCluster(
        address=options.address,
        gpus_per_run=default if options.gpus_per_run is None else options.gpus_per_run,
        threads=threads,
        shared=home,
        retries=options.retries,
    )


def _processes_per_gpu(device: torch.device, specs: Sequence[RunSpec]) -> int:
    largest = max((parameter_count(spec) for spec in specs), default=0)
    gpus = len(visible_gpus(device)) or 1
    return processes_per_gpu(largest, memory=gpu_memory(device), cores=cores(), gpus=gpus)
