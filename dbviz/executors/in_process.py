"""Tasks in this process, one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from dbviz.core.threads import default_threads, using_threads
from dbviz.executors.events import Event, Item, Started, Task, attempt

__all__ = ["InProcess"]

T = TypeVar("T", bound=Item)


@dataclass(frozen=True, kw_only=True)
class InProcess:
    """Executes tasks in this process, with as many threads as other executors use, so that bits are the same.

    Example:
        >>> from dbviz.spec import Recipe, RunSpec
        >>> spec = RunSpec(dataset="shapes", arch="mlp", recipe=Recipe(epochs=1, learning_rate=0.1))
        >>> [type(event).__name__ for event in InProcess().run([spec], lambda spec: None)]
        ['Started', 'Finished']
    """

    threads: int = field(default_factory=default_threads)

    @property
    def concurrency(self) -> int:
        return 1

    def run(self, items: Sequence[T], task: Task[T]) -> Iterator[Event[T]]:
        for item in items:
            yield Started(item=item)
            with using_threads(self.threads):
                event = attempt(item, task)
            yield event

    def __str__(self) -> str:
        return f"in this process, {self.threads} {'thread' if self.threads == 1 else 'threads'}"
