"""How every command starts and ends."""

import atexit
import errno
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tyro

from dbviz.cli.options import check_options
from dbviz.core.environment import Differences, describe_differences
from dbviz.core.errors import DeviceOutOfMemory, InputError, RunsFailed, TrainingDiverged
from dbviz.core.terminal import say

__all__ = ["report_environment_differences", "run_command"]

_RENAMED = {"--margin": "--padding"}
"""Options of dbviz 0.1 by what they are called now; they work until dbviz 0.3."""

_COLLECTION = (200_000, 50, 50)
"""Thresholds of the garbage collector. With Python's own it costs a cached command half a second, mostly in imports."""


def run_command(
    program: str, options: Any, main: Callable[[Any], int | None], argv: Sequence[str] | None = None
) -> int:
    """Parses `argv` into `options` and runs `main`; returns the exit status, that of `main` or one of these.

    0: done. 1: a training diverged, or some of many runs failed. 2: bad input, a place that cannot be read or
    written, or a GPU without enough memory, reported in one line. 130: interrupted.

    Args:
        program: how it is called, such as `python -m dbviz.plot`.
        options: a dataclass of groups of options, or a union of those of subcommands.
    """
    gc.set_threshold(*_COLLECTION)
    atexit.register(_skip_last_collections)
    try:
        arguments = _with_new_names(program, sys.argv[1:] if argv is None else argv)
        parsed = tyro.cli(options, prog=program, args=arguments, config=(tyro.conf.OmitArgPrefixes,))
        check_options(parsed)
        return main(parsed) or 0
    except (InputError, DeviceOutOfMemory) as error:
        return _fail(program, str(error), 2)
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail(program, _plain_message(error), 2)
    except KeyboardInterrupt:
        return _fail(program, "interrupted; finished epochs are kept: the same command resumes from there", 130)
    except (RunsFailed, TrainingDiverged) as error:
        return _fail(program, str(error), 1)


def report_environment_differences(differences: Mapping[str, Differences]) -> None:
    """Prints a line if models were trained in different environments, and one if their results were computed in such.

    Args:
        differences: from `dbviz.label_maps.environment_differences`; nothing is printed where all are alike.
    """
    for role, settings in differences.items():
        if settings:
            described = describe_differences(settings, of="models")
            say(f"Note: {_ROLES[role]} in different environments, which may change bits: {described}.")


_ROLES = {"trained": "trained", "computed": "sampled or measured"}


def _skip_last_collections() -> None:
    """Saves the half second in which the interpreter would collect what ends with it.

    Not with triton, which torch's compiler loads: it prints what was not collected.
    """
    if "triton" not in sys.modules:
        gc.freeze()


def _with_new_names(program: str, argv: Sequence[str]) -> list[str]:
    """The arguments with options that were renamed under their new names, after a warning for each."""
    arguments = []
    for argument in argv:
        option, equals, value = argument.partition("=")
        if option in _RENAMED:
            new = _RENAMED[option]
            print(f"{_name(program)}: {option} is now {new}; the old name works until dbviz 0.3", file=sys.stderr)
            argument = f"{new}{equals}{value}"
        arguments.append(argument)
    return arguments


def _plain_message(error: OSError) -> str:
    place = f": {error.filename}" if error.filename else ""
    remedy = (
        "; free some space and give the same command again: what is finished is kept"
        if error.errno == errno.ENOSPC
        else ""
    )
    return f"{error.strerror or error}{place}{remedy}"


def _fail(program: str, message: str, status: int) -> int:
    print(f"{_name(program)}: {'error: ' if status != 130 else ''}{message}", file=sys.stderr)
    return status


def _name(program: str) -> str:
    """`dbviz.plot` of `python -m dbviz.plot`."""
    return program.split()[-1]
