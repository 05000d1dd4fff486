"""Old names that keep working for one release, with a warning that names the new one."""

import functools
import importlib
import sys
import types
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

__all__ = ["renamed_module", "renamed_parameter", "warn_renamed"]

P = ParamSpec("P")
R = TypeVar("R")

_REMOVED_IN = "0.3"


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warns that `old` is called `new` now.

    A `FutureWarning`, since Python shows these to users by default, unlike a `DeprecationWarning`.
    """
    warnings.warn(
        f"{old} is now {new}; the old name works until dbviz {_REMOVED_IN}", FutureWarning, stacklevel=stacklevel
    )


def renamed_parameter(old: str, new: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a function whose keyword `old` is now called `new`.

    Example:
        >>> @renamed_parameter("margin", "padding")
        ... def grid(padding=0.1):
        ...     return padding
        >>> grid(padding=0.5)
        0.5
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def renamed(*args: Any, **kwargs: Any) -> R:
            if old in kwargs:
                if new in kwargs:
                    raise TypeError(f"{function.__qualname__} got {new} and {old}, its old name: pass only {new}")
                warn_renamed(f"{old}=", f"{new}=")
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return renamed

    return decorate


class _RenamedModule(types.ModuleType):
    """A module whose names are looked up in other modules; each lookup warns."""

    def __init__(self, name: str, modules: Mapping[str, str]) -> None:
        super().__init__(name, f"Renamed: its contents are in {', '.join(sorted(set(modules.values())))}.")
        self.__dict__["_modules"] = dict(modules)

    def __getattr__(self, name: str) -> Any:
        module = self.__dict__["_modules"].get(name)
        if module is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        warn_renamed(f"{self.__name__}.{name}", f"{module}.{name}")
        return getattr(importlib.import_module(module), name)

    def __dir__(self) -> list[str]:
        return sorted(self.__dict__["_modules"])


def renamed_module(name: str, modules: Mapping[str, str]) -> None:
    """Makes `import NAME` work for a module whose contents have moved.

    Args:
        name: the old module's qualified name.
        modules: for each of its public names, the module that has it now.

    Example:
        >>> import warnings
        >>> renamed_module("dbviz.old_math", {"sqrt": "math"})
        >>> from dbviz import old_math
        >>> with warnings.catch_warnings(action="ignore"):
        ...     old_math.sqrt(9)
        3.0
    """
    sys.modules.setdefault(name, _RenamedModule(name, modules))
