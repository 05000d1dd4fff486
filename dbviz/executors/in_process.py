"""Runs in this process, one behind the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbviz.executors.events import Event, Started, Task, attempt
from dbviz.spec import RunSpec

__all__ = ["InProcess"]


@dataclass(frozen=True)
class InProcess:
    """Does the runs here, with the threads that torch has."""

    concurrency = 1

    def run(self, specs: Sequence[RunSpec], task: Task) -> Iterator[Event]:
        for spec in specs:
            yield Started(spec=spec)
            yield attempt(spec, task)

    def __str__(self) -> str:
        return "in this process"
