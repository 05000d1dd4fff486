"""What a command prints: lines, tables, durations."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["duration", "print_table", "say", "say_written"]


def say(text: str) -> None:
    """One line for the reader, on standard output, at once."""
    print(text, flush=True)


def say_written(paths: Iterable[Path]) -> None:
    """Where the results are, a line a file."""
    say("\n".join(["Written:", *(f"  {path}" for path in paths)]))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output; all columns but the first are numbers and stand to the right."""
    table = Table()
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    # a pipe has no width of its own: let no number be cut there
    console = Console(width=None if sys.stdout.isatty() else 400)
    console.print(title, style="bold", highlight=False)
    console.print(table)


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    Example:
        >>> duration(8.4), duration(95), duration(7300)
        ('8 s', '1 min 35 s', '2 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
