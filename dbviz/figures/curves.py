"""Curves of a sweep (Somepalli et al. 2022, Figs 6 and 10-12): scores with bands, the threshold marked."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dbviz.spec import LabelNoise
from dbviz.sweeps import SCORES, Curve

__all__ = ["noise_colour", "plot_curves", "plot_sweep"]

_STYLES = ("-", "--", ":", "-.")
_STACKED = ("test_error", "fragmentation", "reproducibility", "median_margin")


_UNITS = {"median_margin": "median margin\n(normalised pixels)"}
"""Scores that are not shares or counts, with their unit."""


def noise_colour(noise: LabelNoise | None) -> tuple[float, float, float, float]:
    """The colour of a noise level, the same in every picture: from dark blue without noise to yellow at a rate of 1.

    `plasma` rises in lightness, so levels differ for every eye and in grey. Labels from a file are grey.
    """
    if noise is not None and noise.rate is None:
        return 0.45, 0.45, 0.45, 1.0
    rate = 0.0 if noise is None or noise.rate is None else noise.rate
    return mpl.colormaps["plasma"](0.02 + 0.9 * rate**0.5)


def plot_curves(curves: Sequence[Curve], score: str, *, ax: Axes | None = None) -> Axes:
    """One score of every curve against the field along it: lines, bands of the intervals, thresholds as vertical lines.

    The axis along is logarithmic. Curves of one noise level have one colour and differ in their dashes.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(5.0, 3.2), layout="constrained")
    for curve, style in zip(curves, _dashes(curves), strict=True):
        places, estimates = curve.values(score)
        if not len(places):
            continue
        colour = noise_colour(curve.noise)
        values = np.array([estimate.value for estimate in estimates])
        low, high = (np.array([getattr(estimate, end) for estimate in estimates]) for end in ("low", "high"))
        ax.fill_between(places, low, np.where(np.isfinite(high), high, values), color=colour, alpha=0.18, linewidth=0)
        ax.plot(places, values, style, color=colour, marker="o", markersize=3.5, linewidth=1.4, label=curve.name)
        if curve.threshold is not None:
            ax.axvline(curve.threshold, color=colour, linestyle=(0, (1, 2)), linewidth=1.2, zorder=0)
    ax.set_xscale("log")
    ticks = _apart(sorted({point.x for curve in curves for point in curve.points}))
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlabel(axis_label(curves), fontsize=8)
    ax.set_ylabel(_UNITS.get(score, SCORES[score]), fontsize=8)
    ax.tick_params(labelsize=7)
    ax.grid(alpha=0.25)
    return ax


def plot_sweep(curves: Sequence[Curve], scores: Sequence[str] = _STACKED, *, title: str = "") -> Figure:
    """The curves of several scores stacked on one shared axis; scores that no curve has are left out."""
    present = [score for score in scores if any(score in p.scores for curve in curves for p in curve.points)]
    figure, axes = plt.subplots(
        len(present), 1, sharex=True, squeeze=False, figsize=(5.2, 0.8 + 1.75 * len(present)), layout="constrained"
    )
    for ax, score in zip(axes[:, 0], present, strict=True):
        plot_curves(curves, score, ax=ax)
        ax.label_outer()
    figure.align_ylabels()
    if title:
        figure.suptitle(title, fontsize=9)
    handles: list[Any] = list(axes[0, 0].get_legend_handles_labels()[0])
    if any(curve.threshold is not None for curve in curves):
        handles.append(Line2D([], [], color="0.3", linestyle=(0, (1, 2)), label="interpolation threshold"))
    style: dict[str, Any] = {"fontsize": 7, "title_fontsize": 7, "frameon": False}
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 4), title=_explained(curves), **style
    )
    return figure


def _explained(curves: Sequence[Curve]) -> str:
    """What the bands are, and what the names of the curves mean."""
    levels = {estimate.level for curve in curves for point in curve.points for estimate in point.scores.values()}
    bands = f"bands: {min(levels):.0%} intervals" if len(levels) == 1 else "bands: intervals"
    noisy = any("noise" in curve.name for curve in curves)
    return f"noise: share of training labels that are wrong; {bands}" if noisy else bands


def axis_label(curves: Sequence[Curve]) -> str:
    """What stands along the curves, for the reader."""
    along = curves[0].along
    said = {"width": "width k", "epoch": "epoch", "train_size": "training images"}
    return said.get(along, along.rpartition(".")[2].replace("_", " "))


def _apart(places: Sequence[float]) -> list[float]:
    """Those of the rising places whose numbers have room beside each other on a logarithmic axis; always the ends."""
    least = 0.06 * np.log(places[-1] / places[0])
    chosen = [places[0]]
    for place in places[1:-1]:
        if np.log(place / chosen[-1]) >= least and np.log(places[-1] / place) >= least:
            chosen.append(place)
    return [*chosen, *places[1:][-1:]]


def _dashes(curves: Sequence[Curve]) -> list[str]:
    """A style for each curve: the nth of its noise level has the nth."""
    colours = [noise_colour(curve.noise) for curve in curves]
    return [_STYLES[colours[:i].count(colour) % len(_STYLES)] for i, colour in enumerate(colours)]
