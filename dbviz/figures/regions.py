"""Decision regions of several models on one plane, the layout of Somepalli et al. 2022, Fig. 1 and 3."""

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
from dbviz.scores.networks import networks

__all__ = ["RegionDisplay"]

_PANEL = 2.1
"""Inches on a panel's side."""


@dataclass(kw_only=True, eq=False)
class RegionDisplay:
    """Decision regions on one plane, a panel a model.

    Make it with `from_maps`, draw it with `plot`; attributes that end in _ are there after `plot`.

    Attributes:
        figure_: the figure drawn on.
        axes_: array (seed, network) of axes.
        images_: one `AxesImage` a model.
        anchors_: for each model the markers of the three images.
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
    figure_: Any = field(default=None, init=False)
    axes_: Any = field(default=None, init=False)
    images_: list[AxesImage] = field(default_factory=list, init=False)
    anchors_: list[list[Line2D]] = field(default_factory=list, init=False)

    @classmethod
    def from_maps(cls, maps: xr.Dataset) -> "RegionDisplay":
        """The display of label maps on one plane, such as `maps.sel(plane=0)`; one model or several.

        Raises:
            InputError: the maps have more than one plane.
        """
        if "plane" in maps.dims:
            if maps.sizes["plane"] != 1:
                raise InputError(f"the maps have {maps.sizes['plane']} planes: choose one, such as maps.sel(plane=0)")
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
        )

    def plot(
        self,
        ax: Any = None,
        *,
        palette: str = "petroff10",
        shade: bool = False,
        thumbnails: UInt8[np.ndarray, "corner c h w"] | None = None,
        agreement: dict[str, float] | None = None,
    ) -> "RegionDisplay":
        """Draws the panels.

        Args:
            ax: one axes a model to draw into, without legend or thumbnails; by default a new figure.
            palette: `petroff10`, or `paper`.
            shade: fade each point towards white as its confidence falls; needs maps with confidence.
            thumbnails: the three images, drawn beside the panels.
            agreement: for a network, the share of points on which its seeds agree, written above its column.

        Raises:
            InputError: `ax` has not one axes a model; shading was asked for without confidence; the palette is unknown.
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
        self._draw_figure(colours, shade, thumbnails, agreement or {})
        return self

    def _draw_figure(
        self, colours: np.ndarray, shade: bool, thumbnails: np.ndarray | None, agreement: dict[str, float]
    ) -> None:
        places = list(zip(self.networks, self.seeds, strict=True))
        if twice := sorted({place for place in places if places.count(place) > 1}):
            raise InputError(f"two models are {' seed '.join(twice[0])}: one panel would hide the other; select one")
        columns, rows = list(dict.fromkeys(self.networks)), list(dict.fromkeys(self.seeds))
        strip = 0.45 if thumbnails is not None else 0.0
        width = max((len(columns) + strip) * _PANEL + 0.6, 4.4)
        shown = self._named_classes()
        entries = len(shown) + (len(MARKERS) if thumbnails is None else 0)
        height = len(rows) * _PANEL + 0.95 + 0.2 * legend_rows(width, entries)
        layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
        figure = plt.figure(figsize=(width, max(height, 3.2)), layout=layout)
        body: Any = figure
        if thumbnails is not None:
            beside, body = figure.subfigures(1, 2, squeeze=False, width_ratios=[strip, len(columns)])[0]
            self._draw_thumbnails(beside, thumbnails, colours)
        axes = body.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey=True)
        for panel in axes.flat:
            panel.set_visible(False)
        for model, (network, seed) in enumerate(places):
            row, column = rows.index(seed), columns.index(network)
            self._draw_panel(axes[row, column], model, colours, shade)
            axes[row, column].set_visible(True)
            axes[row, column].label_outer()
        for column, network in enumerate(columns):
            agreed = f"\nseeds agree on {agreement[network]:.1%}" if np.isfinite(agreement.get(network, np.nan)) else ""
            top = next(panel for panel in axes[:, column] if panel.get_visible())
            top.set_title(f"{network}{agreed}\n{top.get_title()}", fontsize=8)
        body.supxlabel("distance along image 1 → image 2, in normalised pixels", fontsize=7)
        body.supylabel("distance across it", fontsize=7)
        draw_legend(figure, self.class_names, colours, shown, markers=thumbnails is None)
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
            [ax.plot(*place, marker, **ANCHOR_STYLE)[0] for marker, place in zip(MARKERS, self.anchors, strict=True)]
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
        """Classes in the legend: all of up to ten, else those that are drawn."""
        if len(self.class_names) <= 10:
            return list(range(len(self.class_names)))
        return sorted({*np.unique(self.labels).tolist(), *self.triplet_label.tolist()})
