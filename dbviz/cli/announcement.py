"""The first line of a command that trains: what will be done, on which device, and for how long."""

from collections.abc import Mapping, Sequence

import torch

from dbviz.cli.job import Job
from dbviz.core.terminal import counted, duration, say
from dbviz.executors import Executor
from dbviz.spec import RunSpec

__all__ = ["announce", "total_seconds"]


def announce(job: Job, specs: Sequence[RunSpec], seconds: Mapping[RunSpec, float], executor: Executor) -> None:
    """Prints what is going to be trained, where, and for how long.

    Args:
        specs: of all runs.
        seconds: estimated for each run that is not in the store.
        executor: what trains them.
    """
    how = f"preset {job.preset}, {specs[0].recipe.precision}, on {_where(job.device, executor)}"
    what = f"{counted(len(specs), 'network')} ({', '.join(_descriptions(specs))}), {how}"
    if not seconds:
        say(f"{job.images.name}: {what}: all trained already, in {job.home}.")
        return
    ready = f"{len(specs) - len(seconds)} ready, " if len(seconds) < len(specs) else ""
    total = duration(total_seconds(seconds, executor))
    say(f"{job.images.name}: {what}: {ready}{len(seconds)} to train, about {total}.")


def total_seconds(seconds: Mapping[RunSpec, float], executor: Executor) -> float:
    """Until all runs are done: an equal share for each process, and at worst the longest run started last."""
    processes = min(executor.concurrency, len(seconds))
    return sum(seconds.values()) / processes + max(seconds.values()) * (1 - 1 / processes)


def _where(device: torch.device, executor: Executor) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return f"{name}, {executor}"


def _descriptions(specs: Sequence[RunSpec]) -> list[str]:
    """`resnet18 of width 16, 5 epochs of 20,000 images`, once for runs that differ in their seeds alone."""
    descriptions = []
    for spec in specs:
        width = f" of width {spec.width}" if spec.width is not None else ""
        size = f"{spec.train_size:,}" if spec.train_size is not None else "all"
        head = f", a new head on {spec.pretrained[:6]}" if spec.pretrained is not None else ""
        descriptions.append(f"{spec.arch}{width}{head}, {counted(spec.recipe.epochs, 'epoch')} of {size} images")
    return list(dict.fromkeys(descriptions))
