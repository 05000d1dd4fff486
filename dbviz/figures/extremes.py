"""The planes on which the runs of a network agree most and least."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Float64
from matplotlib.figure import Figure

from dbviz.figures.legend import draw_legend
from dbviz.figures.palette import class_colours
from dbviz.figures.regions import AXES_LABEL, RegionDisplay

__all__ = ["plot_extremes"]

_PANEL = 1.7
"""Side of a panel in inches."""


def plot_extremes(
    maps: xr.Dataset,
    agreement: Float64[np.ndarray, " plane"],
    *,
    palette: str = "petroff10",
    title: str = "",
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draws the runs of one network on the planes of highest (top row) and lowest agreement (bottom row).

    Args:
        maps: label maps of the runs of one network.
        agreement: the mean agreement of its runs on each plane, from `dbviz.scores.plane_agreement`.
        title: the name of the network.
        figsize: width and height in inches; by default as large as the panels need.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> import dbviz
        >>> labels = np.random.default_rng(0).integers(0, 3, (2, 3, 9, 9))  # run, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks="mine")
        >>> figure = plot_extremes(maps, dbviz.scores.plane_agreement(maps)["mine"], title="mine")
        >>> len(figure.axes), figure.get_suptitle()
        (4, 'mine')
        >>> plt.close(figure)
    """
    runs = maps.sizes["model"]
    size = figsize or (_PANEL * runs + 0.9, 2 * _PANEL + 1.3)
    figure = plt.figure(figsize=size, layout="constrained")
    body: Any = figure.subfigures(1, 1)  # so that its x label and the figure's legend do not overlap
    axes = body.subplots(2, runs, squeeze=False)
    drawn: set[int] = set()
    for row, (plane, degree) in enumerate([(int(agreement.argmax()), "most"), (int(agreement.argmin()), "least")]):
        display = RegionDisplay.from_maps(maps.isel(plane=plane)).plot(axes[row], palette=palette)
        numbers = " ".join(map(str, maps.triplet.values[plane]))
        where = f"images {numbers}" if maps.triplet.values[plane].min() >= 0 else f"plane {plane}"
        axes[row, 0].set_ylabel(f"{degree} reproducible\n{where}\nagreement {agreement[plane]:.1%}", fontsize=7)
        drawn |= set(np.unique(display.labels).tolist())
    body.supxlabel(AXES_LABEL, fontsize=7)
    colours = class_colours(len(display.class_names), palette)
    draw_legend(figure, display.class_names, colours, sorted(drawn), markers=display.has_anchors)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure
