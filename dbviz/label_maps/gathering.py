"""Label maps of trained runs, sampled in parts by an executor and gathered.

A part is the maps of one run on a group of planes. Which planes are a group depends on the grid and the device alone,
so the gathered maps do not depend on which process or machine sampled which part, or on how many there were. Finished
parts are files in a directory, where the next call finds them if this one is interrupted.
"""

import itertools
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from dbviz.core.errors import InputError, RunsFailed
from dbviz.executors import Event, Executor, Finished, run_tasks
from dbviz.label_maps.files import combine, load_if_equal, save
from dbviz.label_maps.provenance import combined_environments, provenance
from dbviz.label_maps.sampling import sample
from dbviz.planes import PlaneSet
from dbviz.runs import Run

__all__ = ["Part", "Sampling", "gather", "parts_of", "sample_in_parts"]

_POINTS = {"cpu": 250_000, "cuda": 2_000_000}
"""Points of a part, by the type of device: about half a minute's work, beside which preparing a network is little."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The maps of one run on the planes `start` to `stop` - 1; an item for an executor.

    Example:
        >>> Part(model="cifar10-vit-s0", start=0, stop=100).name
        'label maps of cifar10-vit-s0 on planes 0 to 99'
    """

    model: str
    """The run's name."""
    start: int
    stop: int

    @property
    def name(self) -> str:
        return f"label maps of {self.model} on planes {self.start} to {self.stop - 1}"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Samples the label maps of a part; the task can be sent to another process or machine.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.planes import draw_planes
        >>> planes = draw_planes(shapes(30, split="test"), 2)
        >>> Sampling(runs={}, planes=planes, resolution=50, padding=0.1).refine
        False
    """

    runs: Mapping[str, Run]
    """By name; their directories must be found under the same path everywhere."""
    planes: PlaneSet = field(repr=False)
    resolution: int
    padding: float
    confidence: bool = False
    refine: bool = False
    device: str = "auto"

    def __call__(self, part: Part) -> xr.Dataset:
        """The label maps of the part.

        Raises:
            InputError: as `sample`.
        """
        return sample(
            {part.model: self.runs[part.model]},
            self.planes[part.start : part.stop],
            resolution=self.resolution,
            padding=self.padding,
            confidence=self.confidence,
            refine=self.refine,
            device=self.device,
        )


def parts_of(models: Sequence[str], planes: int, resolution: int, device: torch.device) -> list[Part]:
    """The parts of label maps: for each model groups of consecutive planes, all but the last of equal size.

    Example:
        >>> parts = parts_of(["vit"], planes=250, resolution=50, device=torch.device("cpu"))
        >>> [(part.start, part.stop) for part in parts]
        [(0, 100), (100, 200), (200, 250)]
    """
    size = max(1, _POINTS.get(device.type, _POINTS["cpu"]) // resolution**2)
    starts = range(0, planes, size)
    return [Part(model=m, start=k, stop=min(k + size, planes)) for m, k in itertools.product(models, starts)]


def sample_in_parts(
    sampling: Sampling,
    parts: Sequence[Part],
    executor: Executor,
    directory: Path,
    *,
    progress: bool = False,
    on_event: Callable[[Event[Any]], None] = lambda _: None,
) -> xr.Dataset:
    """The label maps of the runs of `sampling`, equal to those of `sample` up to ties within rounding.

    Args:
        parts: from `parts_of`.
        directory: where finished parts are kept until all are gathered; then it is deleted.
        on_event: called with every event of the executor.

    Raises:
        InputError: a run cannot be sampled.
        RunsFailed: a part failed for another reason; the others are kept.

    Example:
        >>> import tempfile
        >>> from dbviz.executors import InProcess
        >>> sample_in_parts(sampling, parts, InProcess(), Path(tempfile.mkdtemp()))  # doctest: +SKIP
    """
    sampling = replace(sampling, runs={name: _absolute(run) for name, run in sampling.runs.items()})
    ready = {part: maps for part in parts if (maps := _stored(sampling, part, directory)) is not None}

    def record(event: Event[Any]) -> None:
        on_event(event)
        if isinstance(event, Finished):
            ready[event.item] = event.result
            save(event.result, _path(sampling, event.item, directory))

    cost = {part: float(part.stop - part.start) for part in parts if part not in ready}
    counted: dict[str, Any] = {"ready": len(ready), "what": "parts", "progress": progress}
    failed = run_tasks(cost, sampling, executor, **counted, on_event=record)
    if failed:
        if failed[0].bad_input:
            raise InputError(failed[0].error)
        first = f"first {failed[0].item.name}: {failed[0].error}"
        raise RunsFailed(f"{len(failed)} of {len(parts)} parts of the label maps failed, {first}")
    maps = gather([ready[part] for part in parts], sampling.planes)
    shutil.rmtree(directory, ignore_errors=True)
    return maps


def gather(parts: Sequence[xr.Dataset], planes: PlaneSet) -> xr.Dataset:
    """The label maps of all parts as one, in the order of the parts.

    Args:
        parts: the maps of each model on groups of planes: all groups of the first model, then those of the next.
        planes: all planes.

    Example:
        >>> from dbviz.data import shapes
        >>> from dbviz.planes import draw_planes
        >>> planes = draw_planes(shapes(30, split="test"), 3)
        >>> parts = [sample(lambda x: x.mean((2, 3)), planes[k : k + 1], resolution=5) for k in range(3)]
        >>> gather(parts, planes).equals(sample(lambda x: x.mean((2, 3)), planes, resolution=5))
        True
    """
    by_model: dict[str, list[xr.Dataset]] = {}
    for part in parts:
        by_model.setdefault(str(part.model.values[0]), []).append(part)
    maps = combine([_all_planes(groups, planes) for groups in by_model.values()])
    return maps.assign_attrs(environments=_without_repeats(combined_environments(parts)), date=_now())


def _all_planes(groups: Sequence[xr.Dataset], planes: PlaneSet) -> xr.Dataset:
    """The maps of one model on all planes."""
    style: dict[str, Any] = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "override"}
    joined = xr.concat(list(groups), dim="plane", combine_attrs="override", **style)
    joined = joined.assign_coords(plane=np.arange(len(planes)))
    evaluation = _joined_evaluation([json.loads(group.attrs["evaluation"]) for group in groups])
    return joined.assign_attrs(groups[0].attrs | {"planes": planes.identity, "evaluation": json.dumps(evaluation)})


def _joined_evaluation(groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each model the forms that it was evaluated in, and the largest bound and error of any group of planes."""
    joined: dict[str, Any] = {}
    for name, first in groups[0].items():
        entries = [group[name] for group in groups]
        forms = " / ".join(dict.fromkeys(entry["form"] for entry in entries))
        largest = {key: max(entry[key] for entry in entries) for key in ("reach", "error")}
        joined[name] = first | largest | {"form": forms}
    return joined


def _without_repeats(environments: str) -> str:
    """The attribute with the names of the models once in each environment, not once for each of their parts."""
    entries = json.loads(environments)
    return json.dumps(
        [
            {key: list(dict.fromkeys(value)) if isinstance(value, list) else value for key, value in entry.items()}
            for entry in entries
        ]
    )


def _stored(sampling: Sampling, part: Part, directory: Path) -> xr.Dataset | None:
    """The maps of a part that an interrupted call has left, or None."""
    path = _path(sampling, part, directory)
    if not path.exists():
        return None
    models, planes = {part.model: sampling.runs[part.model]}, sampling.planes[part.start : part.stop]
    source = provenance(models, planes, sampling.resolution, sampling.padding)
    return load_if_equal(path, source, confidence=sampling.confidence)


def _path(sampling: Sampling, part: Part, directory: Path) -> Path:
    kind = "-refined" if sampling.refine else ""
    return directory / f"{part.model}-{part.start}-{part.stop}{kind}.nc"


def _absolute(run: Run) -> Run:
    """The run with a path that means the same in a process with another working directory."""
    return replace(run, directory=run.directory.absolute())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
