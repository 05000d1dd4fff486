"""The first line of a command that trains: what will be done, on which device, and for how long."""

from collections.abc import Mapping, Sequence

import torch

from dbviz.cli.job import Job
from dbviz.core.terminal import counted, duration, say
from dbviz.executors import Executor, InProcess
from dbviz.runs.fitting import estimate_seconds, unfinished
from dbviz.spec import RunSpec

__all__ = ["announce", "total_seconds"]


def announce(job: Job, specs: Sequence[RunSpec], executor: Executor | None = None) -> dict[RunSpec, float]:
    """Prints what is going to be trained; returns the estimated seconds of each run that is not in the store.

    Args:
        executor: what trains them; by default they are trained in this process, one after another.
    """
    missing = unfinished(specs, job.home)
    how = f"preset {job.preset}, {specs[0].recipe.precision}, on {_where(job.device, executor)}"
    what = f"{counted(len(specs), 'network')} ({', '.join(_descriptions(specs))}), {how}"
    if not missing:
        say(f"{job.images.name}: {what}: all trained already, in {job.home}.")
        return {}
    seconds = estimate_seconds(missing, job.images, job.device)
    ready = f"{len(specs) - len(missing)} ready, " if len(missing) < len(specs) else ""
    total = duration(total_seconds(seconds, executor or InProcess()))
    say(f"{job.images.name}: {what}: {ready}{len(missing)} to train, about {total}.")
    return seconds


def total_seconds(seconds: Mapping[RunSpec, float], executor: Executor) -> float:
    """Until all runs are done: an equal share for each process, and at worst the longest run started last."""
    processes = min(executor.concurrency, len(seconds))
    return sum(seconds.values()) / processes + max(seconds.values()) * (1 - 1 / processes)


def _where(device: torch.device, executor: Executor | None) -> str:
    if executor is not None:
        return f"{device.type.upper()}, {executor}"
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {counted(torch.get_num_threads(), 'thread')}"


def _descriptions(specs: Sequence[RunSpec]) -> list[str]:
    """`resnet18 of width 16, 5 epochs of 20,000 images`, once for runs that differ in their seeds alone."""
    descriptions = []
    for spec in specs:
        width = f" of width {spec.width}" if spec.width is not None else ""
        size = f"{spec.train_size:,}" if spec.train_size is not None else "all"
        head = f", a new head on {spec.pretrained[:6]}" if spec.pretrained is not None else ""
        descriptions.append(f"{spec.arch}{width}{head}, {counted(spec.recipe.epochs, 'epoch')} of {size} images")
    return list(dict.fromkeys(descriptions))
