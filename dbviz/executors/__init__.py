"""Executors: many independent tasks in this process, in several processes of this machine, or on a Ray cluster.

What is done is a function (`Task`) of an item: of the spec of a run, whose results are in the store, where the next
start finds them; or of a group of planes, whose label maps it returns. `dbviz.executors.ray_cluster` is not imported
here: Ray is an extra.
"""

from dbviz.executors.events import Event, Executor, Failed, Finished, Item, Progressed, Retried, Started, Task
from dbviz.executors.in_process import InProcess
from dbviz.executors.pool import Pool
from dbviz.executors.run_tasks import run_tasks

__all__ = [
    "Event",
    "Executor",
    "Failed",
    "Finished",
    "InProcess",
    "Item",
    "Pool",
    "Progressed",
    "Retried",
    "Started",
    "Task",
    "run_tasks",
]
