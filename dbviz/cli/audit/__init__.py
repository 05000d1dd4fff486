"""The command `audit`: is a training the same twice; do definitions begin alike; where does the spread come from;
is the machine right."""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any

import tyro

from dbviz.cli.audit.determinism import DeterminismOptions, audit_determinism
from dbviz.cli.audit.init import InitOptions, audit_init
from dbviz.cli.audit.machine import MachineAuditOptions, audit_machine
from dbviz.cli.audit.sources import SourcesOptions, audit_sources
from dbviz.cli.console import run_command

__all__ = ["main"]

_AUDITS: dict[str, tuple[type[Any], Callable[[Any], int | None]]] = {
    "determinism": (DeterminismOptions, audit_determinism),
    "init": (InitOptions, audit_init),
    "machine": (MachineAuditOptions, audit_machine),
    "sources": (SourcesOptions, audit_sources),
}
"""Every audit by name: its options, and the function that does it and returns an exit status or None."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    subcommands: list[Any] = [Annotated[kind, tyro.conf.subcommand(name)] for name, (kind, _) in _AUDITS.items()]
    return run_command("python -m dbviz.audit", reduce(or_, subcommands), _audit, argv)


def _audit(options: Any) -> int | None:
    (audit,) = (audit for kind, audit in _AUDITS.values() if kind is type(options))
    return audit(options)
