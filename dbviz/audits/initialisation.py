"""Do two definitions start from equal weights, and if not, which layer is the cause?

Torch draws all weights from one stream in the order of construction: a layer that draws more, or one that the other
definition does not have, changes every weight after it. Drawn by name (`dbviz.models.initialize`) it changes none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dbviz.core.files import digest
from dbviz.core.streams import torch_seeded
from dbviz.models.initialize import initialize
from dbviz.training.forward_check import module_label

__all__ = ["InitAudit", "InitComparison", "ParameterMatch", "audit_initialisation", "initial_fingerprint"]

State = Literal["equal", "other values", "other shape", "only in the first", "only in the second"]


@dataclass(frozen=True, kw_only=True)
class ParameterMatch:
    """A parameter of either definition, matched by name."""

    name: str
    shapes: tuple[tuple[int, ...] | None, tuple[int, ...] | None]
    """In the first definition and in the second; None where it is absent."""
    state: State


@dataclass(frozen=True, kw_only=True)
class InitComparison:
    """The initial weights of both definitions, drawn in one of the two ways."""

    parameters: tuple[ParameterMatch, ...]
    fingerprints: tuple[str, str]
    """Digests of all initial weights and buffers; see `initial_fingerprint`."""
    first_unequal: str | None
    """The first parameter of equal name and shape whose initial values differ."""
    cause: str | None
    """The first difference between the two constructions' draws, as a sentence."""

    @property
    def in_both(self) -> int:
        """The number of parameters of equal name and shape."""
        return sum(parameter.state in ("equal", "other values") for parameter in self.parameters)

    @property
    def equal(self) -> int:
        """The number of these whose initial values are bitwise identical."""
        return sum(parameter.state == "equal" for parameter in self.parameters)


@dataclass(frozen=True, kw_only=True)
class InitAudit:
    """The result of `audit_initialisation`.

    Example:
        >>> audit = audit_initialisation(lambda: nn.Linear(2, 1), lambda: nn.Linear(2, 1), seed=3)
        >>> audit.seed, audit.by_name.equal, audit.by_name.in_both
        (3, 2, 2)
    """

    seed: int
    sequential: InitComparison
    """Drawn as torch does: `torch.manual_seed(seed)`, then construction."""
    by_name: InitComparison
    """Drawn as dbviz does: each parameter from the stream of its name."""


@dataclass(frozen=True)
class _Draw:
    """One draw from torch's shared stream."""

    operation: str
    name: str | None
    """The parameter that it filled; None if no parameter keeps the drawn values."""
    values: int
    """The number of values."""


@dataclass(frozen=True, eq=False)
class _Construction:
    """A newly constructed network, with the draws of its construction."""

    module: nn.Module
    draws: tuple[_Draw, ...]
    label: str


def audit_initialisation(
    make_first: Callable[[], nn.Module],
    make_second: Callable[[], nn.Module],
    *,
    seed: int = 0,
    labels: tuple[str, str] = ("the first", "the second"),
) -> InitAudit:
    """Compares the initial weights of two definitions, parameter by parameter.

    Args:
        make_first, make_second: each constructs a network, with the draws of its definition.
        labels: the names of the two definitions in `InitComparison.cause`.

    Raises:
        InputError: a parameter's distribution is unknown; see `dbviz.models.initialize`.

    Example:
        >>> def short():
        ...     return nn.ModuleDict({"stem": nn.Linear(4, 4), "head": nn.Linear(4, 2)})
        >>> def long():
        ...     return nn.ModuleDict({"stem": nn.Linear(4, 4), "body": nn.Linear(4, 4), "head": nn.Linear(4, 2)})
        >>> audit = audit_initialisation(short, long, labels=("short", "long"))
        >>> audit.sequential.cause
        'body (Linear) is in long only and drew 20 values before head.weight'
        >>> audit.by_name.equal, audit.by_name.in_both
        (4, 4)
    """
    first, second = (
        _construct(make, seed, label) for make, label in zip((make_first, make_second), labels, strict=True)
    )
    sequential = _compare(first, second)
    for construction in (first, second):
        initialize(construction.module, seed)
    return InitAudit(seed=seed, sequential=sequential, by_name=_compare(first, second))


def initial_fingerprint(module: nn.Module) -> str:
    """The digest of a network's current weights and buffers, 64 hexadecimal digits; see `dbviz.core.files.digest`.

    Example:
        >>> from dbviz.models import build
        >>> initial_fingerprint(build("fcnet", width=16)) == initial_fingerprint(build("fcnet", width=16))
        True
    """
    return digest(module.state_dict())


