"""Which runs of a sweep stand at one place of one curve."""

import dataclasses
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dbviz.core.errors import InputError
from dbviz.spec import RunSpec, Seeds
from dbviz.spec.names import network_names
from dbviz.sweeps.measuring import is_measured
from dbviz.sweeps.study import Study

__all__ = ["Member", "by_curve", "by_place", "field_along", "find_members"]

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Member:
    """One run after one epoch."""

    spec: RunSpec
    epoch: int


def find_members(specs: Iterable[RunSpec], study: Study) -> list[Member]:
    """Everything that is measured of the runs."""
    pairs = [(spec, epoch) for spec in specs for epoch in study.measured_after(spec)]
    return [Member(spec, epoch) for spec, epoch in pairs if is_measured(spec, study, epoch)]


def field_along(specs: Sequence[RunSpec], study: Study) -> str:
    """The field that a sweep is about: `epoch` if several are measured, else one that takes several values.

    Width comes before the training-set size, and both before whatever else was swept.
    """
    if len(study.epochs) > 1:
        return "epoch"
    flat = [_flat(spec) for spec in specs]
    several = [name for name in _numbers(flat[0]) if len({fields[name] for fields in flat}) > 1]
    return next((name for name in ("width", "train_size", *several) if name in several), "width")


def by_curve(members: Sequence[Member], along: str) -> dict[str, list[Member]]:
    """The members of each curve, those that differ in `along` and their seeds alone, by the curve's name.

    The name says what tells the curve from the others, and the architecture where there are several.
    """
    groups = _grouped(members, [_without(member.spec, along) for member in members])
    names = network_names(list(groups))
    archs = {spec.arch for spec in groups}
    if len(archs) == 1 and len(groups) > 1:
        names = [name.removeprefix(f"{spec.arch} ") for name, spec in zip(names, groups, strict=True)]
    return dict(zip(names, groups.values(), strict=True))


def by_place(members: Sequence[Member], along: str, all_images: int) -> dict[float, list[Member]]:
    """The members at each value of `along`, in rising order; a training set that is not cut has `all_images`.

    Raises:
        InputError: the field holds no number.
    """
    groups = _grouped(members, [_place(member, along, all_images) for member in members])
    return dict(sorted(groups.items()))


def _grouped(members: Sequence[Member], keys: Iterable[Key]) -> dict[Key, list[Member]]:
    found: dict[Key, list[Member]] = {}
    for member, key in zip(members, keys, strict=True):
        found.setdefault(key, []).append(member)
    return found


def _place(member: Member, along: str, all_images: int) -> float:
    value = member.epoch if along == "epoch" else _flat(member.spec).get(along)
    if along == "train_size" and value is None:
        value = all_images
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"no curve can be drawn against {along}, which is {value!r}: choose a field of numbers")
    return float(value)


def _without(spec: RunSpec, along: str) -> RunSpec:
    """The spec without its seeds and its place along the curve."""
    spec = dataclasses.replace(spec, seeds=Seeds())
    part, dot, name = along.rpartition(".")
    if along == "epoch":
        return spec
    if not dot:
        return dataclasses.replace(spec, **{name: None})
    anywhere = {"epochs": 1, "learning_rate": 1.0}.get(name) or getattr(type(getattr(spec, part)), name)
    return dataclasses.replace(spec, **{part: dataclasses.replace(getattr(spec, part), **{name: anywhere})})


def _flat(spec: RunSpec) -> dict[str, Any]:
    """Fields by their names, those of the recipe as `recipe.NAME`."""
    own = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}
    recipe = dataclasses.asdict(own.pop("recipe"))
    return own | {f"recipe.{name}": value for name, value in recipe.items()}


def _numbers(fields: dict[str, Any]) -> list[str]:
    return [name for name, value in fields.items() if isinstance(value, int | float) and not isinstance(value, bool)]
