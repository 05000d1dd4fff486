"""Decision regions of several networks on several planes: a row a plane, a column a network."""

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
"""Inches on a panel's side."""


def plot_region_grid(
    maps: xr.Dataset, columns: Sequence[str], rows: Sequence[str], *, palette: str = "petroff10", title: str = ""
) -> Figure:
    """The layout of Somepalli et al. 2022, Figs 7 and 16-18: how regions change as a network widens.

    Args:
        maps: label maps, a model for each of `columns` and a plane for each of `rows`.
        columns: what stands above each model, such as `k = 4`.
        rows: what stands beside each plane.
        title: which networks these are.

    Raises:
        InputError: there are not as many names as models and planes.
    """
    shape = maps.sizes["plane"], maps.sizes["model"]
    if shape != (len(rows), len(columns)):
        raise InputError(f"{len(rows)} rows and {len(columns)} columns are named, but the maps have {shape}")
    size = (_PANEL * shape[1] + 0.4, _PANEL * shape[0] + 0.9)
    figure, axes = plt.subplots(*shape, squeeze=False, figsize=size, layout="constrained")
    for row, said in enumerate(rows):
        display = RegionDisplay.from_maps(maps.isel(plane=[row])).plot(axes[row], palette=palette)
        for ax, above in zip(axes[row], columns, strict=True):
            ax.set_title(above if row == 0 else "", fontsize=8)
            ax.set(xticks=[], yticks=[])
        axes[row, 0].set_ylabel(said, fontsize=8)
    names = display.class_names  # pyright: ignore[reportPossiblyUnboundVariable]
    draw_legend(figure, names, class_colours(len(names), palette), range(len(names)))
    if title:
        figure.suptitle(title, fontsize=9)
    return figure
