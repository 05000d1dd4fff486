"""Work in a process of its own, under a time limit: whatever happens to it, the caller continues."""

import multiprocessing as mp
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["KILLED", "ProcessEnded", "TimeLimitReached", "isolated"]

KILLED = "its process was killed by SIGKILL"
"""The reason reported for a process that was ended by force, as the system does when memory is short."""


class ProcessEnded(RuntimeError):
    """A process ended before its work was done: it was killed, crashed, or its work raised.

    Example:
        >>> str(ProcessEnded("killed by SIGSEGV"))
        'killed by SIGSEGV'
    """


class TimeLimitReached(RuntimeError):
    """The work took longer than its limit and was stopped.

    Example:
        >>> issubclass(TimeLimitReached, ProcessEnded)
        False
    """


def isolated(work: Callable[..., Iterator[Any]], *arguments: Any, seconds: float) -> Iterator[Any]:
    """Yields what `work(*arguments)` yields in a new process, as soon as it does.

    The process is spawned, so that it shares neither threads nor a CUDA context with this one. It is killed when the
    time is over, when this generator is closed, and when this process dies.

    Args:
        work: a generator function of a module; what it takes and yields is pickled.
        seconds: the limit, which includes the start of the process.

    Raises:
        ProcessEnded: the process died, or `work` raised.
        TimeLimitReached: it was not finished in time.

    Example:
        >>> list(isolated(range, 3, seconds=60))  # doctest: +SKIP
        [0, 1, 2]
    """
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, os.getpid(), work, arguments))
    deadline = time.monotonic() + seconds
    process.start()
    theirs.close()  # else the pipe would stay open when the process dies
    try:
        while (message := _received(ours, process, deadline))[0] == "yielded":
            yield message[1]
        if message[0] == "raised":
            raise ProcessEnded(message[1])
    finally:
        process.kill()
        process.join()
        ours.close()


def _received(pipe: Connection, process: Any, deadline: float) -> tuple[str, Any]:
    if not pipe.poll(max(0.0, deadline - time.monotonic())):
        raise TimeLimitReached
    try:
        return pipe.recv()
    except (EOFError, OSError):
        process.join()
        raise ProcessEnded(_ending(process.exitcode)) from None


def _ending(status: int) -> str:
    """How a process ended, from its exit status."""
    return f"its process was killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _work(pipe: Connection, parent: int, work: Callable[..., Iterator[Any]], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles an interruption
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        for item in work(*arguments):
            pipe.send(("yielded", item))
        pipe.send(("done", None))
    except Exception as error:
        pipe.send(("raised", f"{type(error).__name__}: {error}"))


def _end_with(parent: int) -> None:
    """Ends this process as soon as its parent has died."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
