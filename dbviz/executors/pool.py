"""Runs in processes of this machine: one thread each, and a lost one's run is done again.

`concurrent.futures` gives all its work up when one of its processes is killed. Here each worker has a pipe of its own:
the end of its pipe tells which worker died, and which run it had.
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
from dbviz.executors.events import Event, Failed, Finished, Retried, Started, Task, attempt, retry_or_give_up
from dbviz.spec import RunSpec

__all__ = ["Pool"]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Does the runs in `processes` processes of this machine, each with one thread of torch."""

    processes: int
    retries: int = 2
    """How often a run is done again whose worker died, or that failed in a way that may pass."""

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
                    worker, (spec, left) = idle.pop() if idle else _Worker.begin(task), waiting.popleft()
                    worker.give(spec)
                    busy[worker.pipe] = worker, spec, left
                    yield Started(spec=spec)
                for pipe in wait(list(busy)):
                    worker, spec, left = busy.pop(pipe)  # pyright: ignore[reportArgumentType]
                    result = worker.result()
                    if result is not None:
                        idle.append(worker)
                    event = retry_or_give_up(spec, result, left)
                    if isinstance(event, Retried):
                        waiting.append((spec, left - 1))
                    yield event
        finally:
            for worker in [*idle, *(worker for worker, _, _ in busy.values())]:
                worker.end()

    def __str__(self) -> str:
        return f"in {self.processes} processes of one thread"


@dataclass(frozen=True)
class _Worker:
    """A process that does one run after another, and the pipe to it."""

    process: SpawnProcess
    pipe: Connection

    @classmethod
    def begin(cls, task: Task) -> "_Worker":
        context = mp.get_context("spawn")  # a forked process would share torch's threads and CUDA's state
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, task, os.getpid()), daemon=True)
        process.start()
        theirs.close()  # else the pipe would stay open when the process dies
        return cls(process, ours)

    def give(self, spec: RunSpec) -> None:
        with contextlib.suppress(OSError):  # it died: its result will be None
            self.pipe.send(spec)

    def result(self) -> Finished | Failed | None:
        """What came of the run; None if the process died over it."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.end()
            return None

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def _work(pipe: Connection, task: Task, parent: int) -> None:
    """What a worker does until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interruption is the parent's to handle
    torch.set_num_threads(1)
    while os.getppid() == parent:
        try:
            pipe.send(attempt(pipe.recv(), task))
        except (EOFError, OSError):  # the parent is gone
            return
