"""A matrix of scores as a heat map with values and intervals (Somepalli et al. 2022, Fig. 4)."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from dbviz.scores import Estimate

__all__ = ["plot_matrix"]


def plot_matrix(
    matrix: dict[tuple[str, str], Estimate],
    networks: Sequence[str],
    *,
    ax: Axes | None = None,
    label: str = "",
    same_seed: Mapping[tuple[str, str], Estimate] | None = None,
) -> Axes:
    """Draws the matrix and returns its axes; cells without an estimate stay empty.

    Args:
        matrix: from `dbviz.scores.reproducibility_matrix`.
        networks: names of its rows and columns, in their order.
        ax: axes to draw into; by default those of a new figure.
        label: the score, beside the colour bar.
        same_seed: from `dbviz.scores.same_seed_agreement`, printed as such in cells without an estimate.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> agreement = Estimate(value=0.8, low=0.7, high=0.9, items=500, runs=(5,))
        >>> ax = plot_matrix({("vit", "vit"): agreement}, ["vit"], label="reproducibility")
        >>> [text.get_text() for text in ax.texts]
        ['0.80', '[0.70, 0.90]']
        >>> plt.close(ax.figure)
    """
    if ax is None:
        side = 1.9 + 0.72 * len(networks)
        _, ax = plt.subplots(figsize=(side + 0.6, side), layout="constrained")
    values = np.array([[matrix[a, b].value if (a, b) in matrix else np.nan for b in networks] for a in networks])
    image = ax.imshow(values, vmin=0, vmax=1, cmap="cividis")
    for row, row_name in enumerate(networks):
        for column, column_name in enumerate(networks):
            if (row_name, column_name) in matrix:
                colour = "white" if values[row, column] < 0.47 else "black"
                _write_cell(ax, column, row, matrix[row_name, column_name], colour)
            elif same_seed and (row_name, column_name) in same_seed:
                _write_cell(ax, column, row, same_seed[row_name, column_name], "0.45", "same seed")
    ax.set_xticks(range(len(networks)), networks, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    ax.set_yticks(range(len(networks)), networks, fontsize=8)
    figure = ax.figure
    bar = figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return ax


def _write_cell(ax: Axes, column: int, row: int, estimate: Estimate, colour: str, mark: str = "") -> None:
    """Value and interval, and below them a mark or what the interval covers where that is not the runs."""
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
    ax.text(column, row - 0.08, estimate.value_text, fontsize=9, **style)
    ax.text(column, row + 0.24, estimate.interval_text, fontsize=6.5, **style)
    if mark or estimate.covers:
        ax.text(column, row + 0.41, mark or _COVERS.get(estimate.covers, estimate.covers), fontsize=5.5, **style)


_COVERS = {"not all of the runs' variation": "not all runs"}
"""Shorter marks, that fit into a cell."""
