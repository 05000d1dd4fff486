"""One progress bar for a whole job, with the time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Advance", "progress_bar"]

Advance = Callable[[float, str], None]
"""Called with an amount of work done and a description of the current step."""


@contextmanager
def progress_bar(total: float, *, show: bool = True) -> Iterator[Advance]:
    """A progress bar on standard error over `total` units of work; in a pipe it prints one line, at the end.

    Args:
        show: False yields a function that does nothing.

    Example:
        >>> with progress_bar(2.0, show=False) as advance:
        ...     advance(1.0, "first half")
        ...     advance(1.0, "second half")
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not show, speed_estimate_period=60) as progress:
        task = progress.add_task("", total=total)

        def advance(amount: float, step: str) -> None:
            progress.update(task, advance=amount, description=step)

        yield advance
