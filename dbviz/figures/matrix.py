"""A matrix of scores as a heat map with values and intervals (Somepalli et al. 2022, Fig. 4)."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from dbviz.scores import Estimate

__all__ = ["plot_matrix"]


def plot_matrix(
    matrix: dict[tuple[str, str], Estimate], archs: Sequence[str], *, ax: Axes | None = None, label: str = ""
) -> Axes:
    """Draws the matrix and returns its axes; cells without an estimate stay empty.

    Args:
        label: what the values are, beside the colour bar.
    """
    if ax is None:
        side = 1.9 + 0.72 * len(archs)
        _, ax = plt.subplots(figsize=(side + 0.6, side), layout="constrained")
    values = np.array([[matrix[a, b].value if (a, b) in matrix else np.nan for b in archs] for a in archs])
    image = ax.imshow(values, vmin=0, vmax=1, cmap="cividis")
    for row, one in enumerate(archs):
        for column, other in enumerate(archs):
            if (one, other) in matrix:
                value, _, interval = str(matrix[one, other]).partition(" ")
                colour = "white" if values[row, column] < 0.47 else "black"
                ax.text(column, row - 0.08, value, ha="center", va="center", color=colour, fontsize=9)
                ax.text(column, row + 0.24, interval, ha="center", va="center", color=colour, fontsize=6.5)
    ax.set_xticks(range(len(archs)), archs, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    ax.set_yticks(range(len(archs)), archs, fontsize=8)
    figure = ax.figure
    bar = figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return ax
