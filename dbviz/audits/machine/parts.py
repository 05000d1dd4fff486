"""Parts of an audit: named checks that share a process, and go on in a new one if that dies."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from dbviz.audits.machine.findings import Check, Finding, Started
from dbviz.audits.machine.isolation import ProcessEnded, isolated

__all__ = ["Event", "Part", "run_checks", "run_part"]

Event = Started | Check


@runtime_checkable
class Part(Protocol):
    """Checks that need the same things; it is pickled for its process."""

    @property
    def name(self) -> str: ...
    @property
    def checks(self) -> tuple[str, ...]:
        """Their names, in order."""
        ...

    @property
    def time_share(self) -> float:
        """The share of the audit's time that they may take; what is not done by then failed."""
        ...

    def run(self, checks: Sequence[str]) -> Iterator[Event]:
        """Does some of the checks in this process."""
        ...

    def clean(self) -> None:
        """Deletes the files that its checks have left."""
        ...


def run_checks(checks: Mapping[str, Callable[[], Finding]]) -> Iterator[Event]:
    """Does named checks one after the other; what one raises makes it a failed one.

    After an error of CUDA, which would make every later operation of this process fail, no more are done.

    Example:
        >>> [event.name for event in run_checks({"sums": lambda: Finding(passed=1 + 1 == 2, detail="1 + 1")})]
        ['sums', 'sums']
    """
    for name, check in checks.items():
        yield Started(name=name)
        began, error = time.monotonic(), None
        try:
            finding = check()
        except Exception as raised:
            error, finding = raised, Finding(passed=False, detail=_reason(raised))
        yield Check(name=name, seconds=time.monotonic() - began, **vars(finding))
        if error is not None and _is_cuda_error(error):
            return


def run_part(part: Part, checks: Sequence[str], *, seconds: float) -> Iterator[Event]:
    """Does the checks of a part in a process of its own, and in a new one after one that ended it.

    Args:
        seconds: the limit for all of them.

    Raises:
        TimeLimitReached: it is over; the check that was started last is not done, and those after it neither.
    """
    left, deadline = list(checks), time.monotonic() + seconds
    while left:
        current, began = left[0], time.monotonic()
        try:
            for event in isolated(part.run, tuple(left), seconds=deadline - time.monotonic()):
                current, began = event.name, time.monotonic()
                if isinstance(event, Check):
                    left.remove(event.name)
                yield event
            if current in left:
                raise ProcessEnded("it was not done")
        except ProcessEnded as error:
            if current in left:
                left.remove(current)
                yield Check(name=current, passed=False, detail=str(error), seconds=time.monotonic() - began)


def _reason(error: Exception) -> str:
    """The error in one line; of the many lines of a CUDA error the first, which is its message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join([type(error).__name__, *lines[:1]])


def _is_cuda_error(error: Exception) -> bool:
    return "CUDA error" in str(error) or type(error).__name__ == "AcceleratorError"
