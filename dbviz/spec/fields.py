"""Frozen dataclasses as JSON: checked when they are read, and without the fields that have their default.

A damaged or newer file becomes a clear error, never a strange spec.
"""

import dataclasses
import types
import typing
from typing import Any, Literal

from dbviz.core.errors import InputError

__all__ = ["allows_float", "from_fields", "require", "without_defaults"]


def require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise InputError(f"{name} is {value!r}: it must be {expected}")


def allows_float(hint: Any) -> bool:
    return float in (hint, *typing.get_args(hint))


def without_defaults(value: Any) -> Any:
    if not dataclasses.is_dataclass(value):
        return value
    kept = {}
    for f in dataclasses.fields(value):
        present = getattr(value, f.name)
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        if present != default:
            kept[f.name] = without_defaults(present)
    return kept


def from_fields(cls: Any, fields: Any) -> Any:
    if not isinstance(fields, dict):
        raise InputError(f"{cls.__name__}: expected a JSON object, got {type(fields).__name__}")
    hints = typing.get_type_hints(cls)
    if unknown := sorted(set(fields) - set(hints)):
        raise InputError(f"{cls.__name__} has no field {unknown[0]!r}: was it written by a newer dbviz?")
    nested = {
        name: from_fields(part, value) if (part := _dataclass_in(hints[name], value)) else value
        for name, value in fields.items()
    }
    for name, value in nested.items():
        if not _fits(value, hints[name]):
            raise InputError(f"{cls.__name__}.{name} is {value!r}: expected {hints[name]}")
        if allows_float(hints[name]) and isinstance(value, int):
            nested[name] = float(value)
    try:
        return cls(**nested)
    except TypeError as error:
        raise InputError(f"{cls.__name__}: {error}") from None


def _dataclass_in(hint: Any, value: Any) -> Any:
    """The dataclass that `value` must be the fields of, if the annotation allows one and not the value itself."""
    options = typing.get_args(hint) if value is not None else ()
    return next((option for option in (hint, *options) if dataclasses.is_dataclass(option)), None)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value has the type of the annotation; keeps a damaged file from becoming a strange spec."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return value in typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
