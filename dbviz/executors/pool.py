"""Runs in processes of this machine, one thread each; the run of a worker that died is retried.

`concurrent.futures` gives up all its work when one of its processes is killed. Here each worker has a pipe of its own:
a pipe that closes tells which worker died, and which run it was working on.
"""

import contextlib
import multiprocessing as mp
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import torch

from dbviz.core.errors import InputError
from dbviz.executors.events import Event, Failed, Finished, Retried, Started, Task, attempt, resolve_attempt
from dbviz.spec import RunSpec

__all__ = ["Pool"]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Executes runs in `processes` processes of this machine, each with one torch thread.

    Raises:
        InputError: `processes` is below 1.

    Example:
        >>> from dbviz.executors import run_tasks
        >>> print(Pool(processes=2))
        in 2 processes of one thread
        >>> run_tasks({spec: 1.0}, task, Pool(processes=2))  # doctest: +SKIP
    """

    processes: int
    retries: int = 2
    """How often a run is retried whose worker died, or whose error may be temporary."""

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise InputError(f"{self.processes} processes: give at least 1 (--workers)")

    @property
    def concurrency(self) -> int:
        return self.processes

    def run(self, specs: Sequence[RunSpec], task: Task) -> Iterator[Event]:
        waiting = deque((spec, self.retries) for spec in specs)
        idle: list[_Worker] = []
        busy: dict[Connection, tuple[_Worker, RunSpec, int]] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < self.processes:
                    worker, (spec, retries_left) = idle.pop() if idle else _Worker.start(task), waiting.popleft()
                    worker.send(spec)
                    busy[worker.pipe] = worker, spec, retries_left
                    yield Started(spec=spec)
                for pipe in wait(list(busy)):
                    worker, spec, retries_left = busy.pop(pipe)  # pyright: ignore[reportArgumentType]
                    result = worker.receive()
                    if result is not None:
                        idle.append(worker)
                    event = resolve_attempt(spec, result, retries_left)
                    if isinstance(event, Retried):
                        waiting.append((spec, retries_left - 1))
                    yield event
        finally:
            for worker in [*idle, *(worker for worker, _, _ in busy.values())]:
                worker.stop()

    def __str__(self) -> str:
        return f"in {self.processes} processes of one thread"


@dataclass(frozen=True)
class _Worker:
    """A process that executes one run after another, and the pipe to it."""

    process: SpawnProcess
    pipe: Connection

    @classmethod
    def start(cls, task: Task) -> "_Worker":
        context = mp.get_context("spawn")  # a forked process would share torch's threads and CUDA's state
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, task, os.getpid()), daemon=True)
        process.start()
        theirs.close()  # else the pipe would stay open when the process dies
        return cls(process, ours)

    def send(self, spec: RunSpec) -> None:
        with contextlib.suppress(OSError):  # it died: `receive` will return None
            self.pipe.send(spec)

    def receive(self) -> Finished | Failed | None:
        """The result of the run; None if the process died."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.stop()
            return None

    def stop(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def _work(pipe: Connection, task: Task, parent: int) -> None:
    """The main loop of a worker, until its pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles an interruption
    torch.set_num_threads(1)
    while os.getppid() == parent:
        try:
            pipe.send(attempt(pipe.recv(), task))
        except (EOFError, OSError):  # the parent is gone
            return
