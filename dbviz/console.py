"""How every command starts, speaks and ends."""

import errno
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from dbviz.errors import InputError, RunsFailed, TrainingDiverged

__all__ = ["duration", "file_name", "output_directory", "print_table", "run_command", "say", "say_written"]


def run_command(program: str, options: Any, main: Callable[[Any], None], argv: Sequence[str] | None = None) -> int:
    """Parses `argv` into `options` and runs `main`; the exit status.

    `program` is how it is called, such as `python -m dbviz.plot`. `options` is a dataclass, or a union of those of
    subcommands.

    0: done. 1: a training diverged, or some of many runs failed. 2: bad input or a place that cannot be read
    or written, said in one line. 130: interrupted.
    """
    try:
        parsed = tyro.cli(options, prog=program, args=argv)
        main(parsed)
    except InputError as error:
        return _fail(program, str(error), 2)
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail(program, _said_plainly(error), 2)
    except KeyboardInterrupt:
        return _fail(program, "interrupted; finished epochs are kept: the same command goes on from there", 130)
    except (RunsFailed, TrainingDiverged) as error:
        return _fail(program, str(error), 1)
    return 0


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


def file_name(parts: Sequence[str]) -> str:
    """The parts joined by dashes, with an underscore for whatever a file system might not take.

    Example:
        >>> file_name(["cifar10", "timm:resnet18", "30"])
        'cifar10-timm_resnet18-30'
    """
    return "-".join(re.sub(r"[^\w+.]", "_", part) for part in parts)


def output_directory(path: Path) -> Path:
    """`path`, made if it is absent, and tried: a place that cannot be written to is found before hours of work.

    Raises:
        InputError: it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".dbviz-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"cannot write to {path} ({error.strerror}): choose another place with --out or --home"
        ) from None
    return path


def _said_plainly(error: OSError) -> str:
    place = f": {error.filename}" if error.filename else ""
    remedy = (
        "; free some space and give the same command again: what is finished is kept"
        if error.errno == errno.ENOSPC
        else ""
    )
    return f"{error.strerror or error}{place}{remedy}"


def _fail(program: str, message: str, status: int) -> int:
    name = program.split()[-1]
    print(f"{name}: error: {message}" if status != 130 else f"{name}: {message}", file=sys.stderr)
    return status
