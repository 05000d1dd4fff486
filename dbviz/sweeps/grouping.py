"""Which measured runs of a sweep belong to the same curve, and to the same point of it."""

import dataclasses
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dbviz.core.errors import InputError
from dbviz.spec import RunSpec, Seeds
from dbviz.spec.names import network_names
from dbviz.sweeps.measuring import is_measured
from dbviz.sweeps.study import Study

__all__ = ["MeasuredRun", "default_field", "find_measured_runs", "group_by_curve", "group_by_x"]

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class MeasuredRun:
    """A run and one of the epochs after which it was measured."""

    spec: RunSpec
    epoch: int


def find_measured_runs(specs: Iterable[RunSpec], study: Study) -> list[MeasuredRun]:
    """Every run and epoch whose measurements are in the store."""
    pairs = [(spec, epoch) for spec in specs for epoch in study.measured_after(spec)]
    return [MeasuredRun(spec, epoch) for spec, epoch in pairs if is_measured(spec, study, epoch)]


def default_field(specs: Sequence[RunSpec], study: Study) -> str:
    """The field on the x axis: `epoch` if several are measured, else a numeric field with several values.

    Width has precedence over the training-set size, and both over any other swept field.
    """
    if len(study.epochs) > 1:
        return "epoch"
    flat = [_flat(spec) for spec in specs]
    varying = [name for name in _numeric(flat[0]) if len({fields[name] for fields in flat}) > 1]
    return next((name for name in ("width", "train_size", *varying) if name in varying), "width")


def group_by_curve(runs: Sequence[MeasuredRun], along: str) -> dict[str, list[MeasuredRun]]:
    """The runs of each curve, which differ only in `along` and their seeds, by the curve's name.

    The name states what distinguishes the curve from the others, with the architecture where there are several.
    """
    groups = _grouped(runs, [_without(run.spec, along) for run in runs])
    names = network_names(list(groups))
    archs = {spec.arch for spec in groups}
    if len(archs) == 1 and len(groups) > 1:
        names = [name.removeprefix(f"{spec.arch} ") for name, spec in zip(names, groups, strict=True)]
    return dict(zip(names, groups.values(), strict=True))


def group_by_x(runs: Sequence[MeasuredRun], along: str, train_images: int) -> dict[float, list[MeasuredRun]]:
    """The runs at each value of `along`, in ascending order; a run on all training images has `train_images`.

    Raises:
        InputError: the field is not numeric.
    """
    groups = _grouped(runs, [_x_value(run, along, train_images) for run in runs])
    return dict(sorted(groups.items()))


def _grouped(runs: Sequence[MeasuredRun], keys: Iterable[Key]) -> dict[Key, list[MeasuredRun]]:
    groups: dict[Key, list[MeasuredRun]] = {}
    for run, key in zip(runs, keys, strict=True):
        groups.setdefault(key, []).append(run)
    return groups


def _x_value(run: MeasuredRun, along: str, train_images: int) -> float:
    value = run.epoch if along == "epoch" else _flat(run.spec).get(along)
    if along == "train_size" and value is None:
        value = train_images
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"no curve can be drawn against {along}, which is {value!r}: choose a numeric field")
    return float(value)


def _without(spec: RunSpec, along: str) -> RunSpec:
    """The spec with default seeds and a constant value of the field along the curve."""
    spec = dataclasses.replace(spec, seeds=Seeds())
    part, dot, name = along.rpartition(".")
    if along == "epoch":
        return spec
    if not dot:
        return dataclasses.replace(spec, **{name: None})
    constant = {"epochs": 1, "learning_rate": 1.0}.get(name) or getattr(type(getattr(spec, part)), name)
    return dataclasses.replace(spec, **{part: dataclasses.replace(getattr(spec, part), **{name: constant})})


def _flat(spec: RunSpec) -> dict[str, Any]:
    """Fields by their names, those of the recipe as `recipe.NAME`."""
    own = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}
    recipe = dataclasses.asdict(own.pop("recipe"))
    return own | {f"recipe.{name}": value for name, value in recipe.items()}


def _numeric(fields: dict[str, Any]) -> list[str]:
    return [name for name, value in fields.items() if isinstance(value, int | float) and not isinstance(value, bool)]
