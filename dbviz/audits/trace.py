"""What a training did, as digests in the order in which it happened: tensors, and the operations between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Difference", "Event", "first_difference"]

Kind = Literal["tensor", "operation"]


@dataclass(frozen=True, slots=True)
class Event:
    """A tensor that was seen or computed."""

    step: int
    """Counted from 1; 0 is before the first."""
    kind: Kind
    what: str
    """`loss`, `gradient of 0.weight`; of an operation its name, such as `aten.convolution.default`."""
    where: str
    """Of an operation: where it ran, such as `forward of layers.3 (Dropout)`; else empty."""
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Where two trainings part for the first time."""

    step: int
    """Counted from 1; 0 is before the first."""
    tensor: str
    """The first that is watched and differs: a batch, the loss, a gradient, a weight or a buffer."""
    operation: str | None
    """The first operation in call order whose result differs; None where none was seen to."""
    where: str | None
    """In which module and pass it ran."""

    def __str__(self) -> str:
        at = f"in step {self.step}" if self.step else "before the first step"
        how = "" if self.operation is None else f"; the operation that differs is {self.operation} in the {self.where}"
        return f"first difference {at}: {self.tensor}{how}"


def first_difference(one: Sequence[Event], other: Sequence[Event]) -> Difference | None:
    """Where two traces part; None if every tensor that both watched is equal to the bit."""
    mine, theirs = ([event for event in trace if event.kind == "tensor"] for trace in (one, other))
    parted = next((a for a, b in zip(mine, theirs, strict=False) if a != b), None)
    if parted is None:
        if len(mine) == len(theirs):
            return None
        parted = max(mine, theirs, key=len)[min(len(mine), len(theirs))]
    cause = next((a for a, b in zip(one, other, strict=False) if a != b and a.kind == "operation"), None)
    if cause is not None and _behind(cause, parted, one):
        cause = None
    return Difference(
        step=parted.step,
        tensor=parted.what,
        operation=cause.what if cause else None,
        where=cause.where if cause else None,
    )


def _behind(cause: Event, parted: Event, trace: Sequence[Event]) -> bool:
    """Whether the operation came later than the tensor that it would explain."""
    return next(event for event in trace if event is cause or event is parted) is parted
