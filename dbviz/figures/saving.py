"""Figures to files: equal figures give equal bytes."""

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
    """Writes `figure` in the format of the path's ending, whole or not at all; returns the path.

    No date is written into it. Text stays text in pdf and svg.

    Raises:
        InputError: the ending is none of png, pdf and svg.
        OSError: the place cannot be written to.
    """
    path = Path(path)
    ending = path.suffix.removeprefix(".")
    if ending not in FORMATS:
        raise unknown_name("figure format", ending, FORMATS)
    dateless = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[ending]
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "dbviz", "svg.fonttype": "none", "pdf.fonttype": 42}):
        figure.savefig(buffer, format=ending, dpi=dpi, metadata=dateless)
    atomic_write(path, buffer.getvalue())
    return path
