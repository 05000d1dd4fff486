"""The cells of a factorial design over sources of randomness: one row a cell, one panel a score."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dbviz.scores import Estimate

__all__ = ["plot_cells"]

_LABELS = {"sd of test accuracy, %": "sd of test\naccuracy, %", "fragments of a plane": "fragments\nof a plane"}


def plot_cells(
    scores: Mapping[str, Mapping[str, Estimate]],
    *,
    missing: Mapping[str, str] | None = None,
    title: str = "",
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Every cell's scores with their intervals, one panel a score.

    The band is the interval of the cell in which most sources vary. Cells of several sources, of one, and those that
    are not part of the largest differ in marker and colour.

    Args:
        scores: by the name of the score and the name of the cell, such as `init + order`; all scores have the same
            cells.
        missing: cells that were not measured, each with the reason.
        figsize: width and height in inches; by default as large as the panels need.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> churn = {"init": 0.40, "order": 0.41, "init + order": 0.43}
        >>> common = {"items": 500, "runs": (5,)}
        >>> estimates = {cell: Estimate(value=v, low=v - 0.02, high=v + 0.02, **common) for cell, v in churn.items()}
        >>> figure = plot_cells({"churn": estimates})
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['init', 'order', 'init + order']
        >>> plt.close(figure)
    """
    cells, missing = list(next(iter(scores.values()))), missing or {}
    rows, full = [*cells, *missing], _largest(cells)
    size = figsize or (1.9 + 1.6 * len(scores), 0.9 + 0.3 * len(rows))
    figure, panels = plt.subplots(1, len(scores), sharey=True, squeeze=False, figsize=size, layout="constrained")
    for panel, (score, estimates) in zip(panels[0], scores.items(), strict=True):
        panel.axvspan(estimates[full].low, estimates[full].high, color="0.9", zorder=0)
        for row, cell in enumerate(cells):
            _draw(panel, row, estimates[cell], _style(cell, full))
        panel.set_xlabel(_LABELS.get(score, score), fontsize=8)
        panel.tick_params(labelsize=7)
        panel.grid(axis="x", alpha=0.3)
    for row, reason in enumerate(missing.values(), len(cells)):
        layout = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 6}
        panels[0, 0].annotate(f"not measured:\n{reason}", (0.03, row), **layout)
    panels[0, 0].set_yticks(range(len(rows)), rows, fontsize=8)
    panels[0, 0].set_ylim(len(rows) - 0.5, -0.5)
    panels[0, 0].set_ylabel("varied source", fontsize=8)
    figure.suptitle(title, fontsize=9)
    return figure


def _largest(cells: list[str]) -> str:
    return max(cells, key=lambda cell: cell.count("+"))


def _style(cell: str, full: str) -> tuple[str, Any]:
    """Marker and colour."""
    colours = mpl.color_sequences["petroff10"]
    part = set(cell.split(" + ")) <= set(full.split(" + "))
    if not part:
        return "D", colours[1]
    return ("o", colours[0]) if "+" not in cell else ("s", "black")


def _draw(ax: Axes, row: int, estimate: Estimate, style: tuple[str, Any]) -> None:
    """Draws the value and its interval; an end that is not finite is left out."""
    lengths = np.array([[estimate.value - estimate.low], [estimate.high - estimate.value]])
    marker, colour = style
    ax.errorbar(
        [estimate.value],
        [row],
        xerr=np.where(np.isfinite(lengths), lengths, 0.0),
        fmt=marker,
        color=colour,
        markersize=4,
        capsize=2,
        linewidth=1.2,
    )
