"""Executors: many independent runs done in this process, in several of this machine, or on a Ray cluster.

What is done with a run is a function of its spec (`Task`); what comes of it is in the store, where the next start finds
it. `dbviz.executors.ray_cluster` is not imported here: Ray is an extra.
"""

from dbviz.executors.carry_out import carry_out
from dbviz.executors.events import Event, Executor, Failed, Finished, Retried, Started, Task
from dbviz.executors.pool import Pool
from dbviz.executors.serial import InProcess

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
    "carry_out",
]
