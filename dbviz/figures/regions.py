"""Decision regions of several models on one plane, in the layout of Somepalli et al. 2022, Figs 1 and 3."""

import html
import json
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Float32, Float64, Int64, UInt8
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from dbviz.core.errors import InputError
from dbviz.figures.legend import ANCHOR_STYLE, MARKERS, draw_legend, legend_rows
from dbviz.figures.palette import class_colours
from dbviz.scores.label_arrays import check_label_maps
from dbviz.scores.networks import networks

__all__ = ["AXES_LABEL", "RegionDisplay"]

AXES_LABEL = "distance along image 1 → image 2, and perpendicular to it, in normalised pixels"
"""The meaning of both axes of a panel."""
_PANEL = 2.1
"""Side of a panel in inches."""


@dataclass(kw_only=True, eq=False, repr=False)
class RegionDisplay:
    """Decision regions on one plane, one panel a model.

    Create it with `from_maps` and draw it with `plot`; attributes that end in _ are set by `plot`.

    Attributes:
        figure_: the figure drawn on.
        axes_: array (seed, network) of axes.
        images_: one `AxesImage` a model.
        anchors_: for each model the markers of the three images.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> import dbviz
        >>> planes = dbviz.draw_planes(dbviz.data.shapes(40, split="test"), 2)
        >>> maps = dbviz.sample(lambda x: x[:, :, 15, 15], planes, resolution=8, device="cpu")  # three classes
        >>> display = RegionDisplay.from_maps(maps.sel(plane=0)).plot()
        >>> display
        RegionDisplay(1 model of 1 network on the plane through shapes test images 13, 12, 37)
        >>> len(display.axes_.flat), display.images_[0].get_array().shape
        (1, (8, 8, 3))
        >>> plt.close(display.figure_)
    """

    labels: UInt8[np.ndarray, "model row column"]
    confidence: Float32[np.ndarray, "model row column"] | None
    a: Float64[np.ndarray, " column"]
    b: Float64[np.ndarray, " row"]
    anchors: Float64[np.ndarray, "corner 2"]
    triplet: Int64[np.ndarray, " corner"]
    triplet_label: Int64[np.ndarray, " corner"]
    class_names: tuple[str, ...]
    networks: tuple[str, ...]
    seeds: tuple[str, ...]
    test_accuracy: Float64[np.ndarray, " model"]
    dataset: str = ""
    split: str = ""
    figure_: Any = field(default=None, init=False)
    axes_: Any = field(default=None, init=False)
    images_: list[AxesImage] = field(default_factory=list, init=False)
    anchors_: list[list[Line2D]] = field(default_factory=list, init=False)

    @classmethod
    def from_maps(cls, maps: xr.Dataset) -> "RegionDisplay":
        """The display of label maps on one plane, such as `maps.sel(plane=0)`, of one model or several.

        Raises:
            InputError: the maps have more than one plane, or `maps` are no label maps.
        """
        check_label_maps(maps)
        if "plane" in maps.dims:
            if maps.sizes["plane"] != 1:
                raise InputError(f"the maps have {maps.sizes['plane']} planes: select one, such as maps.sel(plane=0)")
            maps = maps.isel(plane=0)
        if "model" not in maps.dims:
            maps = maps.expand_dims("model")
        names = tuple(json.loads(maps.attrs.get("class_names", "[]")))
        known = max(int(maps.labels.max()), int(maps.triplet_label.max())) + 1
        return cls(
            labels=maps.labels.transpose("model", "row", "column").values,
            confidence=maps.confidence.transpose("model", "row", "column").values if "confidence" in maps else None,
            a=maps.a.values,
            b=maps.b.values,
            anchors=maps.anchors.values,
            triplet=maps.triplet.values,
            triplet_label=maps.triplet_label.values,
            class_names=names + tuple(f"class {k}" for k in range(len(names), known)),
            networks=tuple(networks(maps)),
            seeds=tuple(np.atleast_1d(maps.seed.values)),
            test_accuracy=np.atleast_1d(maps.test_accuracy.values),
            dataset=str(maps.attrs.get("dataset", "")),
            split=str(maps.attrs.get("split", "")),
        )

    def __repr__(self) -> str:
        models, networks = len(self.labels), len(set(self.networks))
        return f"RegionDisplay({_count(models, 'model')} of {_count(networks, 'network')} on {self._plane()})"

    def _repr_html_(self) -> str:
        """A table of the models, for notebooks; the figure is drawn by `plot` only."""
        cells = [
            f"<tr><td>{html.escape(network)}</td><td>{html.escape(seed)}</td><td>{_percent(accuracy)}</td></tr>"
            for network, seed, accuracy in zip(self.networks, self.seeds, self.test_accuracy, strict=True)
        ]
        heading = "<tr><th>network</th><th>seed</th><th>test accuracy</th></tr>"
        caption = f"<caption>Decision regions on {html.escape(self._plane())}</caption>"
        return f"<table>{caption}{heading}{''.join(cells)}</table>"

    @property
    def has_anchors(self) -> bool:
        """Whether the places of the three images on the plane are known."""
        return bool(np.isfinite(self.anchors).all())

    def _plane(self) -> str:
        """The plane in words."""
        source = f"{self.dataset} {self.split}".strip()
        indices = [str(index) for index in self.triplet if index >= 0]
        if len(indices) == len(self.triplet):
            return f"the plane through {source} images {', '.join(indices)}"
        if indices:  # a plane around a single image
            return f"a plane through {' '.join(source.split()[:2])} image {', '.join(indices)}"
        return f"a plane of {source}" if source else "a plane"

    def plot(
        self,
        ax: Any = None,
        *,
        palette: str = "petroff10",
        shade: bool = False,
        thumbnails: UInt8[np.ndarray, "corner c h w"] | None = None,
        agreement: dict[str, float] | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> "RegionDisplay":
        """Draws the panels and returns the display.

        Args:
            ax: axes to draw into, one a model, without legend or thumbnails; by default a new figure.
            palette: `petroff10` or `paper`.
            shade: fade each point towards white as its confidence falls; needs maps with confidence.
            thumbnails: the three images, drawn beside the panels.
            agreement: for a network, the share of points on which its seeds agree, written above its column.
            figsize: width and height of a new figure in inches; by default as large as the panels need.

        Raises:
            InputError: `ax` does not have one axes a model; shading without confidence; the palette is unknown.
        """
        colours = class_colours(len(self.class_names), palette)
        self.images_, self.anchors_ = [], []
        if ax is not None:
            axes = np.atleast_1d(np.asarray(ax, dtype=object))
            if axes.size != len(self.labels):
                raise InputError(
                    f"{axes.size} axes for {len(self.labels)} models: give one a model, or none for a new figure"
                )
            self.axes_, self.figure_ = axes, axes.flat[0].figure
            for model, panel in enumerate(axes.flat):
                self._draw_panel(panel, model, colours, shade)
            return self
        self._draw_figure(colours, shade, thumbnails, agreement or {}, figsize)
        return self

    def _draw_figure(
        self,
        colours: np.ndarray,
        shade: bool,
        thumbnails: np.ndarray | None,
        agreement: dict[str, float],
        figsize: tuple[float, float] | None,
    ) -> None:
        models = list(zip(self.networks, self.seeds, strict=True))
        if repeated := sorted({model for model in models if models.count(model) > 1}):
            raise InputError(f"two models are {' seed '.join(repeated[0])}: one panel would hide the other; select one")
        columns, rows = list(dict.fromkeys(self.networks)), list(dict.fromkeys(self.seeds))
        strip = 0.45 if thumbnails is not None else 0.0
        classes = self._named_classes()
        markers = thumbnails is None and self.has_anchors
        entries = len(classes) + (len(MARKERS) if markers else 0)
        size = figsize or _size(len(columns) + strip, len(rows), entries)
        figure = plt.figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03))
        body: Any
        if thumbnails is None:
            body = figure.subfigures(1, 1)  # so that its x label and the figure's legend do not overlap
        else:
            side, body = figure.subfigures(1, 2, squeeze=False, width_ratios=[strip, len(columns)])[0]
            self._draw_thumbnails(side, thumbnails, colours)
        axes = body.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey=True)
        for panel in axes.flat:
            panel.set_visible(False)
        for model, (network, seed) in enumerate(models):
            panel = axes[rows.index(seed), columns.index(network)]
            self._draw_panel(panel, model, colours, shade)
            panel.set_visible(True)
            panel.label_outer()
        for column, network in enumerate(columns):
            _add_heading(axes[:, column], network, agreement.get(network, np.nan))
        body.supxlabel("distance along image 1 → image 2, in normalised pixels", fontsize=7)
        body.supylabel("perpendicular distance", fontsize=7)
        draw_legend(figure, self.class_names, colours, classes, markers=markers)
        self.figure_, self.axes_ = figure, axes

    def _draw_panel(self, ax: Axes, model: int, colours: np.ndarray, shade: bool) -> None:
        pixels = colours[self.labels[model]]
        if shade:
            if self.confidence is None:
                raise InputError("shading needs the confidence of every point: sample with confidence=True")
            certain = self.confidence[model][..., None]
            pixels = 1 - certain * (1 - pixels)
        a_step, b_step = (axis[1] - axis[0] for axis in (self.a, self.b))
        extent = (
            self.a[0] - a_step / 2,
            self.a[-1] + a_step / 2,
            self.b[0] - b_step / 2,
            self.b[-1] + b_step / 2,
        )
        self.images_.append(
            ax.imshow((pixels * 255 + 0.5).astype(np.uint8), origin="lower", extent=extent, interpolation="none")
        )
        self.anchors_.append(
            [ax.plot(*anchor, marker, **ANCHOR_STYLE)[0] for marker, anchor in zip(MARKERS, self.anchors, strict=True)]
        )
        ax.set_title(self._panel_title(model), fontsize=7)
        ax.tick_params(labelsize=6)

    def _panel_title(self, model: int) -> str:
        seed = f"seed {self.seeds[model]}" if self.seeds[model] else self.networks[model]
        accuracy = self.test_accuracy[model]
        return f"{seed} · {accuracy:.1%} test accuracy" if np.isfinite(accuracy) else seed

    def _draw_thumbnails(self, figure: Any, thumbnails: np.ndarray, colours: np.ndarray) -> None:
        for corner, ax in enumerate(np.atleast_1d(figure.subplots(3, 1))):
            ax.imshow(thumbnails[corner].transpose(1, 2, 0), interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            label = int(self.triplet_label[corner])
            for spine in ax.spines.values():
                spine.set(color=colours[label], linewidth=3)
            ax.set_title(f"image {corner + 1} (#{self.triplet[corner]})", fontsize=7)
            ax.set_xlabel(self.class_names[label], fontsize=8)
            ax.plot(0.02, 0.98, MARKERS[corner], transform=ax.transAxes, zorder=5, clip_on=False, **ANCHOR_STYLE)

    def _named_classes(self) -> list[int]:
        """Classes in the legend: all if there are at most ten, else those that are drawn."""
        if len(self.class_names) <= 10:
            return list(range(len(self.class_names)))
        return sorted({*np.unique(self.labels).tolist(), *self.triplet_label.tolist()})


def _size(columns: float, rows: int, legend_entries: int) -> tuple[float, float]:
    """Width and height in inches of a figure with so many columns and rows of panels."""
    width = max(columns * _PANEL + 0.6, 4.4)
    return width, max(rows * _PANEL + 0.95 + 0.2 * legend_rows(width, legend_entries), 3.2)


def _add_heading(panels: np.ndarray, network: str, agreement: float) -> None:
    """Puts the network's name and agreement above the title of the uppermost visible panel of a column."""
    heading = f"{network}\nseeds agree on {agreement:.1%}" if np.isfinite(agreement) else network
    top = next(panel for panel in panels if panel.get_visible())
    top.set_title(f"{heading}\n{top.get_title()}", fontsize=8)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _percent(share: float) -> str:
    return f"{share:.1%}" if np.isfinite(share) else ""
