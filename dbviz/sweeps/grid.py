"""The grid of a sweep: a list of independent runs, the Cartesian product of the values of several fields."""

import dataclasses
import json
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from dbviz.core.errors import InputError, unknown_name
from dbviz.data import Images
from dbviz.models.build import construct
from dbviz.spec import Recipe, RunSpec, Seeds

__all__ = [
    "Axis",
    "check_networks",
    "crossed",
    "default_widths",
    "grid",
    "parse_axis",
    "with_field",
]

_NAKKIRAN = (*range(1, 21), 30, 40, 50, 60, 64)
_TRAINED = {
    "quick": {"resnet18k": (1, 2, 4, 8, 16), "mlp": (2, 4, 6, 8, 12, 16, 32, 128)},
    "standard": {"resnet18k": _NAKKIRAN, "mlp": (4, 8, 16, 32, 64, 128, 256, 512, 1024)},
    "paper": {"resnet18k": _NAKKIRAN, "mlp": (4, 8, 16, 32, 64, 128, 256, 512, 1024)},
}
"""By preset and architecture; resnet18k as swept by Nakkiran et al. 2019 and Somepalli et al. 2022."""
_RATIOS = (0.1, 0.3, 0.6, 0.8, 0.9, 1.0, 1.1, 1.3, 2.0, 4.0)
"""Random features per training image; from 1 on the training images are interpolated."""


def default_widths(arch: str, preset: str, train_size: int) -> tuple[int, ...]:
    """The default widths of `arch` in a sweep under `preset` on `train_size` images.

    Raises:
        InputError: the architecture has none.

    Example:
        >>> default_widths("random_features", "quick", 1000)[4:7]
        (900, 1000, 1100)
    """
    if arch == "random_features":
        return tuple(dict.fromkeys(max(1, round(ratio * train_size)) for ratio in _RATIOS))
    if arch not in _TRAINED[preset]:
        raise InputError(f"no widths are known for a sweep of {arch}: give them with --widths, such as --widths 1-4 8")
    return _TRAINED[preset][arch]


_PARTS = {"recipe": Recipe, "seeds": Seeds}
_NOT_SWEPT = ("dataset", "definition", "label_noise", "recipe", "seeds")
"""Fields that have options of their own, or are not a single value."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A field of a spec, such as `width` or `recipe.epochs`, and its values.

    Example:
        >>> Axis(field="recipe.epochs", values=(1, 2, 4)) == parse_axis("recipe.epochs=1,2,4")
        True
    """

    field: str
    values: tuple[Any, ...]


def parse_axis(text: str) -> Axis:
    """Parses an axis such as `recipe.epochs=1,2,4`.

    Raises:
        InputError: the syntax is another, the field is unknown, or a value is repeated or not of the field's type.

    Example:
        >>> parse_axis("recipe.epochs=1,2").values
        (1, 2)
    """
    name, equals, values = text.partition("=")
    if not (equals and values):
        raise InputError(f"--sweep {text!r}: write FIELD=VALUE,VALUE,... such as recipe.epochs=1,2,4")
    fields = _fields()
    if name not in fields:
        raise unknown_name("field to sweep", name, fields)
    parsed = tuple(_parsed(name, word, fields[name]) for word in values.split(","))
    if len(set(parsed)) < len(parsed):
        raise InputError(f"--sweep {text!r} repeats a value: give each once")
    return Axis(field=name, values=parsed)


