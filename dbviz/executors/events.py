"""The interface of an executor: the task that it runs for every item, and the events that it reports meanwhile."""

import errno
import traceback
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from dbviz.core.deprecation import warn_renamed
from dbviz.core.errors import DeviceOutOfMemory, InputError, TrainingDiverged

__all__ = [
    "WORKER_DIED",
    "Event",
    "Executor",
    "Failed",
    "Finished",
    "Item",
    "Progressed",
    "Retried",
    "Started",
    "Task",
    "attempt",
    "resolve_attempt",
]


@runtime_checkable
class Item(Hashable, Protocol):
    """What a task is done for: the spec of a run, or anything else that is hashable, can be pickled and has a name.

    Example:
        >>> from dbviz.spec import Recipe, RunSpec
        >>> isinstance(RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1)), Item)
        True
    """

    @property
    def name(self) -> str:
        """Its name in messages."""
        ...


T = TypeVar("T", bound=Item)

Task = Callable[[T], object]
"""What is done with each item; what it returns is pickled too. It is pickled for other processes: a function of a
module, a `partial` of one, or an instance of a module's class, but no lambda."""

WORKER_DIED = "its worker process was killed or crashed"


@dataclass(frozen=True, kw_only=True)
class _OfItem(Generic[T]):
    """What the events have in common."""

    item: T

    @property
    def spec(self) -> T:
        """The item, as it was called in dbviz 0.1."""
        warn_renamed("spec of an event", "item")
        return self.item


@dataclass(frozen=True, kw_only=True)
class Started(_OfItem[T]):
    """A worker has started on an item.

    Example:
        >>> from dbviz.spec import Recipe, RunSpec
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> Started(item=spec).item.arch
        'mlp'
    """


@dataclass(frozen=True, kw_only=True)
class Progressed(_OfItem[T]):
    """A part of a task is done; not every executor reports this.

    Example:
        >>> from dbviz.spec import Recipe, RunSpec
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> Progressed(item=spec, share=0.25).share
        0.25
    """

    share: float
    """Of the task, in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Finished(_OfItem[T]):
    """A task is finished; the results of a run are in the store.

    Example:
        >>> from dbviz.spec import Recipe, RunSpec
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> attempt(spec, lambda spec: spec.arch).result
        'mlp'
    """

    result: Any = field(default=None, compare=False, repr=False)
    """What the task returned."""


@dataclass(frozen=True, kw_only=True)
class Retried(_OfItem[T]):
    """A task was lost with its worker or failed with an error that may be temporary, and is queued again.

    Example:
        >>> from dbviz.spec import Recipe, RunSpec
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> Retried(item=spec, reason=WORKER_DIED).reason
        'its worker process was killed or crashed'
    """

    reason: str


@dataclass(frozen=True, kw_only=True)
class Failed(_OfItem[T]):
    """A task failed and is not retried.

    Example:
        >>> from dbviz.spec import Recipe, RunSpec
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> failed = Failed.from_exception(spec, RuntimeError("CUDA out of memory"))
        >>> failed.error, failed.permanent, failed.poisoned
        ('CUDA out of memory', False, False)
    """

    error: str
    """The error's message, in one line."""
    traceback: str = ""
    errno: int | None = None
    """The error number of an `OSError`."""
    permanent: bool = True
    """Whether it would fail again: a diverging training would, a GPU that is out of memory may not."""
    bad_input: bool = False
    """Whether the message tells the user what to change: that of an `InputError`, or of `DeviceOutOfMemory`."""
    diverged: bool = False
    """Whether the error is `TrainingDiverged`."""
    poisoned: bool = False
    """Whether every later use of the GPU by the same process would fail too."""

    @property
    def disk_full(self) -> bool:
        """Whether the disk or the quota is full, so that the results of no other run could be stored either."""
        return self.errno in (errno.ENOSPC, errno.EDQUOT)

    @classmethod
    def from_exception(cls, item: T, error: Exception) -> "Failed[T]":
        """The failure of a task that raised `error`."""
        return cls(
            item=item,
            error=" ".join(f"{error}".split()) or type(error).__name__,
            traceback="".join(traceback.format_exception(error)),
            errno=error.errno if isinstance(error, OSError) else None,
            permanent=isinstance(error, TrainingDiverged) or not isinstance(error, RuntimeError | MemoryError),
            bad_input=isinstance(error, InputError | DeviceOutOfMemory),
            diverged=isinstance(error, TrainingDiverged),
            poisoned=_poisons_process(error),
        )


Event = Started[T] | Progressed[T] | Finished[T] | Retried[T] | Failed[T]


@runtime_checkable
class Executor(Protocol):
    """Runs a task for each of several independent items.

    Example:
        >>> from dbviz.executors import InProcess
        >>> isinstance(InProcess(), Executor)
        True
    """

    def run(self, items: Sequence[T], task: Task[T]) -> Iterator[Event[T]]:
        """Runs `task` for every item and yields an event when one starts and ends; a failure stops no other."""
        ...

    @property
    def concurrency(self) -> int:
        """The number of items that are worked on at the same time."""
        ...

    @property
    def threads(self) -> int:
        """The number of torch's threads that work on each."""
        ...

    def __str__(self) -> str:
        """Where the tasks are executed, as a phrase for messages."""
        ...


def attempt(item: T, task: Task[T]) -> Finished[T] | Failed[T]:
    """Runs the task once; every exception but an interruption becomes a `Failed`."""
    try:
        return Finished(item=item, result=task(item))
    except Exception as error:
        return Failed.from_exception(item, error)


def resolve_attempt(
    item: T, result: Finished[T] | Failed[T] | None, retries_left: int
) -> Finished[T] | Failed[T] | Retried[T]:
    """The event that an attempt ends in: retried if its failure may be temporary and retries are left.

    Args:
        result: None if the worker died.
    """
    temporary = result is None or (isinstance(result, Failed) and not result.permanent)
    if temporary and retries_left:
        return Retried(item=item, reason=result.error if isinstance(result, Failed) else WORKER_DIED)
    return result or Failed(item=item, error=f"{WORKER_DIED}, each time it was tried")


def _poisons_process(error: Exception) -> bool:
    """Whether CUDA's context is lost, as after an illegal address; not so when memory runs out.

    torch raises `AcceleratorError` for errors of the runtime, and a plain `RuntimeError` for those of cuBLAS.
    """
    lost = type(error).__name__ == "AcceleratorError" or "CUDA error" in str(error)
    return isinstance(error, RuntimeError) and lost
