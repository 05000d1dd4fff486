"""Figures as files: equal figures are equal bytes."""

import io
import os
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from dbviz.core.errors import unknown_name
from dbviz.core.files import atomic_write

__all__ = ["FORMATS", "save_figure"]

FORMATS = ("png", "pdf", "svg")


def save_figure(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 200) -> Path:
    """Writes `figure` atomically in the format of the path's suffix; returns the path.

    The file has no date in it. Text stays text in pdf and svg.

    Args:
        dpi: pixels per inch of a png, and of images within pdf and svg.

    Raises:
        InputError: the suffix is none of png, pdf and svg.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> import matplotlib.pyplot as plt
        >>> figure = plt.figure(figsize=(1, 1))
        >>> save_figure(figure, Path(tempfile.mkdtemp()) / "empty.png").name
        'empty.png'
        >>> plt.close(figure)
    """
    path = Path(path)
    file_format = path.suffix.removeprefix(".")
    if file_format not in FORMATS:
        raise unknown_name("figure format", file_format, FORMATS)
    dateless = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[file_format]
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "dbviz", "svg.fonttype": "none", "pdf.fonttype": 42}):
        figure.savefig(buffer, format=file_format, dpi=dpi, metadata=dateless)
    atomic_write(path, buffer.getvalue())
    return path
