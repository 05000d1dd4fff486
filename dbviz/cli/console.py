"""How every command starts and ends."""

import errno
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tyro

from dbviz.core.environment import Differences, describe_differences
from dbviz.core.errors import InputError, RunsFailed, TrainingDiverged
from dbviz.core.terminal import say

__all__ = ["report_environment_differences", "run_command"]


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
        return _fail(program, _plain_message(error), 2)
    except KeyboardInterrupt:
        return _fail(program, "interrupted; finished epochs are kept: the same command goes on from there", 130)
    except (RunsFailed, TrainingDiverged) as error:
        return _fail(program, str(error), 1)
    return 0


def _plain_message(error: OSError) -> str:
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


_DONE = {"trained": "trained", "computed": "sampled or measured"}


def report_environment_differences(found: Mapping[str, Differences]) -> None:
    """A line where models were trained in different environments, and one where what is there of them was computed so.

    `found` is what `dbviz.label_maps.environment_differences` gives. Nothing is said where all is alike.
    """
    for role, differences in found.items():
        if differences:
            said = describe_differences(differences, of="models")
            say(f"Note: {_DONE[role]} in different environments, which may change bits: {said}.")
