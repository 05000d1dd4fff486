"""Frozen dataclasses as JSON: checked when they are read, and written without the fields that have their default.

A damaged file, or one of a newer version, raises an error that names the field.
"""

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal

from dbviz.core.errors import InputError

__all__ = ["allows_float", "from_fields", "require", "short_repr", "without_defaults"]


def require(holds: bool, name: str, value: object, expected: str) -> None:
    """Raises an `InputError` about the value of the field `name` unless `holds`."""
    if not holds:
        raise InputError(f"{name} is {value!r}: it must be {expected}")


def allows_float(hint: Any) -> bool:
    """Whether a field annotated with `hint` can be a float."""
    return float in (hint, *typing.get_args(hint))


def without_defaults(value: Any) -> Any:
    """The fields of a dataclass that differ from their default, by name, also within fields; other values unchanged."""
    if not dataclasses.is_dataclass(value):
        return value
    return {name: without_defaults(field) for name, field in _not_default(value)}


def short_repr(value: Any) -> str:
    """The expression that makes a dataclass, without the fields that have their default."""
    arguments = ", ".join(f"{name}={field!r}" for name, field in _not_default(value))
    return f"{type(value).__name__}({arguments})"


def _not_default(value: Any) -> Iterator[tuple[str, Any]]:
    """Name and value of each field of a dataclass that differs from its default."""
    for field in dataclasses.fields(value):
        present = getattr(value, field.name)
        default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        if present != default:
            yield field.name, present


def from_fields(cls: Any, fields: Any) -> Any:
    """The dataclass `cls` from its fields as JSON values.

    Raises:
        InputError: a field is unknown, missing, of another type, or out of range.
    """
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
    """The dataclass that the annotation allows and whose fields `value` must be; None if there is none."""
    options = typing.get_args(hint) if value is not None else ()
    return next((option for option in (hint, *options) if dataclasses.is_dataclass(option)), None)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value has the type of the annotation."""
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
