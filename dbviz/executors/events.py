"""The interface of an executor: the task that it runs for every spec, and the events that it reports meanwhile."""

import errno
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dbviz.core.errors import TrainingDiverged
from dbviz.spec import RunSpec

__all__ = [
    "WORKER_DIED",
    "Event",
    "Executor",
    "Failed",
    "Finished",
    "Retried",
    "Started",
    "Task",
    "attempt",
    "resolve_attempt",
]

Task = Callable[[RunSpec], object]
"""What is done with each run. It is pickled for other processes: a function of a module, a `partial` of one, or an
instance of a module's class, but no lambda."""

WORKER_DIED = "its worker process was killed or crashed"


@dataclass(frozen=True, kw_only=True)
class Started:
    """A worker has started on a run.

    Example:
        >>> from dbviz.spec import Recipe
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> Started(spec=spec).spec.arch
        'mlp'
    """

    spec: RunSpec


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run is finished, and its results are in the store.

    Example:
        >>> from dbviz.spec import Recipe
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> attempt(spec, lambda spec: None) == Finished(spec=spec)
        True
    """

    spec: RunSpec


@dataclass(frozen=True, kw_only=True)
class Retried:
    """A run was lost with its worker or failed with an error that may be temporary, and is queued again.

    Example:
        >>> from dbviz.spec import Recipe
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> Retried(spec=spec, reason=WORKER_DIED).reason
        'its worker process was killed or crashed'
    """

    spec: RunSpec
    reason: str


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A run failed and is not retried.

    Example:
        >>> from dbviz.spec import Recipe
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> failed = Failed.from_exception(spec, RuntimeError("CUDA out of memory"))
        >>> failed.error, failed.permanent
        ('CUDA out of memory', False)
    """

    spec: RunSpec
    error: str
    """The error's message, in one line."""
    traceback: str = ""
    errno: int | None = None
    """The error number of an `OSError`."""
    permanent: bool = True
    """Whether it would fail again: a diverging training would, a GPU that is out of memory may not."""

    @property
    def disk_full(self) -> bool:
        """Whether the disk or the quota is full, so that the results of no other run could be stored either."""
        return self.errno in (errno.ENOSPC, errno.EDQUOT)

    @classmethod
    def from_exception(cls, spec: RunSpec, error: Exception) -> "Failed":
        """The failure of a run that raised `error`."""
        return cls(
            spec=spec,
            error=" ".join(f"{error}".split()) or type(error).__name__,
            traceback="".join(traceback.format_exception(error)),
            errno=error.errno if isinstance(error, OSError) else None,
            permanent=isinstance(error, TrainingDiverged) or not isinstance(error, RuntimeError | MemoryError),
        )


Event = Started | Finished | Retried | Failed


@runtime_checkable
class Executor(Protocol):
    """Runs a task for each of several independent specs.

    Example:
        >>> from dbviz.executors import InProcess
        >>> isinstance(InProcess(), Executor)
        True
    """

    def run(self, specs: Sequence[RunSpec], task: Task) -> Iterator[Event]:
        """Runs `task` for every spec and yields an event when a run starts and ends; a failure stops no other run."""
        ...

    @property
    def concurrency(self) -> int:
        """The number of runs that are worked on at the same time."""
        ...

    def __str__(self) -> str:
        """Where the runs are executed, as a phrase for messages."""
        ...


def attempt(spec: RunSpec, task: Task) -> Finished | Failed:
    """Runs the task once; every exception but an interruption becomes a `Failed`."""
    try:
        task(spec)
    except Exception as error:
        return Failed.from_exception(spec, error)
    return Finished(spec=spec)


def resolve_attempt(spec: RunSpec, result: Finished | Failed | None, retries_left: int) -> Finished | Failed | Retried:
    """The event that an attempt ends in: retried if its failure may be temporary and retries are left.

    Args:
        result: None if the worker died.
    """
    temporary = result is None or (isinstance(result, Failed) and not result.permanent)
    if temporary and retries_left:
        return Retried(spec=spec, reason=result.error if isinstance(result, Failed) else WORKER_DIED)
    return result or Failed(spec=spec, error=f"{WORKER_DIED}, each time it was tried")
