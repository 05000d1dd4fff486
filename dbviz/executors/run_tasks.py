"""One task for many independent runs, by an executor, with one progress bar and every failure returned."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dbviz.core.progress import progress_bar
from dbviz.executors.events import Event, Executor, Failed, Finished, Retried, Started, Task
from dbviz.spec import RunSpec

__all__ = ["run_tasks"]


def run_tasks(
    cost: Mapping[RunSpec, float],
    task: Task,
    executor: Executor,
    *,
    ready: int = 0,
    progress: bool = True,
    on_event: Callable[[Event], None] = lambda _: None,
) -> list[Failed]:
    """Runs `task` for every spec, the most expensive first, and returns the failures.

    Args:
        cost: the specs, each with a number that its duration is about proportional to, such as estimated seconds.
        ready: the number of further runs that were finished before, counted in the progress bar.
        on_event: called with every event of the executor.

    Raises:
        OSError: the disk is full; finished runs are kept.

    Example:
        >>> from dbviz.executors import InProcess
        >>> from dbviz.spec import Recipe
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
    counts = _RunCounts(ready=ready, total=ready + len(order))
    with progress_bar(float(sum(cost.values())), show=progress and bool(order)) as advance:
        for event in executor.run(order, task):
            counts.record(event)
            on_event(event)
            ended = isinstance(event, Finished | Failed)
            advance(cost[event.spec] if ended else 0.0, str(counts))
            if isinstance(event, Failed) and event.disk_full and event.errno is not None:
                raise OSError(event.errno, os.strerror(event.errno))
    return counts.failed


@dataclass
class _RunCounts:
    """How many runs are in which state."""

    ready: int
    total: int
    running: int = 0
    finished: int = 0
    retried: int = 0
    failed: list[Failed] = field(default_factory=list)

    def record(self, event: Event) -> None:
        self.running += 1 if isinstance(event, Started) else -1
        self.finished += isinstance(event, Finished)
        self.retried += isinstance(event, Retried)
        if isinstance(event, Failed):
            self.failed.append(event)

    def __str__(self) -> str:
        retried = f", {self.retried} retried" if self.retried else ""
        done = f"{self.ready + self.finished} of {self.total} runs done"
        return f"{done}, {self.running} running, {len(self.failed)} failed{retried}"
