"""Decision regions of several networks on several planes: one row a plane, one column a network."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from dbviz.core.errors import InputError
from dbviz.figures.legend import draw_legend
from dbviz.figures.palette import class_colours
from dbviz.figures.regions import RegionDisplay

__all__ = ["plot_region_grid"]

_PANEL = 1.5
"""Side of a panel in inches."""


def plot_region_grid(
    maps: xr.Dataset,
    columns: Sequence[str],
    rows: Sequence[str],
    *,
    palette: str = "petroff10",
    title: str = "",
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """The layout of Somepalli et al. 2022, Figs 7 and 16-18: how regions change as a network widens.

    Args:
        maps: label maps with a model for each of `columns` and a plane for each of `rows`.
        columns: a title for each model, such as `k = 4`.
        rows: a label for each plane.
        title: of the figure.
        figsize: width and height in inches; by default as large as the panels need.

    Raises:
        InputError: the numbers of names, models and planes do not match.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> import dbviz
        >>> import numpy as np
        >>> labels = np.random.default_rng(0).integers(0, 3, (3, 2, 9, 9))  # model, plane, row, column
        >>> maps = dbviz.label_maps.from_array(labels, networks=["k = 1", "k = 2", "k = 4"])
        >>> figure = plot_region_grid(maps, ["k = 1", "k = 2", "k = 4"], ["first plane", "second plane"])
        >>> [ax.get_title() for ax in figure.axes[:3]]
        ['k = 1', 'k = 2', 'k = 4']
        >>> plt.close(figure)
    """
    shape = maps.sizes["plane"], maps.sizes["model"]
    if shape != (len(rows), len(columns)):
        raise InputError(
            f"{len(rows)} rows and {len(columns)} columns are named, but the maps have {shape[0]} planes (rows) and "
            f"{shape[1]} models (columns)"
        )
    size = figsize or (_PANEL * shape[1] + 0.4, _PANEL * shape[0] + 0.9)
    figure, axes = plt.subplots(*shape, squeeze=False, figsize=size, layout="constrained")
    for row, row_label in enumerate(rows):
        display = RegionDisplay.from_maps(maps.isel(plane=[row])).plot(axes[row], palette=palette)
        for ax, column_title in zip(axes[row], columns, strict=True):
            ax.set_title(column_title if row == 0 else "", fontsize=8)
            ax.set(xticks=[], yticks=[])
        axes[row, 0].set_ylabel(row_label, fontsize=8)
    names = display.class_names  # pyright: ignore[reportPossiblyUnboundVariable]
    colours = class_colours(len(names), palette)
    draw_legend(figure, names, colours, range(len(names)), markers=display.has_anchors)  # pyright: ignore[reportPossiblyUnboundVariable]
    if title:
        figure.suptitle(title, fontsize=9)
    return figure
