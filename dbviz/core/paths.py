"""File names, and directories to write to."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from dbviz.core.errors import InputError

__all__ = ["file_name", "output_directory"]


def file_name(parts: Sequence[str]) -> str:
    """The parts joined by dashes, with characters that a file system may not allow replaced by an underscore.

    Example:
        >>> file_name(["cifar10", "timm:resnet18", "30"])
        'cifar10-timm_resnet18-30'
    """
    return "-".join(re.sub(r"[^\w+.]", "_", part) for part in parts)


def output_directory(path: Path) -> Path:
    """`path`, created if it is absent, after a test that it can be written to: better now than after hours of work.

    Raises:
        InputError: it cannot be created or written to.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     output_directory(Path(folder, "figures")).is_dir()
        True
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".dbviz-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"cannot write to {path} ({error.strerror}): choose another place with --out or --home"
        ) from None
    return path
