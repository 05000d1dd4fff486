"""What an executor tells of its runs while it works."""

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
    "retry_or_give_up",
]

Task = Callable[[RunSpec], object]
"""What is to be done with each run. It is sent to other processes, so it is a function of a module, or a `partial`."""

WORKER_DIED = "its worker process was killed or crashed"


@dataclass(frozen=True, kw_only=True)
class Started:
    """A run is being worked on."""

    spec: RunSpec


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run is done, and what came of it is in the store."""

    spec: RunSpec


@dataclass(frozen=True, kw_only=True)
class Retried:
    """A run was lost with its worker, or failed in a way that may pass, and waits to be done again."""

    spec: RunSpec
    why: str


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A run cannot be had."""

    spec: RunSpec
    error: str
    """In one line."""
    traceback: str = ""
    errno: int | None = None
    """Of an `OSError`."""
    lasting: bool = True
    """Whether it would fail again: a divergence would, a GPU without memory left may not."""

    @property
    def stops_all(self) -> bool:
        """Whether no other run could be kept either: the disk is full."""
        return self.errno in (errno.ENOSPC, errno.EDQUOT)

    @classmethod
    def of(cls, spec: RunSpec, error: Exception) -> "Failed":
        """The failure by which `error` ended a run."""
        return cls(
            spec=spec,
            error=" ".join(f"{error}".split()) or type(error).__name__,
            traceback="".join(traceback.format_exception(error)),
            errno=error.errno if isinstance(error, OSError) else None,
            lasting=isinstance(error, TrainingDiverged) or not isinstance(error, RuntimeError | MemoryError),
        )


Event = Started | Finished | Retried | Failed


@runtime_checkable
class Executor(Protocol):
    """A way to get a list of independent runs done."""

    def run(self, specs: Sequence[RunSpec], task: Task) -> Iterator[Event]:
        """Does every run, telling of each when it starts and ends; a failing one does not stop the others."""
        ...

    @property
    def concurrency(self) -> int:
        """How many runs are worked on at a time."""
        ...

    def __str__(self) -> str:
        """Where the runs are done, for the reader."""
        ...


def attempt(spec: RunSpec, task: Task) -> Finished | Failed:
    """Does one run, whatever comes of it; an interruption alone is let through."""
    try:
        task(spec)
    except Exception as error:
        return Failed.of(spec, error)
    return Finished(spec=spec)


def retry_or_give_up(spec: RunSpec, result: Finished | Failed | None, left: int) -> Finished | Failed | Retried:
    """What a result means where it may be tried `left` times more; None stands for a worker that died."""
    lost = result is None or (isinstance(result, Failed) and not result.lasting)
    if lost and left:
        return Retried(spec=spec, why=result.error if isinstance(result, Failed) else WORKER_DIED)
    return result or Failed(spec=spec, error=f"{WORKER_DIED}, each time it was tried")
