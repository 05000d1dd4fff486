"""python -m dbviz.audit: from which source of randomness the spread of runs comes."""

import sys
from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any

import tyro

from dbviz.audit_sources import SourcesOptions, audit_sources
from dbviz.console import run_command

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    named: list[Any] = [Annotated[made, tyro.conf.subcommand(name)] for name, (made, _) in _AUDITS.items()]
    if len(named) == 1 and given[:1] == list(_AUDITS):  # a union of one has no subcommands
        given = given[1:]
    return run_command("python -m dbviz.audit", reduce(or_, named), _audit, given)


def _audit(options: Any) -> None:
    (run,) = (run for made, run in _AUDITS.values() if made is type(options))
    run(options)


_AUDITS: dict[str, tuple[type[Any], Callable[[Any], Any]]] = {
    "sources": (SourcesOptions, audit_sources),
}
"""Every audit by name: its options and what does it."""


if __name__ == "__main__":
    sys.exit(main())
