"""Tasks on a Ray cluster: one of this machine, or a running one whose nodes share the directory of the runs.

Ray schedules the tasks, reserves CPUs and a share of a GPU for each, and reports when a worker or a node dies; what
a task is and when it is retried is as in the pool of local processes.
"""

import logging
import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dbviz.core.errors import InputError
from dbviz.core.threads import cores, default_threads, using_threads
from dbviz.executors.events import Event, Failed, Finished, Item, Retried, Started, Task, attempt, resolve_attempt
from dbviz.executors.nodes import Requirements, requirements

__all__ = ["RayCluster"]

T = TypeVar("T", bound=Item)

_TIMEOUT = 10.0
"""Seconds within which a cluster's address must accept a connection."""


@dataclass(frozen=True, kw_only=True)
class RayCluster:
    """Executes tasks as Ray tasks, each of as many CPUs as it has threads.

    Raises:
        InputError: `gpus_per_run` is negative, or above 1 and not a whole number; or `threads` is below 1.

    Example:
        >>> print(RayCluster(address="auto", gpus_per_run=0.25, threads=2))
        by Ray on the cluster at auto, 2 threads and 0.25 GPUs each
        >>> run_tasks({spec: 1.0}, task, RayCluster())  # doctest: +SKIP
    """

    address: str | None = None
    """`auto` or HOST:PORT of a running cluster; None starts one on this machine and stops it at the end."""
    gpus_per_run: float = 0.0
    """The share of a GPU that is reserved for each task, so that several share one; or whole GPUs. With 0 Ray hides
    all GPUs from it."""
    threads: int = field(default_factory=default_threads)
    """torch's threads for each task, the same on every node, since they decide the bits."""
    shared: Path | None = None
    """The directory that all nodes must share; None checks nothing."""
    retries: int = 2
    """How often a task is retried whose worker died, or whose error may be temporary."""

    def __post_init__(self) -> None:
        whole = float(self.gpus_per_run).is_integer()
        if self.gpus_per_run < 0 or (self.gpus_per_run > 1 and not whole):
            raise InputError(f"gpus per run are {self.gpus_per_run:g}: give a fraction such as 0.25, or a whole number")
        if self.threads < 1:
            raise InputError(f"{self.threads} threads: give at least 1 (--threads)")

    @property
    def concurrency(self) -> int:
        return max(1, cores() // self.threads)

    def run(self, items: Sequence[T], task: Task[T]) -> Iterator[Event[T]]:
        ray = _connected(self.address)
        try:
            with requirements(self.shared) as required:
                yield from self._run(ray, items, task, required)
        finally:
            ray.shutdown()

    def _run(self, ray: Any, items: Sequence[T], task: Task[T], required: Requirements) -> Iterator[Event[T]]:
        remote = ray.remote(**self._resources())(_attempt_on_node)
        shared = ray.put(task)
        waiting = deque((item, self.retries) for item in items)
        running: dict[Any, tuple[T, int]] = {}
        while waiting or running:
            while waiting and len(running) < self._slots(ray):
                item, retries_left = waiting.popleft()
                running[remote.remote(item, shared, self.threads, required)] = item, retries_left
                yield Started(item=item)
            for done in ray.wait(list(running), timeout=5)[0]:
                item, retries_left = running.pop(done)
                event = resolve_attempt(item, _result(ray, done), retries_left)
                if isinstance(event, Retried):
                    waiting.append((item, retries_left - 1))
                yield event

    def _resources(self) -> dict[str, Any]:
        """What Ray reserves for a task. A worker that used a GPU ends after it, since a CUDA error would outlast it."""
        options = {"num_cpus": self.threads, "num_gpus": self.gpus_per_run, "max_retries": 0}
        return options | ({"max_calls": 1} if self.gpus_per_run else {})

    def _slots(self, ray: Any) -> int:
        """The number of tasks that fit into the cluster's nodes at the same time.

        Raises:
            InputError: no node has as many CPUs or GPUs as a task needs.
        """
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if self.gpus_per_run and not any(node.get("GPU") for node in nodes):
            raise InputError("--gpus-per-run needs GPUs, but the cluster has none: leave it out")
        slots = sum(self._fitting(node) for node in nodes)
        if not slots:
            gpus = f" and {self.gpus_per_run:g} GPUs" if self.gpus_per_run else ""
            raise InputError(
                f"no node of the cluster has the {self.threads} CPUs{gpus} of a run: lower --threads or --gpus-per-run"
            )
        return slots

    def _fitting(self, node: dict[str, float]) -> int:
        """The number of tasks that fit into a node."""
        by_cpu = int(node.get("CPU", 0) / self.threads)
        return min(by_cpu, int(node.get("GPU", 0) / self.gpus_per_run)) if self.gpus_per_run else by_cpu

    def __str__(self) -> str:
        where = f"the cluster at {self.address}" if self.address else "this machine"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        gpus = f" and {self.gpus_per_run:g} GPU{'' if self.gpus_per_run == 1 else 's'}" if self.gpus_per_run else ""
        return f"by Ray on {where}, {threads}{gpus} each"


def _attempt_on_node(
    item: T, task: Task[T], threads: int, required: Requirements
) -> Finished[T] | Failed[T] | InputError:
    """The task's result; an error that concerns the whole cluster if this node lacks what is required."""
    if unmet := required.unmet():
        return InputError(unmet)
    with using_threads(threads):
        return attempt(item, task)


def _result(ray: Any, done: Any) -> Finished[Any] | Failed[Any] | None:
    """The result of a Ray task; None if its worker or node was lost.

    Raises:
        InputError: the node lacks what is required, or cannot load dbviz.
    """
    errors = ray.exceptions
    try:
        result = ray.get(done)
    except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError):
        return None
    except errors.RayTaskError as error:  # raised outside of `attempt`: when the node unpickled the function
        reason = " ".join(str(error.cause).split())[:200]
        raise InputError(
            f"a node of the cluster cannot run this dbviz ({reason}): install the same version on every node"
        ) from None
    if isinstance(result, InputError):
        raise result
    return result


def _connected(address: str | None) -> Any:
    """The module `ray`, connected to a cluster.

    Raises:
        InputError: Ray is not installed, or the cluster cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise InputError("--executor ray needs Ray: pip install 'dbviz-repro[ray]'") from None
    _check_reachable(address)
    options: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, TimeoutError) as error:
        raise _unreachable(address, error) from None
    return ray


def _check_reachable(address: str | None) -> None:
    """Fails at once where a port is closed; Ray itself would try for a minute."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not address or address == "auto":
        return
    if not (colon and host and port.isdecimal()):
        raise InputError(f"Ray address {address!r}: give auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_TIMEOUT).close()
    except OSError as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str | None, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200]
    return InputError(
        f"no Ray cluster can be reached at {address or 'this machine'} ({reason}): start one there with "
        "`ray start --head`, or leave --address out"
    )
