"""The planes on which the runs of a network agree most and least, side by side."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Float64
from matplotlib.figure import Figure

from dbviz.figures.legend import draw_legend
from dbviz.figures.palette import class_colours
from dbviz.figures.regions import RegionDisplay

__all__ = ["plot_extremes"]

_PANEL = 1.7
"""Inches a panel."""


def plot_extremes(
    maps: xr.Dataset, agreement: Float64[np.ndarray, " plane"], *, palette: str = "petroff10", title: str = ""
) -> Figure:
    """Draws the runs of one network on the plane of highest agreement (above) and of lowest (below).

    Args:
        maps: label maps of the runs of one network.
        agreement: the mean agreement of its runs on each plane, as `dbviz.scores.plane_agreement` gives it.
        title: which network it is.
    """
    runs = maps.sizes["model"]
    figure, axes = plt.subplots(
        2, runs, squeeze=False, figsize=(_PANEL * runs + 0.9, 2 * _PANEL + 1.3), layout="constrained"
    )
    shown: set[int] = set()
    for row, (plane, said) in enumerate([(int(agreement.argmax()), "most"), (int(agreement.argmin()), "least")]):
        display = RegionDisplay.from_maps(maps.isel(plane=plane)).plot(axes[row], palette=palette)
        numbers = " ".join(map(str, maps.triplet.values[plane]))
        where = f"images {numbers}" if maps.triplet.values[plane].min() >= 0 else f"plane {plane}"
        axes[row, 0].set_ylabel(f"{said} reproducible\n{where}\n{agreement[plane]:.1%} equal", fontsize=7)
        shown |= set(np.unique(display.labels).tolist())
    axes[1, runs // 2].set_xlabel("distance along image 1 → image 2, and across it, in normalised pixels", fontsize=7)
    draw_legend(figure, display.class_names, class_colours(len(display.class_names), palette), sorted(shown))
    if title:
        figure.suptitle(title, fontsize=9)
    return figure
