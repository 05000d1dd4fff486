"""Tasks in processes of this machine; the task of a worker that died is retried.

`concurrent.futures` gives up all its work when one of its processes is killed. Here each worker has a pipe of its own:
a pipe that closes tells which worker died, and which item it was working on.
"""

import contextlib
import multiprocessing as mp
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

import torch

from dbviz.core.errors import InputError
from dbviz.core.progress import shares_reported_to
from dbviz.core.threads import default_threads
from dbviz.executors.events import (
    Event,
    Failed,
    Finished,
    Item,
    Progressed,
    Retried,
    Started,
    Task,
    attempt,
    resolve_attempt,
)

__all__ = ["Pool"]

_SHARE_INTERVAL = 1.0
"""Seconds between two reports of how much of a task is done."""

T = TypeVar("T", bound=Item)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Executes tasks in `processes` processes of this machine.

    Raises:
        InputError: `processes` or `threads` is below 1.

    Example:
        >>> from dbviz.executors import run_tasks
        >>> print(Pool(processes=2, threads=1))
        in 2 processes of 1 thread
        >>> run_tasks({spec: 1.0}, task, Pool(processes=2))  # doctest: +SKIP
    """

    processes: int
    threads: int = field(default_factory=default_threads)
    """torch's threads in each process."""
    gpus: tuple[str, ...] = ()
    """The GPUs that the processes are spread over, as `CUDA_VISIBLE_DEVICES` names them: each process sees one of them.
    Empty leaves the processes what this one sees."""
    retries: int = 2
    """How often a task is retried whose worker died, or whose error may be temporary."""

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise InputError(f"{self.processes} processes: give at least 1 (--workers)")
        if self.threads < 1:
            raise InputError(f"{self.threads} threads: give at least 1 (--threads)")

    @property
    def concurrency(self) -> int:
        return self.processes

    def run(self, items: Sequence[T], task: Task[T]) -> Iterator[Event[T]]:
        waiting = deque((item, self.retries) for item in items)
        idle: list[_Worker] = []
        busy: dict[Connection, tuple[_Worker, T, int]] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < self.processes:
                    worker = idle.pop() if idle else self._start(task, [worker for worker, _, _ in busy.values()])
                    item, retries_left = waiting.popleft()
                    worker.send(item)
                    busy[worker.pipe] = worker, item, retries_left
                    yield Started(item=item)
                for pipe in wait(list(busy)):
                    worker, item, retries_left = busy[pipe]  # pyright: ignore[reportArgumentType]
                    result = worker.receive()
                    if isinstance(result, _Share):
                        yield Progressed(item=item, share=result.done)
                        continue
                    del busy[pipe]  # pyright: ignore[reportArgumentType]
                    if result is not None:
                        idle.extend(_still_usable(worker, result))
                    event = resolve_attempt(item, result, retries_left)
                    if isinstance(event, Retried):
                        waiting.append((item, retries_left - 1))
                    yield event
        finally:
            for worker in [*idle, *(worker for worker, _, _ in busy.values())]:
                worker.stop()

    def _start(self, task: Task[Any], others: Sequence["_Worker"]) -> "_Worker":
        """A new worker, on the GPU that the fewest `others` use."""
        used = [worker.gpu for worker in others]
        gpu = min(self.gpus, key=used.count) if self.gpus else None
        return _Worker.start(task, self.threads, gpu)

    def __str__(self) -> str:
        count = "1 process" if self.processes == 1 else f"{self.processes} processes"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        gpus = f" on {len(self.gpus)} GPU{'s' if len(self.gpus) > 1 else ''}" if self.gpus else ""
        return f"in {count} of {threads}{gpus}"


@dataclass(frozen=True)
class _Worker:
    """A process that executes one task after another, and the pipe to it."""

    process: SpawnProcess
    pipe: Connection
    gpu: str | None

    @classmethod
    def start(cls, task: Task[Any], threads: int, gpu: str | None) -> "_Worker":
        context = mp.get_context("spawn")  # a forked process would share torch's threads and CUDA's state
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, task, threads, os.getpid()), daemon=True)
        with _visible(gpu):
            process.start()
        theirs.close()  # else the pipe would stay open when the process dies
        return cls(process, ours, gpu)

    def send(self, item: Item) -> None:
        with contextlib.suppress(OSError):  # it died: `receive` will return None
            self.pipe.send(item)

    def receive(self) -> "Finished[Any] | Failed[Any] | _Share | None":
        """The result of the task, or the share of it that is done; None if the process died."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.stop()
            return None

    def stop(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


@dataclass(frozen=True)
class _Share:
    """How much of its task a worker has done."""

    done: float


def _still_usable(worker: _Worker, result: Finished[Any] | Failed[Any]) -> list[_Worker]:
    """The worker, unless a CUDA error has made it useless: then its process is ended, and a new one takes over."""
    if isinstance(result, Failed) and result.poisoned:
        worker.stop()
        return []
    return [worker]


@contextlib.contextmanager
def _visible(gpu: str | None) -> Iterator[None]:
    """Within the block processes start that see one GPU only; before CUDA is initialised, which reads this once."""
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        yield
    finally:
        if before is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = before
        elif gpu is not None:
            del os.environ["CUDA_VISIBLE_DEVICES"]


def _work(pipe: Connection, task: Task[Any], threads: int, parent: int) -> None:
    """The main loop of a worker, until its pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles an interruption
    torch.set_num_threads(threads)
    while os.getppid() == parent:
        try:
            item = pipe.recv()
            with shares_reported_to(_at_intervals(lambda share: pipe.send(_Share(share)))):
                result = attempt(item, task)
            pipe.send(result)
        except (EOFError, OSError):  # the parent is gone
            return


def _at_intervals(send: Callable[[float], None]) -> Callable[[float], None]:
    """`send`, called once in `_SHARE_INTERVAL` at most: a step may take a millisecond."""
    last = time.monotonic()

    def send_if_due(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= _SHARE_INTERVAL:
            last = time.monotonic()
            send(share)

    return send_if_due
