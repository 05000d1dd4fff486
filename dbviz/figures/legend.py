"""What the colours and the markers of region panels mean, below the panels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

__all__ = ["ANCHOR_STYLE", "MARKERS", "draw_legend", "legend_rows"]

MARKERS = "o^s"
"""One shape for each image of the triplet, on the panels as beside its thumbnail."""
ANCHOR_STYLE: dict[str, Any] = {
    "markersize": 5.5,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "markeredgewidth": 0.9,
}
_ENTRY = 1.15
"""Inches that the name of a class takes with its patch."""


def draw_legend(
    figure: Figure,
    class_names: Sequence[str],
    colours: Float64[np.ndarray, "classes 3"],
    shown: Sequence[int],
    *,
    markers: bool = True,
) -> None:
    """A patch for each class of `shown`; with `markers` also which shape stands for which image of the triplet.

    There are as many columns as the figure is wide.
    """
    handles: list[Any] = [Patch(color=colours[label], label=class_names[label]) for label in shown]
    for image, marker in enumerate(MARKERS if markers else "", start=1):
        handles.append(Line2D([], [], linestyle="", marker=marker, label=f"image {image}", **ANCHOR_STYLE))
    columns = -(-len(handles) // legend_rows(figure.get_figwidth(), len(handles)))
    style: dict[str, Any] = {"fontsize": 7, "frameon": False, "handlelength": 1}
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, **style)


def legend_rows(width: float, entries: int) -> int:
    """How many rows so many entries take below a figure of `width` inches."""
    return -(-entries // max(1, int(width / _ENTRY)))
