"""Foundations without networks: errors, random streams, files, environment, progress bars, terminal output.

`digests`, `files`, `seeding` and `progress` are not re-exported here: they import torch or rich.
"""

from dbviz.core.environment import environment
from dbviz.core.errors import DeviceOutOfMemory, InputError, NotFiniteError, RunsFailed, TrainingDiverged, unknown_name
from dbviz.core.streams import numpy_stream, stream_key, torch_seeded, torch_stream

__all__ = [
    "DeviceOutOfMemory",
    "InputError",
    "NotFiniteError",
    "RunsFailed",
    "TrainingDiverged",
    "environment",
    "numpy_stream",
    "stream_key",
    "torch_seeded",
    "torch_stream",
    "unknown_name",
]