def _construct(make: Callable[[], nn.Module], seed: int, label: str) -> _Construction:
    with torch_seeded(0, "audit"), _DrawRecorder() as recorder:  # restores the global generators
        torch.manual_seed(seed)
        module = make()
    names = {p.untyped_storage().data_ptr(): name for name, p in module.named_parameters()}
    draws = [
        _Draw(operation, next((names[pointer] for pointer in pointers if pointer in names), None), values)
        for operation, pointers, values in recorder.draws
    ]
    return _Construction(module, tuple(draws), label)


class _DrawRecorder(TorchDispatchMode):
    """Records every draw from the shared stream: the operation, pointers to the drawn tensors, and their size."""

    def __init__(self) -> None:
        super().__init__()
        self.draws: list[tuple[str, list[int], int]] = []
        self.drawn_tensors: list[Any] = []
        """Kept alive, so that no later parameter is allocated where a discarded draw was."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags and (kwargs or {}).get("generator") is None:
            drawn = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            self.drawn_tensors += drawn
            pointers = [leaf.untyped_storage().data_ptr() for leaf in drawn]
            self.draws.append((func._opname, pointers, sum(leaf.numel() for leaf in drawn)))
        return result


def _compare(first: _Construction, second: _Construction) -> InitComparison:
    in_first, in_second = (dict(construction.module.named_parameters()) for construction in (first, second))
    names = dict.fromkeys([*in_first, *in_second])
    parameters = tuple(_match(name, in_first.get(name), in_second.get(name)) for name in names)
    unequal = next((parameter.name for parameter in parameters if parameter.state == "other values"), None)
    return InitComparison(
        parameters=parameters,
        fingerprints=(initial_fingerprint(first.module), initial_fingerprint(second.module)),
        first_unequal=unequal,
        cause=None if unequal is None else _cause(first, second, unequal),
    )


def _match(name: str, first: Tensor | None, second: Tensor | None) -> ParameterMatch:
    shapes = tuple(None if parameter is None else tuple(parameter.shape) for parameter in (first, second))
    if first is None or second is None:
        state: State = "only in the second" if first is None else "only in the first"
    elif first.shape != second.shape:
        state = "other shape"
    else:
        state = "equal" if torch.equal(first, second) else "other values"
    return ParameterMatch(name=name, shapes=shapes, state=state)  # pyright: ignore[reportArgumentType]


def _cause(first: _Construction, second: _Construction, unequal: str) -> str:
    """Describes the first draw that differs between the two constructions."""
    pairs = zip(first.draws, second.draws, strict=False)
    at = next((i for i, (draw, other) in enumerate(pairs) if draw != other), None)
    filling = [i for made in (first, second) for i, draw in enumerate(made.draws) if draw.name == unequal]
    if at is None or at > max(filling, default=at):
        return f"{unequal} is drawn after equal draws, but from another distribution"
    draw, other = first.draws[at], second.draws[at]
    for made, own, rest in ((first, draw, second), (second, other, first)):
        if own.name is not None and own.name not in dict(rest.module.named_parameters()):
            count = _values_of(made.draws, _layer_name(own.name))
            return f"{_layer(made, own.name)} is in {made.label} only and drew {count:,} values before {unequal}"
    if draw.name != other.name:
        return f"{first.label} drew {_text(first, draw)} where {second.label} drew {_text(second, other)}"
    if draw.name is None or draw.values == other.values:
        return f"{_text(first, draw)} in {first.label}, and {_text(second, other)} in {second.label}"
    counts = f"{draw.values:,} values in {first.label} and {other.values:,} in {second.label}"
    return f"{_layer(first, draw.name)} drew {counts} before {unequal}"


def _values_of(draws: Sequence[_Draw], layer: str) -> int:
    """The number of values that a layer's parameters drew."""
    return sum(draw.values for draw in draws if draw.name is not None and _layer_name(draw.name) == layer)


def _layer(construction: _Construction, parameter: str) -> str:
    return module_label(construction.module, _layer_name(parameter))


def _layer_name(parameter: str) -> str:
    return parameter.rpartition(".")[0]


def _text(construction: _Construction, draw: _Draw) -> str:
    target = "that no parameter keeps" if draw.name is None else f"of {_layer(construction, draw.name)}"
    return f"{draw.values:,} values {target} by {draw.operation}"
