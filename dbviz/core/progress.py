"""One progress bar for a whole job, with the time left; tasks in other processes report to it how far they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Advance", "progress_bar", "report_share", "shares_reported_to"]

Advance = Callable[[float, str], None]
"""Called with an amount of work done and a description of the current step."""

_ROUNDING = 1e-9

_share_report: ContextVar[Callable[[float], None]] = ContextVar("share_report", default=lambda _: None)


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
            remaining = progress.tasks[0].remaining or 0.0
            if abs(remaining) < _ROUNDING * total:  # the sum of the amounts is the total but for rounding
                progress.update(task, completed=total)

        yield advance


def report_share(share: float) -> None:
    """Reports which share of the current task is done to whoever runs it; see `shares_reported_to`.

    Example:
        >>> report_share(0.5)  # nobody listens
    """
    _share_report.get()(share)


@contextmanager
def shares_reported_to(report: Callable[[float], None]) -> Iterator[None]:
    """Within the block `report_share` calls `report`.

    Example:
        >>> with shares_reported_to(print):
        ...     report_share(0.5)
        0.5
    """
    token = _share_report.set(report)
    try:
        yield
    finally:
        _share_report.reset(token)
