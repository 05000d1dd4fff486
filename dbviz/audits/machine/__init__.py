"""Audit of a machine: is dbviz exact and repeatable here? How fast it is: `dbviz.benchmarks.machine`."""

from dbviz.audits.machine.architecture import CHECKS, ArchitectureChecks
from dbviz.audits.machine.findings import Check, Finding, Speed, Started
from dbviz.audits.machine.isolation import TimeLimitReached
from dbviz.audits.machine.networks import AuditedNetwork, Scale, network_width
from dbviz.audits.machine.parts import Event, Part, run_checks, run_part
from dbviz.audits.machine.plan import ALL, QUICK, expected_seconds, minutes_allowed, run_parts, unfinished_checks

__all__ = [
    "ALL",
    "CHECKS",
    "QUICK",
    "ArchitectureChecks",
    "AuditedNetwork",
    "Check",
    "Event",
    "Finding",
    "Part",
    "Scale",
    "Speed",
    "Started",
    "TimeLimitReached",
    "expected_seconds",
    "minutes_allowed",
    "network_width",
    "run_checks",
    "run_part",
    "run_parts",
    "unfinished_checks",
]
