"""Executors: many independent runs in this process, in several processes of this machine, or on a Ray cluster.

What is done with a run is a function of its spec (`Task`); its results are in the store, where the next start finds
them. `dbviz.executors.ray_cluster` is not imported here: Ray is an extra.
"""

from dbviz.executors.events import Event, Executor, Failed, Finished, Retried, Started, Task
from dbviz.executors.in_process import InProcess
from dbviz.executors.pool import Pool
from dbviz.executors.run_tasks import run_tasks

__all__ = [
    "Event",
    "Executor",
    "Failed",
    "Finished",
    "InProcess",
    "Pool",
    "Retried",
    "Started",
    "Task",
    "run_tasks",
]
