"""python -m dbviz.audit: from which source of randomness the spread of runs comes."""

import sys
from collections.abc import Sequence

from dbviz.audit_sources import SourcesOptions, audit_sources
from dbviz.console import run_command

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    # the one audit there is; tyro makes subcommands of two or more
    return run_command("python -m dbviz.audit", SourcesOptions, audit_sources, given[given[:1] == ["sources"] :])


if __name__ == "__main__":
    sys.exit(main())
