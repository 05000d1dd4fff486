"""Names of files and places to write to."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from dbviz.core.errors import InputError

__all__ = ["file_name", "output_directory"]


def file_name(parts: Sequence[str]) -> str:
    """The parts joined by dashes, with an underscore for whatever a file system might not take.

    Example:
        >>> file_name(["cifar10", "timm:resnet18", "30"])
        'cifar10-timm_resnet18-30'
    """
    return "-".join(re.sub(r"[^\w+.]", "_", part) for part in parts)


def output_directory(path: Path) -> Path:
    """`path`, made if it is absent, and tried: a place that cannot be written to is found before hours of work.

    Raises:
        InputError: it cannot be made or written to.
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
