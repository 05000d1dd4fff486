"""One task for many independent items, by an executor, with one progress bar and every failure returned."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dbviz.core.progress import progress_bar
from dbviz.executors.events import Event, Executor, Failed, Finished, Item, Progressed, Retried, Started, Task

__all__ = ["run_tasks"]

T = TypeVar("T", bound=Item)


def run_tasks(
    cost: Mapping[T, float],
    task: Task[T],
    executor: Executor,
    *,
    ready: int = 0,
    what: str = "runs",
    progress: bool = True,
    on_event: Callable[[Event[T]], None] = lambda _: None,
) -> list[Failed[T]]:
    """Runs `task` for every item, the most expensive first, and returns the failures.

    Args:
        cost: the items, each with a number that its duration is about proportional to, such as estimated seconds.
        ready: the number of further items that were finished before, counted in the progress bar.
        what: the items in the plural, for the progress bar.
        on_event: called with every event of the executor.

    Raises:
        OSError: the disk is full; finished runs are kept.

    Example:
        >>> from dbviz.executors import InProcess
        >>> from dbviz.spec import Recipe, RunSpec
        >>> specs = [
        ...     RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=n, learning_rate=0.1)) for n in (1, 2)
        ... ]
        >>> run_tasks(
        ...     {spec: float(spec.recipe.epochs) for spec in specs},
        ...     lambda spec: print("training for", spec.recipe.epochs),
        ...     InProcess(),
        ...     progress=False,
        ... )
        training for 2
        training for 1
        []
    """
    order = sorted(cost, key=cost.__getitem__, reverse=True)
    counts, shares = _Counts(what=what, ready=ready, total=ready + len(order)), dict.fromkeys(order, 0.0)
    with progress_bar(float(sum(cost.values())), show=progress and bool(order)) as advance:
        for event in executor.run(order, task):
            counts.record(event)
            on_event(event)
            share = _share_done(event)
            advance(cost[event.item] * (share - shares[event.item]), str(counts))
            shares[event.item] = share
            if isinstance(event, Failed) and event.disk_full and event.errno is not None:
                raise OSError(event.errno, os.strerror(event.errno))
    return counts.failed


def _share_done(event: Event[Any]) -> float:
    """The share of an item's task that is done after the event."""
    if isinstance(event, Progressed):
        return event.share
    return 1.0 if isinstance(event, Finished | Failed) else 0.0


@dataclass
class _Counts:
    """How many items are in which state."""

    what: str
    ready: int
    total: int
    running: int = 0
    finished: int = 0
    retried: int = 0
    failed: list[Failed[Any]] = field(default_factory=list)

    def record(self, event: Event[Any]) -> None:
        if isinstance(event, Progressed):
            return
        self.running += 1 if isinstance(event, Started) else -1
        self.finished += isinstance(event, Finished)
        self.retried += isinstance(event, Retried)
        if isinstance(event, Failed):
            self.failed.append(event)

    def __str__(self) -> str:
        retried = f", {self.retried} retried" if self.retried else ""
        done = f"{self.ready + self.finished} of {self.total} {self.what} done"
        return f"{done}, {self.running} running, {len(self.failed)} failed{retried}"