def grid(
    specs: Iterable[RunSpec],
    axes: Sequence[Axis] = (),
    *,
    widths: Sequence[int] = (),
    sizes: Sequence[int] = (),
    preset: str | None = None,
    all_images: int = 0,
) -> list[RunSpec]:
    """The runs of a sweep: every spec with every number of training images, every width, and every value of the axes.

    Args:
        widths: by default those of `default_widths` for `preset`, or the spec's own where no preset is given.
        sizes: numbers of training images; by default the spec's own.
        all_images: the number of available training images, for specs that use all of them.

    Raises:
        InputError: an architecture has no default widths, a field is given twice, or a spec does not allow a value.

    Example:
        >>> base = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> specs = grid([base], [parse_axis("recipe.learning_rate=0.1,0.2")], widths=(4, 8))
        >>> [(spec.width, spec.recipe.learning_rate) for spec in specs]
        [(4, 0.1), (4, 0.2), (8, 0.1), (8, 0.2)]
    """
    with_widths = []
    for spec in crossed(specs, [Axis(field="train_size", values=tuple(sizes))] if sizes else []):
        values = tuple(widths)
        if not values and preset is not None:
            values = default_widths(spec.arch, preset, spec.train_size or all_images)
        with_widths += crossed([spec], [Axis(field="width", values=values)] if values else [])
    return crossed(with_widths, axes)


def crossed(specs: Iterable[RunSpec], axes: Sequence[Axis]) -> list[RunSpec]:
    """Every spec with every combination of the axes' values, without duplicates.

    Raises:
        InputError: a field is given twice, or a spec does not allow a value.

    Example:
        >>> base = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> [spec.width for spec in crossed([base], [Axis(field="width", values=(4, 8))])]
        [4, 8]
    """
    names = [axis.field for axis in axes]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"--sweep {repeated[0]} is given twice: give all its values at once")
    combinations = []
    for spec, values in product(specs, list(product(*(axis.values for axis in axes)))):
        for name, value in zip(names, values, strict=True):
            spec = with_field(spec, name, value)
        combinations.append(spec)
    return list(dict.fromkeys(combinations))


def with_field(spec: RunSpec, name: str, value: Any) -> RunSpec:
    """The spec with one field replaced, its own (`width`) or that of a part (`recipe.epochs`)."""
    part, dot, field = name.partition(".")
    if not dot:
        return dataclasses.replace(spec, **{name: value})
    return dataclasses.replace(spec, **{part: dataclasses.replace(getattr(spec, part), **{field: value})})


def check_networks(specs: Iterable[RunSpec], images: Images) -> None:
    """Checks before anything is trained that every network can be built and that there are enough training images.

    Raises:
        InputError: an architecture is unknown or not available at a width, or there are fewer training images.

    Example:
        >>> from dbviz.data import shapes
        >>> images = Images(train=shapes(32, split="train"), test=shapes(16, split="test"))
        >>> recipe = Recipe(epochs=1, learning_rate=0.1)
        >>> check_networks([RunSpec(dataset="shapes", arch="mlp", width=8, recipe=recipe)], images)
    """
    for spec in specs:
        images.train.first(spec.train_size)
    for arch, width in dict.fromkeys((spec.arch, spec.width) for spec in specs):
        if ":" not in arch:
            with torch.device("meta"):
                construct(arch, len(images.class_names), width, images.image_shape)


def _fields() -> dict[str, Any]:
    """The type of every field that can be swept, by name."""
    own = {name: hint for name, hint in typing.get_type_hints(RunSpec).items() if name not in _NOT_SWEPT}
    parts = {
        f"{part}.{name}": hint for part, cls in _PARTS.items() for name, hint in typing.get_type_hints(cls).items()
    }
    return own | parts


def _parsed(name: str, word: str, hint: Any) -> Any:
    """The word as a value of the field's type; `none` is None."""
    options = typing.get_args(hint) if type(None) in typing.get_args(hint) else (hint,)
    if word.lower() == "none" and type(None) in options:
        return None
    if str in options or any(typing.get_origin(option) is typing.Literal for option in options):
        return word  # the spec checks the choices
    try:
        value = json.loads(word.lower())
    except ValueError:
        value = None
    if float in options and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type(value) not in options or value is None:
        types = " or ".join(option.__name__ for option in options if option is not type(None))
        raise InputError(f"--sweep {name}: {word!r} is not of type {types}")
    return value
