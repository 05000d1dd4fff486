"""The runs of a sweep in this process, one behind the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbviz.spec import RunSpec
from dbviz.sweeps.events import Event, Started, attempt
from dbviz.sweeps.study import Study

__all__ = ["InProcess"]


@dataclass(frozen=True)
class InProcess:
    """Does the runs here, with the threads that torch has."""

    at_once = 1

    def run(self, specs: Sequence[RunSpec], study: Study) -> Iterator[Event]:
        for spec in specs:
            yield Started(spec=spec)
            yield attempt(spec, study)

    def __str__(self) -> str:
        return "in this process"
