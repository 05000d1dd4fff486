"""What bounds each stage of the pipeline: the operations that its time goes to.

Training, dense sampling and refined sampling of one network, and the scores, each under torch's profiler: for every
operation the seconds spent in it and not in what it calls, as a share of the stage's. The rest is outside torch's
operations: Python, NumPy, and waiting on the host.

Hardware:  AMD EPYC, 2 cores, two threads, no GPU.
Time:      Five minutes on two cores, most of it the profiler's own work.
Result:    resnet18 of width 16. Training: convolutions and their gradients 68 %, batch norm 13 %. Sampling:
           convolutions 82 % (every point) and 83 % (refined), 5 to 6 % outside torch's operations. The scores of 8
           planes take 5 ms, about a thousandth of the sampling.
Files:     experiments/results/profiles/

    python experiments/performance/profiles.py --arch resnet18
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from dbviz import scores
from dbviz.cli.console import run_command
from dbviz.cli.execution import train_runs
from dbviz.cli.job import make_job
from dbviz.cli.options import (
    DataOptions,
    MachineOptions,
    NetworkOptions,
    RecipeOptions,
    StreamOptions,
)
from dbviz.core.paths import file_name, output_directory
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table, say
from dbviz.data import DeviceBatches, ImageSet
from dbviz.label_maps import sample
from dbviz.planes import draw_planes
from dbviz.spec import RunSpec
from dbviz.training import train


@dataclass(frozen=True, kw_only=True)
class Options:
    """Profiles the stages from training to scores."""

    networks: NetworkOptions = NetworkOptions(seeds=("0", "1"))
    data: DataOptions = DataOptions()
    recipe: RecipeOptions = RecipeOptions()
    streams: StreamOptions = StreamOptions()
    machine: MachineOptions = MachineOptions()
    triplets: int = 8
    """Planes that are sampled at 50 x 50 points."""
    resolution: int = 300
    """Points on each side of the refined label map."""
    images: int = 2048
    """Training images in the profiled epoch."""
    most: int = 8
    """The number of operations listed for each stage."""
    out: Path = Path("experiments/results/profiles")
    """Where the numbers are written."""


def profiled(work: Callable[[], Any], most: int) -> dict[str, Any]:
    """The seconds of a stage, and their shares in the operations that take the most."""
    work()  # a first call, whose one-time preparations do not count
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    with profile(activities=activities, acc_events=True) as profiler:
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began  # the profiler processes its events after this
    spent = {event.key: event.self_cpu_time_total / 1e6 for event in profiler.key_averages()}
    shares = {name: value / seconds for name, value in sorted(spent.items(), key=lambda item: -item[1])[:most]}
    return {"seconds": seconds, "operations": shares, "outside torch's operations": 1 - sum(spent.values()) / seconds}


def one_epoch(spec: RunSpec, images: ImageSet, options: Options, network: Any) -> Callable[[], None]:
    """One more epoch of a network."""
    device = next(network.parameters()).device
    batches = DeviceBatches.of(images.first(options.images), spec.recipe, spec.seeds, device)
    return lambda: next(train(network, batches, spec.recipe, spec.seeds)) and None


def print_stage(name: str, stage: dict[str, Any]) -> None:
    outside = {"outside torch's operations": stage["outside torch's operations"]}
    rows: Sequence[Sequence[str]] = [[op, f"{share:.1%}"] for op, share in (stage["operations"] | outside).items()]
    print_table(f"{name}: {stage['seconds']:.2f} s under the profiler", ["operation", "share of the time"], rows)


def main(options: Options) -> None:
    out = output_directory(options.out)
    job = make_job(options)
    runs = train_runs(job)
    images, spec = job.images, job.specs[0]
    planes, plane = draw_planes(images.test, options.triplets), draw_planes(images.test, 1)
    maps = sample(runs, planes)
    network = runs[0].model(job.device)
    stages = {
        "training": one_epoch(spec, images.train, options, runs[0].model(job.device)),
        "sampling, every point": lambda: sample(network, planes),
        "sampling, refined": lambda: sample(network, plane, resolution=options.resolution, refine=True),
        "scores": lambda: (scores.reproducibility(maps), scores.fragmentation(maps)),
    }
    results = {}
    for name, work in stages.items():
        results[name] = profiled(work, options.most)
        print_stage(name, results[name])
    path = out / (file_name(["profiles", spec.arch, job.device.type]) + ".json")
    settings = {"spec": spec.to_dict(), "triplets": options.triplets, "resolution": options.resolution}
    say(f"Written:\n  {write_result(path, {**settings, 'stages': results}, device=job.device)}")


if __name__ == "__main__":
    sys.exit(run_command("python experiments/performance/profiles.py", Options, main))
