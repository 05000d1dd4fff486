"""Traces of trainings: digests of tensors, and of the results of the operations between them, in order."""

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
    """A tensor that was watched or computed."""

    step: int
    """Counted from 1; 0 is before the first."""
    kind: Kind
    what: str
    """`loss`, `gradient of 0.weight`; of an operation its name, such as `aten.convolution.default`."""
    where: str
    """Of an operation: the module and pass in which it ran, such as `forward of layers.3 (Dropout)`; else empty."""
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first difference of two trainings.

    Example:
        >>> print(Difference(step=2, tensor="loss", operation="aten.add.Tensor", where="forward of 3 (Noise)"))
        first difference in step 2: loss; the operation that differs is aten.add.Tensor in the forward of 3 (Noise)
    """

    step: int
    """Counted from 1; 0 is before the first."""
    tensor: str
    """The first watched tensor that differs: a batch, the loss, a gradient, a weight or a buffer."""
    operation: str | None
    """The first operation in call order whose result differs; None if none was recorded."""
    where: str | None
    """The module and pass in which it ran."""

    def __str__(self) -> str:
        at = f"in step {self.step}" if self.step else "before the first step"
        how = "" if self.operation is None else f"; the operation that differs is {self.operation} in the {self.where}"
        return f"first difference {at}: {self.tensor}{how}"


def first_difference(first: Sequence[Event], second: Sequence[Event]) -> Difference | None:
    """The first difference of two traces; None if all watched tensors are bitwise identical.

    Operations alone, with equal tensors, are no difference. The operation named is the first that differs, unless it
    ran after the tensor.
    """
    tensors = [[event for event in trace if event.kind == "tensor"] for trace in (first, second)]
    differing = next((a for a, b in zip(*tensors, strict=False) if a != b), None)
    if differing is None:
        if len(tensors[0]) == len(tensors[1]):
            return None
        differing = max(tensors, key=len)[min(map(len, tensors))]  # the first that one of them lacks
    cause = next((a for a, b in zip(first, second, strict=False) if a != b and a.kind == "operation"), None)
    if cause is not None and _ran_after(cause, differing, first):
        cause = None
    return Difference(
        step=differing.step,
        tensor=differing.what,
        operation=cause.what if cause else None,
        where=cause.where if cause else None,
    )


def _ran_after(operation: Event, tensor: Event, trace: Sequence[Event]) -> bool:
    """Whether the operation ran after the tensor that it would explain."""
    return next(event for event in trace if event is operation or event is tensor) is tensor


_UNWRITTEN = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "resize_", "set_")
_MARK = "dbviz.audits"


class Recorder(TorchDispatchMode):
    """Records the tensors that are passed to `record`, and gradients and operations while it is `watching`.

    Args:
        operations: record operations too; a compiled network runs as if it were not compiled meanwhile.
    """

    def __init__(self, model: nn.Module, *, operations: bool) -> None:
        super().__init__()
        self.model, self.operations = model, operations
        self.events: list[Event] = []
        self.step = 0
        self._stack: list[tuple[str, set[Any]]] = []
        """The modules that are running, innermost last, each with the graph nodes of its inputs."""
        self._differentiated = "loss"
        self._outside = ""
        self._is_paused = False

    def begin_step(self, number: int) -> None:
        """Events from here on belong to step `number`, which begins with its batch."""
        self.step, self._outside = number, "making of the batch"

    def begin_loss(self) -> None:
        """From here on, operations outside the network belong to the loss, and after the backward pass to the
        optimizer."""
        self._differentiated = self._outside = "loss"

    def record(self, what: str, tensor: Tensor) -> None:
        """Records a tensor."""
        with self._paused():
            self.events.append(Event(self.step, "tensor", what, "", tensor_digest(tensor)))

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Within the block gradients are recorded as they are computed, and operations if requested."""
        handles = [
            parameter.register_post_accumulate_grad_hook(lambda p, name=name: self._record_gradient(name, p))
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
        if self._is_paused or func._opname in _UNWRITTEN or func.is_view:
            return result
        changed = _written(func, args, kwargs or {}) if func._schema.is_mutable else result
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(changed)):
            self.events.append(Event(self.step, "operation", str(func), self._where(), digest_of_all(changed)))
        return result

    def _where(self) -> str:
        if self._stack:
            return f"forward of {self._stack[-1][0]}"
        if torch._C._current_graph_task_id() != -1:  # a backward pass, as torch.utils.module_tracker checks
            self._outside = "optimizer's step"
            return f"backward of {self._differentiated}"
        return self._outside

    @contextlib.contextmanager
    def _paused(self) -> Iterator[None]:
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def _record_gradient(self, name: str, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self.record(f"gradient of {name}", parameter.grad)

    def _follow_modules(self) -> list[RemovableHandle]:
        handles: list[RemovableHandle] = []
        for name, module in self.model.named_modules():
            label = module_label(self.model, name)

            def begin(_: nn.Module, args: Any, kwargs: Any, label: str = label) -> None:
                self._stack.append((label, set(_nodes((args, kwargs)))))

            def end(_: nn.Module, __: Any, output: Any) -> None:
                self._mark(output, *self._stack.pop())

            handles += [
                module.register_forward_pre_hook(begin, with_kwargs=True, prepend=True),
                module.register_forward_hook(end, always_call=True),
            ]
        return handles

    def _mark(self, output: Any, label: str, inputs: set[Any]) -> None:
        """Labels the graph's nodes between a module's inputs and its output with the module, for the backward pass."""
        pending, seen = _nodes(output), set(inputs)
        while pending:
            node = pending.pop()
            if node is None or node in seen or hasattr(node, "variable"):
                continue
            seen.add(node)
            pending += [before for before, _ in node.next_functions]
            if _MARK not in node.metadata:  # those of inner modules are marked already
                node.metadata[_MARK] = label
                node.register_prehook(partial(self._differentiate, f"{label} ({node.name()})"))

    def _differentiate(self, label: str, _: Any) -> None:
        self._differentiated = label


def _nodes(values: Any) -> list[Any]:
    """The graph nodes that computed the tensors."""
    return [leaf.grad_fn for leaf in tree_leaves(values) if isinstance(leaf, Tensor) and leaf.grad_fn is not None]


def _written(func: Any, args: Any, kwargs: Any) -> list[Any]:
    """The arguments that an operation writes to."""
    values = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    written = [a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    return [values[name] for name in written if name in values]
