"""How fast many small networks train: one after the other, or in parallel processes."""

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from dbviz.benchmarks.measuring import Benchmark, Timing, seconds_of
from dbviz.benchmarks.training import bare_step
from dbviz.core.errors import RunsFailed
from dbviz.data import Images
from dbviz.executors import Executor, Failed, InProcess, Pool, run_tasks
from dbviz.runs.store import find
from dbviz.runs.task import Training
from dbviz.spec import RunSpec

__all__ = ["benchmark_seeds"]

_TEST_IMAGES = 128
"""Evaluated after each epoch: few, since training is timed."""
_IN_TURN, _ONE_PROCESS, _PARALLEL = "baseline: one after the other", "in one other process", "in parallel processes"


def benchmark_seeds(
    specs: Sequence[RunSpec], images: Images, device: torch.device, *, train_size: int, processes: int | None = None
) -> Benchmark:
    """Images per second over all of `specs`: complete trainings, with starting the processes and storing the runs.

    Args:
        train_size: images in an epoch.
        processes: the number of parallel processes; by default one per core.

    Raises:
        RunsFailed: a run failed, or the weights of one process and of parallel ones are not bitwise identical.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.runs.specs import make_specs
        >>> cpu, images = torch.device("cpu"), Images(train=shapes(256, split="train"), test=shapes(64, split="test"))
        >>> common = {"images": images, "preset": "quick", "device": cpu, "train_size": 256}
        >>> specs = make_specs(["mlp"], seeds=range(2), epochs=1, **common)
        >>> benchmark = benchmark_seeds(specs, images, cpu, train_size=256, processes=2)  # doctest: +SKIP
        >>> {timing.method: timing.rate for timing in benchmark.timings}  # doctest: +SKIP
    """
    test = images.test.first(min(len(images.test), _TEST_IMAGES))
    few = Images(train=images.train.first(train_size), test=test)
    runs = [dataclasses.replace(spec, dataset=few.name, train_size=None) for spec in specs]
    executors: dict[str, Executor] = {
        _IN_TURN: InProcess(threads=torch.get_num_threads()),
        _ONE_PROCESS: Pool(processes=1, threads=1),
        _PARALLEL: Pool(processes=processes or os.cpu_count() or 1, threads=1),
    }
    with tempfile.TemporaryDirectory() as directory:
        homes = {method: Path(directory) / str(number) for number, method in enumerate(executors)}
        seconds = {
            method: _seconds(runs, few, device, homes[method], executor) for method, executor in executors.items()
        }
        if _weights(runs, homes[_ONE_PROCESS]) != _weights(runs, homes[_PARALLEL]):
            raise RunsFailed("networks trained in parallel processes have other weights than in a single process")
    amount = sum(len(few.train) * spec.recipe.epochs for spec in runs)
    timings = [Timing(method=method, amount=amount, seconds=taken) for method, taken in seconds.items()]
    return Benchmark(
        title=f"{len(runs)} seeds of {runs[0].arch}, width {runs[0].width}, {runs[0].recipe.epochs} epochs",
        unit="images",
        timings=(*timings, bare_step(runs[0], few, device)),
        notes={
            "processes": executors[_PARALLEL].concurrency,
            "weights of parallel processes": "bitwise identical to those of a single process of one thread",
            "precision": runs[0].recipe.precision,
        },
    )


def _seconds(specs: Sequence[RunSpec], images: Images, device: torch.device, home: Path, executor: Executor) -> float:
    task = Training(dataset=images.name, images=images, home=home, device=str(device))
    failed: list[Failed] = []
    cost = dict.fromkeys(specs, 1.0)
    seconds = seconds_of(lambda: failed.extend(run_tasks(cost, task, executor, progress=False)), device)
    if failed:
        raise RunsFailed(f"{len(failed)} of {len(specs)} runs failed, first {failed[0].item.name}: {failed[0].error}")
    return seconds


def _weights(specs: Sequence[RunSpec], home: Path) -> list[str]:
    """The digests of the trained weights."""
    return [run.fingerprint for spec in specs if (run := find(spec, home)) is not None]
