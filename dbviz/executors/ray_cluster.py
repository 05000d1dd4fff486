"""Runs on a Ray cluster: one of this machine, or a running one whose nodes share the runs directory.

Ray schedules the runs, reserves a CPU and a fraction of a GPU for each, and reports when a worker or a node dies; what
a run is and when it is retried is as in the pool of local processes.
"""

import logging
import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dbviz.core.errors import InputError
from dbviz.executors.events import Event, Failed, Finished, Retried, Started, Task, attempt, resolve_attempt
from dbviz.spec import RunSpec

__all__ = ["RayCluster"]

_TIMEOUT = 10.0
"""Seconds within which a cluster's address must accept a connection."""


@dataclass(frozen=True, kw_only=True)
class RayCluster:
    """Executes runs as Ray tasks of one CPU and one thread each.

    Raises:
        InputError: `gpus_per_run` is negative, or above 1 and not a whole number.

    Example:
        >>> print(RayCluster(address="auto", gpus_per_run=0.25))
        by Ray on the cluster at auto
        >>> run_tasks({spec: 1.0}, task, RayCluster())  # doctest: +SKIP
    """

    address: str | None = None
    """`auto` or HOST:PORT of a running cluster; None starts one on this machine and stops it at the end."""
    gpus_per_run: float = 0.0
    """The fraction of a GPU that is reserved for each run, so that several runs share one; or whole GPUs."""
    retries: int = 2
    """How often a run is retried whose worker died, or whose error may be temporary."""

    def __post_init__(self) -> None:
        whole = float(self.gpus_per_run).is_integer()
        if self.gpus_per_run < 0 or (self.gpus_per_run > 1 and not whole):
            raise InputError(f"gpus per run are {self.gpus_per_run:g}: give a fraction such as 0.25, or a whole number")

    @property
    def concurrency(self) -> int:
        return os.cpu_count() or 1

    def run(self, specs: Sequence[RunSpec], task: Task) -> Iterator[Event]:
        ray = _connected(self.address)
        try:
            yield from self._run(ray, specs, task)
        finally:
            ray.shutdown()

    def _run(self, ray: Any, specs: Sequence[RunSpec], task: Task) -> Iterator[Event]:
        remote = ray.remote(num_cpus=1, num_gpus=self.gpus_per_run, max_retries=0)(_with_one_thread)
        shared = ray.put(task)
        waiting = deque((spec, self.retries) for spec in specs)
        running: dict[Any, tuple[RunSpec, int]] = {}
        while waiting or running:
            while waiting and len(running) < self._slots(ray):
                spec, retries_left = waiting.popleft()
                running[remote.remote(spec, shared)] = spec, retries_left
                yield Started(spec=spec)
            for done in ray.wait(list(running), timeout=5)[0]:
                spec, retries_left = running.pop(done)
                event = resolve_attempt(spec, _result(ray, done), retries_left)
                if isinstance(event, Retried):
                    waiting.append((spec, retries_left - 1))
                yield event

    def _slots(self, ray: Any) -> int:
        """The number of runs that fit into the cluster's current resources at the same time.

        Raises:
            InputError: GPUs are requested, but the cluster has none.
        """
        resources = ray.cluster_resources()
        slots = int(resources.get("CPU", 0))
        if self.gpus_per_run:
            if not resources.get("GPU"):
                raise InputError("--gpus-per-run needs GPUs, but the cluster has none: leave it out")
            slots = min(slots, int(resources["GPU"] / self.gpus_per_run))
        return max(1, slots)

    def __str__(self) -> str:
        where = f"the cluster at {self.address}" if self.address else "this machine"
        return f"by Ray on {where}"


def _with_one_thread(spec: RunSpec, task: Task) -> Finished | Failed:
    torch.set_num_threads(1)
    return attempt(spec, task)


def _result(ray: Any, done: Any) -> Finished | Failed | None:
    """The result of a Ray task; None if its worker or node was lost."""
    try:
        return ray.get(done)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError):
        return None


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
