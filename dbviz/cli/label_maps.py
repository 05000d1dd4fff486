"""Label maps that an equal command has written before, or that are sampled now and written for the next."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from dbviz.cli.execution import job_executor, report_event
from dbviz.cli.job import Job
from dbviz.core.paths import file_name
from dbviz.core.terminal import say
from dbviz.core.threads import using_threads
from dbviz.executors import Event, Executor
from dbviz.label_maps import sample, save
from dbviz.label_maps.files import load_if_equal
from dbviz.label_maps.gathering import Sampling, parts_of, sample_in_parts
from dbviz.label_maps.provenance import provenance, short_identity
from dbviz.label_maps.sampling import cost
from dbviz.planes import PlaneSet
from dbviz.runs import Run
from dbviz.training import choose_device

__all__ = ["load_or_sample", "sample_job"]

_WORTH_PARTS = 100_000
"""Points to evaluate from which the work is given to an executor, whose processes take seconds to start."""
_REFINED_SHARE = 0.1
"""Rough share of the points that refinement evaluates."""


def sample_job(
    job: Job,
    models: Mapping[str, Any] | Sequence[Run],
    planes: PlaneSet,
    out: Path,
    name_parts: Sequence[str],
    *,
    resolution: int = 50,
    padding: float = 0.1,
    confidence: bool = False,
    refine: bool = False,
) -> tuple[xr.Dataset, Path]:
    """`load_or_sample` on the device of a job and by its executor, of runs or of models by name."""
    named = models if isinstance(models, Mapping) else {run.spec.name: run for run in models}
    grid: dict[str, Any] = {"resolution": resolution, "padding": padding, "confidence": confidence, "refine": refine}
    executor: dict[str, Any] = {"executor": job_executor(job), "on_event": report_event}
    return load_or_sample(named, planes, out, name_parts, **grid, **executor, device=str(job.device))


def load_or_sample(
    models: Mapping[str, Any],
    planes: PlaneSet,
    out: Path,
    name_parts: Sequence[str],
    *,
    resolution: int,
    padding: float,
    confidence: bool = False,
    refine: bool = False,
    device: str = "auto",
    executor: Executor | None = None,
    on_event: Callable[[Event[Any]], None] = lambda _: None,
) -> tuple[xr.Dataset, Path]:
    """The label maps of `models` on `planes`, and their file in `out`.

    The file's name is `name_parts` and eight digits of a hash of everything that determines the maps.

    Args:
        models: as for `dbviz.sample`, by name.
        executor: what samples many points of several runs, in parts; few points, or other models, are sampled in this
            process. By default everything is, with the current number of threads.
        on_event: called with every event of the executor.

    Raises:
        InputError: as `dbviz.sample`.
        RunsFailed: a part of the label maps failed for another reason.
    """
    source = provenance(models, planes, resolution, padding)
    path = out / f"{file_name([*name_parts, short_identity(source)])}.nc"
    cached = load_if_equal(path, source, confidence=confidence)
    if cached is not None and (refine or _is_dense(cached)):
        say(f"Label maps of the same networks on the same planes are in {path}: not sampled again.")
        return cached, path
    where = "one plane" if len(planes) == 1 else f"{len(planes)} planes"
    say(f"Sampling {len(models)} networks on {where} of {resolution} x {resolution} points.")
    grid = {"resolution": resolution, "padding": padding, "confidence": confidence, "refine": refine}
    if executor is None:
        maps = sample(models, planes, **grid, device=device, progress=True)
    else:
        maps = _sampled_by(executor, models, planes, path.with_suffix(".parts"), grid | {"device": device}, on_event)
    say(f"Sampled: {cost(maps)}.")
    save(maps, path)
    return maps, path


def _sampled_by(
    executor: Executor,
    models: Mapping[str, Any],
    planes: PlaneSet,
    directory: Path,
    grid: dict[str, Any],
    on_event: Callable[[Event[Any]], None],
) -> xr.Dataset:
    """The label maps, sampled in parts by the executor, or where that is not worth it in this process."""
    resolution = grid["resolution"]
    parts = parts_of(list(models), len(planes), resolution, choose_device(grid["device"]))
    points = len(models) * len(planes) * resolution**2 * (_REFINED_SHARE if grid["refine"] else 1)
    runs = all(isinstance(model, Run) for model in models.values())
    if runs and len(parts) > 1 and points >= _WORTH_PARTS:
        sampling = Sampling(runs=models, planes=planes, **grid)
        return sample_in_parts(sampling, parts, executor, directory, progress=True, on_event=on_event)
    with using_threads(executor.threads):
        return sample(models, planes, **grid, progress=True)


def _is_dense(maps: xr.Dataset) -> bool:
    """Whether every point was evaluated, and no label inferred from its neighbours'."""
    return bool((maps.evaluated >= maps.sizes["row"] * maps.sizes["column"]).all())
