"""Results as JSON: a number printed is a number stored, with command, environment and date beside it."""

import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dbviz.core.environment import environment
from dbviz.core.files import atomic_write

__all__ = ["write_result"]


def write_result(path: Path, result: dict[str, Any], *, device: Any = None) -> Path:
    """Writes `result` whole or not at all, with how, when and with what it was found; returns the path.

    Raises:
        OSError: the place cannot be written to.
    """
    found = {
        "command": shlex.join(["python", *_program(), *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **result,
        "environment": environment(device),
    }
    atomic_write(path, (json.dumps(found, indent=2) + "\n").encode())
    return path


def _program() -> list[str]:
    """`-m dbviz.NAME` for the package's own commands, `-m dbviz` for all of them together, else the script."""
    script = Path(sys.argv[0])
    if script.name == "dbviz" or script == Path(__file__).parents[1] / "__main__.py":
        return ["-m", "dbviz"]
    return ["-m", f"dbviz.{script.stem}"] if script.parent == Path(__file__).parents[1] else [str(script)]
