"""Foundations that know nothing of networks: errors, random streams, files, environment, progress, terminal output.

`digests`, `files`, `seeding` and `progress` are not imported here, since they need torch or rich.
"""

from dbviz.core.environment import environment
from dbviz.core.errors import InputError, NotFiniteError, RunsFailed, TrainingDiverged, unknown_name
from dbviz.core.streams import numpy_stream, stream_key, torch_seeded, torch_stream

__all__ = [
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
