"""Runs on a Ray cluster: one of this machine, or a running one whose nodes share the runs directory.

Ray places the runs, books a CPU and a part of a GPU for each, and tells when a worker or a node dies; what a run is and
when it is done again is as in the pool of local processes.
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
from dbviz.executors.events import Event, Failed, Finished, Retried, Started, Task, attempt, retry_or_give_up
from dbviz.spec import RunSpec

__all__ = ["RayCluster"]

_PATIENCE = 10.0
"""Seconds in which a cluster's address must answer."""


@dataclass(frozen=True, kw_only=True)
class RayCluster:
    """Does the runs as Ray tasks of one CPU and one thread each."""

    address: str | None = None
    """`auto` or HOST:PORT of a running cluster; None starts one on this machine, and stops it at the end."""
    gpus_per_run: float = 0.0
    """The part of a GPU that is booked for each run; several runs share one then."""
    retries: int = 2
    """How often a run is done again whose worker died, or that failed in a way that may pass."""

    def __post_init__(self) -> None:
        whole = float(self.gpus_per_run).is_integer()
        if self.gpus_per_run < 0 or (self.gpus_per_run > 1 and not whole):
            raise InputError(f"gpus per run are {self.gpus_per_run:g}: give a part of one, such as 0.25, or whole ones")

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
            while waiting and len(running) < self._places(ray):
                spec, left = waiting.popleft()
                running[remote.remote(spec, shared)] = spec, left
                yield Started(spec=spec)
            for done in ray.wait(list(running), timeout=5)[0]:
                spec, left = running.pop(done)
                event = retry_or_give_up(spec, _result(ray, done), left)
                if isinstance(event, Retried):
                    waiting.append((spec, left - 1))
                yield event

    def _places(self, ray: Any) -> int:
        """How many runs the cluster, as large as it is now, can do at once.

        Raises:
            InputError: it has no GPU to book a part of.
        """
        there = ray.cluster_resources()
        places = int(there.get("CPU", 0))
        if self.gpus_per_run:
            if not there.get("GPU"):
                raise InputError("--gpus-per-run asks for GPUs, but the cluster has none: leave it out")
            places = min(places, int(there["GPU"] / self.gpus_per_run))
        return max(1, places)

    def __str__(self) -> str:
        where = f"the cluster at {self.address}" if self.address else "this machine"
        return f"by Ray on {where}"


def _with_one_thread(spec: RunSpec, task: Task) -> Finished | Failed:
    torch.set_num_threads(1)
    return attempt(spec, task)


def _result(ray: Any, done: Any) -> Finished | Failed | None:
    """What came of a task; None if its worker or node was lost."""
    try:
        return ray.get(done)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError):
        return None


def _connected(address: str | None) -> Any:
    """Ray, connected.

    Raises:
        InputError: it is not installed, or the cluster cannot be reached.
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
    """Ray itself tries for a minute; a closed port is known at once."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not address or address == "auto":
        return
    if not (colon and host and port.isdecimal()):
        raise InputError(f"Ray address {address!r}: give auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except OSError as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str | None, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200]
    return InputError(
        f"no Ray cluster can be reached at {address or 'this machine'} ({reason}): start one there with "
        "`ray start --head`, or leave --address out"
    )
