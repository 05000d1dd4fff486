"""What an audit of a machine does in which order, and within which time."""

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

import torch

from dbviz.audits.machine.findings import Check
from dbviz.audits.machine.isolation import TimeLimitReached
from dbviz.audits.machine.parts import Event, Part, run_part

__all__ = ["ALL", "QUICK", "expected_seconds", "minutes_allowed", "run_parts", "unfinished_checks"]

ALL = (
    *("fcnet", "mlp", "random_features", "resnet18", "vit", "vgg19", "resnet18k", "mlp_mixer"),
    *("wideresnet28_10", "wideresnet28_20", "wideresnet28_30", "densenet121"),
)
"""Every architecture, the slow ones last: if time runs out, most of them are done."""
QUICK = ("fcnet", "resnet18", "vit")
"""The architectures of a quick audit."""
_MINUTES = {("cuda", False): 8.0, ("cuda", True): 2.0, ("cpu", False): 15.0, ("cpu", True): 5.0}
_LEAST_SECONDS = 5.0
"""A process needs as long to start: no part is started with less time left."""
_SECONDS = {"fcnet": 9.0, "mlp": 7.0, "random_features": 7.0, "resnet18": 29.0, "resnet18k": 32.0, "vgg19": 23.0}
"""Seconds of one thread of an AMD EPYC (CPU time, 21 November 2026), and 6 s to start two processes."""
_OTHERS = 60.0
"""A guess for the architectures that were not measured alone, and for the speeds."""


def minutes_allowed(device: torch.device, *, quick: bool) -> float:
    """How long an audit may take by default, in minutes.

    Example:
        >>> minutes_allowed(torch.device("cpu"), quick=True)
        5.0
    """
    return _MINUTES[device.type, quick]


def expected_seconds(part: Part, checks: Collection[str]) -> float:
    """Roughly how long some checks of a part take on two cores."""
    return _SECONDS.get(part.name, _OTHERS) * len(checks) / len(part.checks)


def unfinished_checks(part: Part, done: Mapping[str, Sequence[Check]]) -> list[str]:
    """The checks of a part that are missing from what is `done`, or failed there."""
    passed = {check.name for check in done.get(part.name, ()) if check.passed}
    return [name for name in part.checks if name not in passed]


def run_parts(
    parts: Sequence[Part], done: Mapping[str, Sequence[Check]], *, seconds: float
) -> Iterator[tuple[Part, Event]]:
    """Does what is missing or failed of the parts, one part after the other, and yields what happens.

    Args:
        done: the results of earlier audits, by the name of their part.
        seconds: the limit for all. A part that takes more than its share of it is stopped, and its check that was not
            done by then failed.

    Raises:
        TimeLimitReached: the limit for all is over; what was not yielded is not done.
    """
    deadline = time.monotonic() + seconds
    for part in parts:
        names, current = unfinished_checks(part, done), ""
        if not names:
            continue
        left = deadline - time.monotonic()
        if left < _LEAST_SECONDS:
            raise TimeLimitReached
        allowed = part.time_share * seconds
        try:
            for event in run_part(part, names, seconds=min(left, allowed)):
                current = event.name
                yield part, event
        except TimeLimitReached:
            if left <= allowed:
                raise
            detail = f"not done when {part.name} had taken {allowed:.0f} s{_load()}"
            yield part, Check(name=current or names[0], passed=False, detail=detail, seconds=allowed)
        finally:
            part.clean()


def _load() -> str:
    """The end of a sentence that says that the machine is busy, if it is."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f"; the machine is busy (load {load:.1f} on {cores} cores)" if load > cores + 1 else ""
