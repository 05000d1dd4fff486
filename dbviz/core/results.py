"""Results as JSON files: every number that is printed is stored, with its command, environment and date."""

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
    """Writes `result` atomically, with the command, the date and the environment that it was computed in.

    Args:
        result: JSON values by name.
        device: the torch device that it was computed on.

    Returns:
        `path`.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_result(Path(folder, "a.json"), {"agreement": 0.83})
        ...     list(json.loads(path.read_text()))
        ['command', 'date', 'agreement', 'environment']
    """
    record = {
        "command": shlex.join(["python", *_program(), *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **result,
        "environment": environment(device),
    }
    atomic_write(path, (json.dumps(record, indent=2) + "\n").encode())
    return path


def _program() -> list[str]:
    """`-m dbviz.NAME` for the package's own commands, `-m dbviz` for all of them together, else the script."""
    script = Path(sys.argv[0])
    if script.name == "dbviz" or script == Path(__file__).parents[1] / "__main__.py":
        return ["-m", "dbviz"]
    return ["-m", f"dbviz.{script.stem}"] if script.parent == Path(__file__).parents[1] else [str(script)]
