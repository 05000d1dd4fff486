"""How fast many small networks train: one after the other, or in processes side by side."""

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from dbviz.benchmarks.measuring import Benchmark, Measured, seconds_of
from dbviz.benchmarks.training import bare_step
from dbviz.core.errors import RunsFailed
from dbviz.data import Images
from dbviz.executors import Executor, InProcess, Pool, run_tasks
from dbviz.runs.store import find
from dbviz.runs.task import Training
from dbviz.spec import RunSpec

__all__ = ["benchmark_seeds"]

_TESTED = 128
"""Test images evaluated after each epoch: few, since it is training that is timed."""


def benchmark_seeds(
    specs: Sequence[RunSpec], images: Images, device: torch.device, *, train_size: int, processes: int | None = None
) -> Benchmark:
    """Images per second over all of `specs`, trained whole and stored, processes started and all.

    Args:
        train_size: images in an epoch.
        processes: how many side by side; by default one a core.

    Raises:
        RunsFailed: a run failed, or two ways gave other weights than each of them alone.
    """
    few = Images(train=images.train.first(train_size), test=images.test.first(_TESTED))
    runs = [dataclasses.replace(spec, dataset=few.name, train_size=None) for spec in specs]
    ways: dict[str, Executor] = {
        "one after the other": InProcess(),
        "in one other process": Pool(processes=1),
        "in processes side by side": Pool(processes=processes or os.cpu_count() or 1),
    }
    with tempfile.TemporaryDirectory() as place:
        homes = {way: Path(place) / str(number) for number, way in enumerate(ways)}
        seconds = {way: _seconds(runs, few, device, homes[way], executor) for way, executor in ways.items()}
        alone, beside = (_weights(runs, homes[way]) for way in ("in one other process", "in processes side by side"))
    if alone != beside:
        raise RunsFailed("networks trained side by side have other weights than one after the other, thread for thread")
    amount = sum(len(few.train) * spec.recipe.epochs for spec in runs)
    measured = [Measured(way=way, amount=amount, seconds=taken) for way, taken in seconds.items()]
    return Benchmark(
        title=f"{len(runs)} seeds of {runs[0].arch}, width {runs[0].width}, {runs[0].recipe.epochs} epochs",
        unit="images",
        measured=(*measured, bare_step(runs[0], few, device)),
        notes={
            "processes": ways["in processes side by side"].concurrency,
            "weights side by side": "the same bits as alone in a process of one thread",
            "precision": runs[0].recipe.precision,
        },
    )


def _seconds(specs: Sequence[RunSpec], images: Images, device: torch.device, home: Path, executor: Executor) -> float:
    task = Training(dataset=images.name, images=images, home=home, device=str(device))
    failed = []
    taken = seconds_of(
        lambda: failed.extend(run_tasks(dict.fromkeys(specs, 1.0), task, executor, progress=False)), device
    )
    if failed:
        raise RunsFailed(f"{len(failed)} of {len(specs)} runs failed, first {failed[0].spec.name}: {failed[0].error}")
    return taken


def _weights(specs: Sequence[RunSpec], home: Path) -> list[str]:
    return [run.fingerprint for spec in specs if (run := find(spec, home)) is not None]
