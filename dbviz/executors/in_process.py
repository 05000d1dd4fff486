"""Runs in this process, one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbviz.executors.events import Event, Started, Task, attempt
from dbviz.spec import RunSpec

__all__ = ["InProcess"]


@dataclass(frozen=True)
class InProcess:
    """Executes runs in this process, with torch's current number of threads.

    Example:
        >>> from dbviz.spec import Recipe
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> [type(event).__name__ for event in InProcess().run([spec], lambda spec: None)]
        ['Started', 'Finished']
    """

    concurrency = 1

    def run(self, specs: Sequence[RunSpec], task: Task) -> Iterator[Event]:
        for spec in specs:
            yield Started(spec=spec)
            yield attempt(spec, task)

    def __str__(self) -> str:
        return "in this process"
