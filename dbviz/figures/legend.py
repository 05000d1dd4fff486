"""The legend of region panels, below them: the classes' colours and the images' markers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

__all__ = ["ANCHOR_STYLE", "MARKERS", "draw_legend", "legend_rows"]

MARKERS = "o^s"
"""One marker for each image of the triplet, on the panels and on its thumbnail."""
ANCHOR_STYLE: dict[str, Any] = {
    "markersize": 5.5,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "markeredgewidth": 0.9,
}
_ENTRY = 1.15
"""Width in inches of the name of a class with its patch."""


def draw_legend(
    figure: Figure,
    class_names: Sequence[str],
    colours: Float64[np.ndarray, "classes 3"],
    shown: Sequence[int],
    *,
    markers: bool = True,
) -> None:
    """Draws a legend with a patch for each class of `shown` and, with `markers`, the marker of each image.

    The number of columns follows from the width of the figure.

    Args:
        class_names: of all classes.
        colours: of all classes, from `class_colours`.
        shown: the classes in the legend.
        markers: whether the markers of the three images are explained too.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from dbviz.figures import class_colours
        >>> figure = plt.figure(layout="constrained")
        >>> draw_legend(figure, ["ant", "bee", "cat"], class_colours(3), [0, 2])
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['ant', 'cat', 'image 1', 'image 2', 'image 3']
        >>> plt.close(figure)
    """
    handles: list[Any] = [Patch(color=colours[label], label=class_names[label]) for label in shown]
    for image, marker in enumerate(MARKERS if markers else "", start=1):
        handles.append(Line2D([], [], linestyle="", marker=marker, label=f"image {image}", **ANCHOR_STYLE))
    columns = -(-len(handles) // legend_rows(figure.get_figwidth(), len(handles)))
    style: dict[str, Any] = {"fontsize": 7, "frameon": False, "handlelength": 1}
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, **style)


def legend_rows(width: float, entries: int) -> int:
    """The number of rows of a legend with `entries` entries below a figure of `width` inches."""
    return -(-entries // max(1, int(width / _ENTRY)))
