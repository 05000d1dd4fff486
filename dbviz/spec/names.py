"""Names of networks: the architecture, followed by the fewest fields that distinguish the networks of a comparison.

Two resnet18 trained by Adam and by SAM are `resnet18 adam` and `resnet18 sam`; if all are trained alike they are
`resnet18`. Seeds are no part of a name.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from dbviz.spec.run_spec import RunSpec
from dbviz.spec.seeds import Seeds

__all__ = ["network_names"]

_FIRST = (
    "width",
    "label_noise",
    "train_size",
    "recipe.optimizer",
    "recipe.mode",
    "teacher",
    "pretrained",
    "recipe.epochs",
)
"""The fields tried first to distinguish networks; the others follow in the order of the spec."""
_SHOWN_WITHOUT_NAME = ("recipe.optimizer", "recipe.mode", "recipe.schedule", "recipe.precision")


def network_names(specs: Sequence[RunSpec]) -> list[str]:
    """A name for each run; two runs have the same name exactly if their specs differ in nothing but the seeds.

    Example:
        >>> from dbviz.spec import Recipe
        >>> recipes = [Recipe(epochs=1, learning_rate=0.1, optimizer=name) for name in ("sgd", "sam")]
        >>> network_names([RunSpec(dataset="cifar10", arch="vit", recipe=recipe) for recipe in recipes])
        ['vit sgd', 'vit sam']
    """
    by_arch: dict[str, list[RunSpec]] = {}
    for spec in specs:
        by_arch.setdefault(spec.arch, []).append(spec)
    fields = {arch: _distinguishing_fields([_flat(spec) for spec in group]) for arch, group in by_arch.items()}
    return [" ".join([spec.arch, *_described(_flat(spec), fields[spec.arch])]) for spec in specs]


def _distinguishing_fields(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first fields, in the order of `_FIRST`, that distinguish all specs that differ in any field."""
    names = sorted(specs[0], key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    selected: list[str] = []
    for name in names:
        if _distinct(specs, [*selected, name]) > _distinct(specs, selected):
            selected.append(name)
    return selected


def _distinct(specs: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> int:
    """The number of different combinations of the values of `fields`."""
    return len({tuple(spec[name] for name in fields) for spec in specs})


def _described(spec: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    return [_shown(spec[name]) if name in _SHOWN_WITHOUT_NAME else _titled(name, spec[name]) for name in fields]


def _titled(name: str, value: Any) -> str:
    if name == "label_noise":
        return f"noise {0 if value is None else value}"
    if name == "pretrained":
        return "whole" if value is None else f"head on {_shown(value)}"
    return f"{name.rpartition('.')[2].replace('_', ' ')} {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:  # an identity
        return value[:6]
    return "full" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _flat(spec: RunSpec) -> dict[str, Any]:
    """The fields of a spec but for its seeds; those of the recipe as `recipe.NAME`."""
    seedless = dataclasses.replace(spec, seeds=Seeds())
    fields = {field.name: getattr(seedless, field.name) for field in dataclasses.fields(seedless)}
    recipe = dataclasses.asdict(fields.pop("recipe"))
    del fields["seeds"]
    return fields | {f"recipe.{name}": value for name, value in recipe.items()}
