"""Do two definitions begin with the same weights, and if not, which layer is to blame?

Torch draws all weights from one stream in the order of construction: a layer that draws more, or one that the other
definition has not got, changes every weight behind it. Keyed by name (`dbviz.models.initialize`) it changes none.
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

__all__ = ["InitAudit", "Matched", "Way", "audit_initialisation", "initial_fingerprint"]

State = Literal["equal", "other values", "other shape", "only in the first", "only in the second"]


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A parameter, matched by name."""

    name: str
    shapes: tuple[tuple[int, ...] | None, tuple[int, ...] | None]
    """In the first definition and in the second; None where it is absent."""
    state: State


@dataclass(frozen=True, kw_only=True)
class Way:
    """Both definitions under one way of drawing initial weights."""

    parameters: tuple[Matched, ...]
    fingerprints: tuple[str, str]
    """Digests of all initial weights and buffers; see `dbviz.core.files.digest`."""
    first_unequal: str | None
    """The first parameter of one name and shape that begins with other values."""
    cause: str | None
    """What drew otherwise before it, in a sentence."""

    @property
    def in_both(self) -> int:
        """Parameters of one name and shape."""
        return sum(each.state in ("equal", "other values") for each in self.parameters)

    @property
    def equal(self) -> int:
        """How many of them begin with the same values."""
        return sum(each.state == "equal" for each in self.parameters)


@dataclass(frozen=True, kw_only=True)
class InitAudit:
    """What an audit of two definitions found."""

    seed: int
    sequential: Way
    """Torch's way: `torch.manual_seed(seed)`, then construction."""
    by_name: Way
    """dbviz's way: each parameter from the stream of its name."""


@dataclass(frozen=True)
class _Draw:
    """One draw from torch's shared stream."""

    operation: str
    name: str | None
    """The parameter that it filled; None if no parameter keeps it as it was drawn."""
    values: int


@dataclass(frozen=True, eq=False)
class _Made:
    """A network as it begins, with what was drawn to make it."""

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
        make_first, make_second: each makes a network, drawing as its definition has it.
        labels: what they are called in the findings.

    Raises:
        InputError: a parameter's distribution is unknown; see `dbviz.models.initialize`.
    """
    made = [_made(make, seed, label) for make, label in zip((make_first, make_second), labels, strict=True)]
    sequential = _compared(*made)
    for each in made:
        initialize(each.module, seed)
    return InitAudit(seed=seed, sequential=sequential, by_name=_compared(*made))


def initial_fingerprint(module: nn.Module) -> str:
    """The digest of a network's weights and buffers as they are now."""
    return digest(module.state_dict())


def _made(make: Callable[[], nn.Module], seed: int, label: str) -> _Made:
    with torch_seeded(0, "audit"), _Drawing() as drawing:  # puts the global generators back
        torch.manual_seed(seed)
        module = make()
    names = {p.untyped_storage().data_ptr(): name for name, p in module.named_parameters()}
    draws = [
        _Draw(operation, next((names[place] for place in places if place in names), None), values)
        for operation, places, values in drawing.found
    ]
    return _Made(module, tuple(draws), label)


class _Drawing(TorchDispatchMode):
    """Notes every draw from the shared stream: the operation, where its values lie, and how many they are."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[int], int]] = []
        self.kept: list[Any] = []
        """What was drawn, so that no later parameter takes the place of a draw that is thrown away."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags and (kwargs or {}).get("generator") is None:
            drawn = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            self.kept += drawn
            places = [leaf.untyped_storage().data_ptr() for leaf in drawn]
            self.found.append((func._opname, places, sum(leaf.numel() for leaf in drawn)))
        return result


def _compared(first: _Made, second: _Made) -> Way:
    mine, theirs = (dict(made.module.named_parameters()) for made in (first, second))
    matched = [_matched(name, mine.get(name), theirs.get(name)) for name in dict.fromkeys([*mine, *theirs])]
    unequal = next((each.name for each in matched if each.state == "other values"), None)
    return Way(
        parameters=tuple(matched),
        fingerprints=(initial_fingerprint(first.module), initial_fingerprint(second.module)),
        first_unequal=unequal,
        cause=None if unequal is None else _cause(first, second, unequal),
    )


def _matched(name: str, mine: Tensor | None, theirs: Tensor | None) -> Matched:
    shapes = tuple(None if each is None else tuple(each.shape) for each in (mine, theirs))
    if mine is None or theirs is None:
        state: State = "only in the second" if mine is None else "only in the first"
    elif mine.shape != theirs.shape:
        state = "other shape"
    else:
        state = "equal" if torch.equal(mine, theirs) else "other values"
    return Matched(name=name, shapes=shapes, state=state)  # pyright: ignore[reportArgumentType]


def _cause(first: _Made, second: _Made, unequal: str) -> str:
    """What drew otherwise, at the first draw in which the two constructions part."""
    pairs = zip(first.draws, second.draws, strict=False)
    at = next((i for i, (mine, theirs) in enumerate(pairs) if mine != theirs), None)
    drawn = [i for made in (first, second) for i, draw in enumerate(made.draws) if draw.name == unequal]
    if at is None or at > max(drawn, default=at):
        return f"{unequal} is drawn after the same draws, but from another distribution"
    mine, theirs = first.draws[at], second.draws[at]
    for made, draw, other in ((first, mine, second), (second, theirs, first)):
        if draw.name is not None and draw.name not in dict(other.module.named_parameters()):
            layer = draw.name.rpartition(".")[0]
            drew = _values_of(made.draws, layer)
            return f"{_layer(made, draw.name)} is in {made.label} only and drew {drew:,} values before {unequal}"
    if mine.name == theirs.name and mine.values != theirs.values and mine.name is not None:
        return (
            f"{_layer(first, mine.name)} drew {mine.values:,} values in {first.label} and {theirs.values:,} in "
            f"{second.label} before {unequal}"
        )
    if mine.name == theirs.name:
        return f"{_said(first, mine)} in {first.label}, and {_said(second, theirs)} in {second.label}"
    return f"{first.label} drew {_said(first, mine)} where {second.label} drew {_said(second, theirs)}"


def _values_of(draws: Sequence[_Draw], layer: str) -> int:
    return sum(draw.values for draw in draws if draw.name is not None and draw.name.rpartition(".")[0] == layer)


def _layer(made: _Made, parameter: str) -> str:
    return module_label(made.module, parameter.rpartition(".")[0])


def _said(made: _Made, draw: _Draw) -> str:
    into = "that no parameter keeps" if draw.name is None else f"of {_layer(made, draw.name)}"
    return f"{draw.values:,} values {into} by {draw.operation}"
