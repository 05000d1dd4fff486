"""What a training did, as digests in the order in which it happened: tensors, and the operations between them."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from dbviz.core.digests import digest_of_all, tensor_digest
from dbviz.training.forward_check import module_label

__all__ = [
    "Difference",
    "Event",
    "Recorder",
    "first_difference",
]

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


_UNWRITTEN = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "resize_", "set_")
_MARK = "dbviz.audits"


class Recorder(TorchDispatchMode):
    """Notes what is computed while it is entered, and tensors that are shown to it.

    Args:
        operations: note operations too; a compiled network runs as it would uncompiled while these are noted.
    """

    def __init__(self, model: nn.Module, *, operations: bool) -> None:
        super().__init__()
        self.model, self.operations = model, operations
        self.events: list[Event] = []
        self.step = 0
        self._stack: list[tuple[str, set[Any]]] = []
        """The modules being run, innermost last, each with the graph nodes that its inputs come from."""
        self._differentiated = "loss"
        self._outside = ""
        self._quiet = False

    def begin_step(self, number: int) -> None:
        """From here on things happen in step `number`, which begins with its batch."""
        self.step, self._outside = number, "making of the batch"

    def begin_loss(self) -> None:
        """From here on what happens outside the network is the loss, and behind the backward pass the optimizer."""
        self._differentiated = self._outside = "loss"

    def record(self, what: str, tensor: Tensor) -> None:
        """Notes a tensor."""
        with self._unnoticed():
            self.events.append(Event(self.step, "tensor", what, "", tensor_digest(tensor)))

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Within the block gradients are noted as they are ready, and operations if they are wanted."""
        handles = [
            parameter.register_post_accumulate_grad_hook(lambda p, name=name: self._note_gradient(name, p))
            for name, parameter in self.model.named_parameters()
        ]
        with contextlib.ExitStack() as stack:
            if self.operations:
                handles += self._follow_modules()
                stack.enter_context(self)
            try:
                yield
            finally:
                for handle in handles:
                    handle.remove()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self._quiet or func._opname in _UNWRITTEN or func.is_view:
            return result
        changed = _written(func, args, kwargs or {}) if func._schema.is_mutable else result
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(changed)):
            self.events.append(Event(self.step, "operation", str(func), self._where(), digest_of_all(changed)))
        return result

    def _where(self) -> str:
        if self._stack:
            return f"forward of {self._stack[-1][0]}"
        if torch._C._current_graph_task_id() != -1:  # as torch.utils.module_tracker asks whether this is a backward
            self._outside = "optimizer's step"
            return f"backward of {self._differentiated}"
        return self._outside

    @contextlib.contextmanager
    def _unnoticed(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _note_gradient(self, name: str, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self.record(f"gradient of {name}", parameter.grad)

    def _follow_modules(self) -> list[RemovableHandle]:
        handles: list[RemovableHandle] = []
        for name, module in self.model.named_modules():
            shown = module_label(self.model, name)

            def begin(_: nn.Module, args: Any, kwargs: Any, shown: str = shown) -> None:
                self._stack.append((shown, set(_nodes((args, kwargs)))))

            def end(_: nn.Module, __: Any, output: Any) -> None:
                self._mark(output, *self._stack.pop())

            handles += [
                module.register_forward_pre_hook(begin, with_kwargs=True, prepend=True),
                module.register_forward_hook(end, always_call=True),
            ]
        return handles

    def _mark(self, output: Any, shown: str, inputs: set[Any]) -> None:
        """Has the graph's nodes between a module's inputs and its output say whose they are when they are run."""
        ahead, seen = _nodes(output), set(inputs)
        while ahead:
            node = ahead.pop()
            if node is None or node in seen or hasattr(node, "variable"):
                continue
            seen.add(node)
            ahead += [before for before, _ in node.next_functions]
            if _MARK not in node.metadata:  # those of the modules within are marked already
                node.metadata[_MARK] = shown
                node.register_prehook(partial(self._differentiate, f"{shown} ({node.name()})"))

    def _differentiate(self, said: str, _: Any) -> None:
        self._differentiated = said


def _nodes(values: Any) -> list[Any]:
    """The graph nodes that tensors come from."""
    return [leaf.grad_fn for leaf in tree_leaves(values) if isinstance(leaf, Tensor) and leaf.grad_fn is not None]


def _written(func: Any, args: Any, kwargs: Any) -> list[Any]:
    """The arguments that an operation writes to."""
    given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    written = [a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    return [given[name] for name in written if name in given]
