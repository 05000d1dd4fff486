"""Independent runs got done by an executor, with one display and every failure told."""

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
    """Does `task` with every run, the most costly first; those that failed.

    Args:
        cost: the runs, each with something that its time goes with.
        ready: how many more runs were asked for and done before, for the display.
        on_event: told of every start and end.

    Raises:
        OSError: the disk is full; what is finished is kept.
    """
    order = sorted(cost, key=cost.__getitem__, reverse=True)
    tally = _Tally(ready=ready, count=ready + len(order))
    with progress_bar(float(sum(cost.values())), show=progress and bool(order)) as advance:
        for event in executor.run(order, task):
            tally.record(event)
            on_event(event)
            over = isinstance(event, Finished | Failed)
            advance(cost[event.spec] if over else 0.0, str(tally))
            if isinstance(event, Failed) and event.stops_all and event.errno is not None:
                raise OSError(event.errno, os.strerror(event.errno))
    return tally.failed


@dataclass
class _Tally:
    """How many runs are in which state."""

    ready: int
    count: int
    running: int = 0
    done: int = 0
    retried: int = 0
    failed: list[Failed] = field(default_factory=list)

    def record(self, event: Event) -> None:
        self.running += 1 if isinstance(event, Started) else -1
        self.done += isinstance(event, Finished)
        self.retried += isinstance(event, Retried)
        if isinstance(event, Failed):
            self.failed.append(event)

    def __str__(self) -> str:
        retried = f", {self.retried} retried" if self.retried else ""
        done = f"{self.ready + self.done} of {self.count} runs done"
        return f"{done}, {self.running} running, {len(self.failed)} failed{retried}"
