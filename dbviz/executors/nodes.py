"""What the nodes of a cluster must have in common with the machine that starts the tasks."""

import functools
import hashlib
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = ["Requirements", "requirements", "source_version"]

_PACKAGE = Path(__file__).parents[1]
_PATIENCE = 10.0
"""Seconds within which a file that another machine has written must appear in a shared directory."""


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """What a node is checked for before it works on its first task.

    Example:
        >>> Requirements(version=source_version()).unmet() is None
        True
    """

    version: str
    """Of dbviz; see `source_version`."""
    marker: Path | None = None
    """A file in the directory that all nodes must share."""

    def unmet(self, patience: float = _PATIENCE) -> str | None:
        """What this machine lacks, as one line with the remedy; None where nothing does.

        Args:
            patience: seconds to wait for the marker, since network file systems cache what is in a directory.
        """
        if source_version() != self.version:
            return (
                f"node {platform.node()} of the cluster has dbviz {source_version()}, and the command {self.version}: "
                "install the same version on every node"
            )
        if self.marker is not None and not _appears(self.marker, patience):
            return (
                f"node {platform.node()} of the cluster does not share {self.marker.parent} with the command: "
                "give a --home that every node sees under this path"
            )
        return None


@contextmanager
def requirements(shared: Path | None) -> Iterator[Requirements]:
    """What nodes must have within the block.

    Args:
        shared: the directory that they must share; a marker is in it meanwhile.

    Raises:
        OSError: the directory cannot be written to.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home, requirements(Path(home)) as required:
        ...     required.unmet() is None
        True
    """
    if shared is None:
        yield Requirements(version=source_version())
        return
    marker = shared.absolute() / f".cluster-{uuid.uuid4().hex}"
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    try:
        yield Requirements(version=source_version(), marker=marker)
    finally:
        marker.unlink(missing_ok=True)


@functools.cache
def source_version() -> str:
    """The version of dbviz with eight digits of a hash of its source files, which changes with every edit.

    Example:
        >>> len(source_version().split("+")[-1])
        8
    """
    sha = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        sha.update(str(path.relative_to(_PACKAGE)).encode())
        sha.update(path.read_bytes())
    return f"{_release()}+{sha.hexdigest()[:8]}"


def _release() -> str:
    try:
        return metadata.version("dbviz-repro")
    except metadata.PackageNotFoundError:
        return "unknown"


def _appears(marker: Path, patience: float) -> bool:
    """Whether the file is there, or within `patience` seconds."""
    limit = time.monotonic() + patience
    while not marker.exists():
        if time.monotonic() > limit:
            return False
        time.sleep(0.2)
    return True
