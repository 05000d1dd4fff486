"""What to call networks that differ in more than their seeds: the architecture, and as little more as tells them apart.

Two resnet18 trained by Adam and by SAM are `resnet18 adam` and `resnet18 sam`; where all are trained alike they are
`resnet18`.
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
"""Fields by which a reader would tell networks apart; the others come behind, as they stand in the spec."""
_SPEAK_FOR_THEMSELVES = ("recipe.optimizer", "recipe.mode", "recipe.schedule", "recipe.precision")


def network_names(specs: Sequence[RunSpec]) -> list[str]:
    """A name for each run: equal exactly where the specs are equal but for their seeds.

    Example:
        >>> from dbviz.spec import Recipe
        >>> recipes = [Recipe(epochs=1, learning_rate=0.1, optimizer=name) for name in ("sgd", "sam")]
        >>> network_names([RunSpec(dataset="cifar10", arch="vit", recipe=recipe) for recipe in recipes])
        ['vit sgd', 'vit sam']
    """
    by_arch: dict[str, list[RunSpec]] = {}
    for spec in specs:
        by_arch.setdefault(spec.arch, []).append(spec)
    fields = {arch: _telling_fields([_flat(spec) for spec in group]) for arch, group in by_arch.items()}
    return [" ".join([spec.arch, *_described(_flat(spec), fields[spec.arch])]) for spec in specs]


def _telling_fields(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first fields that part the specs as finely as all of them do."""
    names = sorted(specs[0], key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    chosen: list[str] = []
    for name in names:
        if _kinds(specs, [*chosen, name]) > _kinds(specs, chosen):
            chosen.append(name)
    return chosen


def _kinds(specs: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> int:
    return len({tuple(spec[name] for name in fields) for spec in specs})


def _described(spec: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    return [_shown(spec[name]) if name in _SPEAK_FOR_THEMSELVES else _titled(name, spec[name]) for name in fields]


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
    """The spec's fields without the seeds, those of the recipe as `recipe.NAME`."""
    seedless = dataclasses.replace(spec, seeds=Seeds())
    fields = {field.name: getattr(seedless, field.name) for field in dataclasses.fields(seedless)}
    recipe = dataclasses.asdict(fields.pop("recipe"))
    del fields["seeds"]
    return fields | {f"recipe.{name}": value for name, value in recipe.items()}
