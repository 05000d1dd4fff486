"""Curves of a sweep (Somepalli et al. 2022, Figs 6 and 10-12): scores with bands, and the interpolation threshold."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dbviz.scores import Estimate
from dbviz.spec import LabelNoise
from dbviz.sweeps import SCORES, Curve

__all__ = ["noise_colour", "plot_curves", "plot_sweep"]

_STYLES = ("-", "--", ":", "-.")
_STACKED = ("test_error", "fragmentation", "reproducibility", "median_margin")
_UNITS = {"median_margin": "median margin\n(normalised pixels)"}
"""Axis labels of scores with a unit."""
_FIELDS = {"width": "width k", "epoch": "epoch", "train_size": "training images"}
"""Axis labels of fields."""


def noise_colour(noise: LabelNoise | None) -> tuple[float, float, float, float]:
    """The colour of a noise level, the same in every figure: from dark blue without noise to yellow at a rate of 1.

    The lightness of `plasma` increases monotonically, so levels differ in greyscale too, and under colour blindness.
    Labels from a file are grey.

    Example:
        >>> noise_colour(None) != noise_colour(LabelNoise(rate=0.2))
        True
    """
    if noise is not None and noise.rate is None:
        return 0.45, 0.45, 0.45, 1.0
    rate = 0.0 if noise is None or noise.rate is None else noise.rate
    return mpl.colormaps["plasma"](0.02 + 0.9 * rate**0.5)


def plot_curves(curves: Sequence[Curve], score: str, *, ax: Axes | None = None) -> Axes:
    """One score of every curve against its field: lines, bands for intervals, and thresholds as vertical lines.

    The x axis is logarithmic. Curves of the same noise level have the same colour and differ in their line style.

    Args:
        score: a key of `dbviz.sweeps.SCORES`.
        ax: axes to draw into; by default those of a new figure.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from dbviz.scores import Estimate
        >>> from dbviz.sweeps import Curve, Point
        >>> errors = [Estimate(value=v, low=v - 0.1, high=v + 0.1, items=100, runs=(3,)) for v in (0.4, 0.6, 0.3)]
        >>> points = tuple(Point(x=10.0 * 2**i, runs=3, scores={"test_error": e}) for i, e in enumerate(errors))
        >>> curve = Curve(name="noise 0.2", noise=LabelNoise(rate=0.2), along="width", points=points, threshold=20.0)
        >>> ax = plot_curves([curve], "test_error")
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('width k', 'test error')
        >>> plt.close(ax.figure)
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(5.0, 3.2), layout="constrained")
    for curve, style in zip(curves, _dashes(curves), strict=True):
        x, estimates = curve.values(score)
        if not len(x):
            continue
        colour = noise_colour(curve.noise)
        values = np.array([estimate.value for estimate in estimates])
        low, high = (np.array([getattr(estimate, end) for estimate in estimates]) for end in ("low", "high"))
        hatched = {"facecolor": "none", "edgecolor": colour, "hatch": "////"}
        filled: dict[str, Any] = hatched if _partial(estimates) else {"color": colour}
        ax.fill_between(x, low, np.where(np.isfinite(high), high, values), alpha=0.18, linewidth=0, **filled)
        ax.plot(x, values, style, color=colour, marker="o", markersize=3.5, linewidth=1.4, label=curve.name)
        if curve.threshold is not None:
            ax.axvline(curve.threshold, color=colour, linestyle=(0, (1, 2)), linewidth=1.2, zorder=0)
    ax.set_xscale("log")
    ticks = _legible(sorted({point.x for curve in curves for point in curve.points}))
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlabel(axis_label(curves), fontsize=8)
    ax.set_ylabel(_UNITS.get(score, SCORES[score]), fontsize=8)
    ax.tick_params(labelsize=7)
    ax.grid(alpha=0.25)
    return ax


def plot_sweep(
    curves: Sequence[Curve],
    scores: Sequence[str] = _STACKED,
    *,
    title: str = "",
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """The curves of several scores, one panel a score with a shared x axis; scores that no curve has are left out.

    Args:
        scores: keys of `dbviz.sweeps.SCORES`, from top to bottom.
        figsize: width and height in inches; by default 5.2 wide, and as high as the panels need.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from dbviz.scores import Estimate
        >>> from dbviz.sweeps import Curve, Point
        >>> errors = [Estimate(value=v, low=v - 0.1, high=v + 0.1, items=100, runs=(3,)) for v in (0.4, 0.6, 0.3)]
        >>> points = tuple(Point(x=10.0 * 2**i, runs=3, scores={"test_error": e}) for i, e in enumerate(errors))
        >>> curve = Curve(name="noise 0.2", noise=LabelNoise(rate=0.2), along="width", points=points, threshold=20.0)
        >>> figure = plot_sweep([curve], ["test_error"], figsize=(3.5, 2.5))
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['noise 0.2', 'interpolation threshold']
        >>> plt.close(figure)
    """
    present = [score for score in scores if any(score in p.scores for curve in curves for p in curve.points)]
    size = figsize or (5.2, 0.8 + 1.75 * len(present))
    figure, axes = plt.subplots(len(present), 1, sharex=True, squeeze=False, figsize=size, layout="constrained")
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
    """What the bands and the names of the curves mean."""
    levels = {estimate.level for curve in curves for point in curve.points for estimate in point.scores.values()}
    bands = f"bands: {min(levels):.0%} intervals" if len(levels) == 1 else "bands: intervals"
    if any(_partial(list(point.scores.values())) for curve in curves for point in curve.points):
        bands += "; hatched: of planes or images only, too few runs"
    noisy = any("noise" in curve.name for curve in curves)
    return f"noise: fraction of wrong training labels; {bands}" if noisy else bands


def _partial(estimates: Sequence[Estimate]) -> bool:
    """Whether some of the intervals do not cover how runs vary."""
    return any(estimate.covers for estimate in estimates)


def axis_label(curves: Sequence[Curve]) -> str:
    """The label of the x axis."""
    along = curves[0].along
    return _FIELDS.get(along, along.rpartition(".")[2].replace("_", " "))


def _legible(values: Sequence[float]) -> list[float]:
    """Ticks whose numbers do not overlap on a logarithmic axis: a subset of the rising values, with both ends."""
    spacing = 0.06 * np.log(values[-1] / values[0])
    ticks = [values[0]]
    for value in values[1:-1]:
        if np.log(value / ticks[-1]) >= spacing and np.log(values[-1] / value) >= spacing:
            ticks.append(value)
    return [*ticks, *values[1:][-1:]]


def _dashes(curves: Sequence[Curve]) -> list[str]:
    """The line style of each curve: the nth of a noise level has the nth style."""
    colours = [noise_colour(curve.noise) for curve in curves]
    return [_STYLES[colours[:i].count(colour) % len(_STYLES)] for i, colour in enumerate(colours)]
