"""Output of commands on the terminal: lines, tables, durations."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["counted", "duration", "print_table", "say", "say_written"]


def say(text: str) -> None:
    """Prints a line on standard output and flushes it.

    Example:
        >>> say("Sampling 3 networks.")
        Sampling 3 networks.
    """
    print(text, flush=True)


def say_written(paths: Iterable[Path]) -> None:
    """Prints the paths of the files written, one a line.

    Example:
        >>> say_written([Path("a.png"), Path("a.json")])
        Written:
          a.png
          a.json
    """
    say("\n".join(["Written:", *(f"  {path}" for path in paths)]))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table on standard output; all columns but the first contain numbers and are right-aligned."""
    table = Table()
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    # a pipe has no width of its own, and numbers must not be truncated there
    console = Console(width=None if sys.stdout.isatty() else 400)
    console.print(title, style="bold", highlight=False)
    console.print(table)


def duration(seconds: float) -> str:
    """A duration in hours, minutes and seconds, at most two of them.
    Example:
        >>> duration(8.4), duration(95.0), duration(7300.0)
        ('8 s', '1 min 35 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counted(count: int, noun: str) -> str:
    """A count with its noun, in the plural where it is not 1.

    Example:
        >>> counted(1, "epoch"), counted(16_000, "image")
        ('1 epoch', '16,000 images')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
