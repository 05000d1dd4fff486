"""What a sweep costs besides its runs: milliseconds for each run in each executor, and memory over two hundred runs.

Two hundred trivial runs (two random features on 16 built-in images) are done in this process, which shows the cost of a
run with everything that is written for it, and whether memory grows. Then every executor is given the same, finished,
runs, so that what remains is the executor's own cost, from the first run that returns to the last; the time to the
first is its start.

Hardware:  AMD EPYC, 2 cores, one thread, no GPU; other work used the same cores (load 3.6).
Time:      Two minutes on one core.
Result:    0.9 ms a run in this process, 2.8 ms in processes, 4.9 ms by Ray; starting took 0.0, 5.2 and 9.2 s. A trivial
           run with all that is written for it takes 63 ms; memory grew by 0.9 MiB over 150 runs.
Files:     experiments/results/sweep_overhead/

    python experiments/performance/sweep_overhead.py
"""

import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from dbviz.cli.console import run_command
from dbviz.core.results import write_result
from dbviz.core.terminal import print_table
from dbviz.data import Images, shapes
from dbviz.executors import Executor, Finished, InProcess, Pool
from dbviz.executors.ray_cluster import RayCluster
from dbviz.runs.specs import make_specs
from dbviz.spec import RunSpec, SpecChanges
from dbviz.sweeps import Study, run_sweep, train_and_measure


@dataclass(frozen=True, kw_only=True)
class Options:
    """Times trivial runs in every executor."""

    runs: int = 200
    """The number of trivial runs."""
    workers: int = 2
    """The number of processes side by side."""
    ray: bool = True
    """Also time Ray."""
    out: Path = Path("experiments/results/sweep_overhead/sweep_overhead.json")
    """Where the numbers are written, as JSON."""


def memory() -> float:
    """The process's largest resident size so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(executor: Executor, specs: list[RunSpec], study: Study) -> tuple[float, float]:
    """Seconds to the first finished run, and seconds for each run from there to the last."""
    began = time.perf_counter()
    ends = [
        time.perf_counter()
        for event in executor.run(specs, partial(train_and_measure, study=study))
        if isinstance(event, Finished)
    ]
    return ends[0] - began, (ends[-1] - ends[0]) / (len(ends) - 1)


def main(options: Options) -> None:
    images = Images(train=shapes(16, split="train"), test=shapes(16, split="test"))
    changes: SpecChanges = {"width": 2, "train_size": 16}
    device = torch.device("cpu")
    seeds = range(options.runs)
    specs = make_specs(["random_features"], seeds, images=images, preset="quick", device=device, **changes)
    executors: dict[str, Executor] = {"in this process": InProcess(), "processes": Pool(processes=options.workers)}
    if options.ray:
        executors["Ray"] = RayCluster()
    with tempfile.TemporaryDirectory() as home:
        study = Study(dataset=images.name, images=images, home=Path(home), device="cpu", triplets=2, resolution=4)
        run_sweep(specs[: options.runs // 4], study, InProcess(), progress=False)
        quarter, began = memory(), time.perf_counter()
        run_sweep(specs, study, InProcess(), progress=False)
        trivial = (time.perf_counter() - began) / (options.runs - options.runs // 4)
        grown = memory() - quarter
        timings = {name: timed(executor, specs, study) for name, executor in executors.items()}
    load = os.getloadavg()[0]
    print_table(
        f"{options.runs} finished runs; load {load:.1f} on {os.cpu_count()} cores",
        ["executor", "start", "overhead a run"],
        [[name, f"{start:.1f} s", f"{1000 * cost:.1f} ms"] for name, (start, cost) in timings.items()],
    )
    print(f"A trivial run with all that is written for it: {1000 * trivial:.0f} ms. Memory grew by {grown:.1f} MiB.")
    result = {
        "runs": options.runs,
        "trivial_run_ms": 1000 * trivial,
        "memory_growth_mib": grown,
        "load": load,
        "executors": {name: {"start_s": start, "overhead_ms": 1000 * cost} for name, (start, cost) in timings.items()},
    }
    print(f"Numbers: {write_result(options.out, result)}")


if __name__ == "__main__":
    sys.exit(run_command("python experiments/performance/sweep_overhead.py", Options, main))
